// Files of keys and passwords: read whole, with the supervisor's rights, into memory that is wiped.
#pragma once

#include "common/result.h"
#include "common/secret.h"

#include <string>
#include <string_view>
#include <sys/types.h>

namespace fsrv {

struct SecretFile {
    Secret bytes;
    mode_t mode = 0; // as fstat() has it

    bool is_for_everybody() const; // every user of this machine may read it
};

// `what` is in it: "PEM". The error says why there is none, what was expected, and what to do;
// ready to stand behind the file's name. Files have limits::kMaxTlsFileBytes at most.
Result<SecretFile, std::string> read_secret_file(const std::string& name, std::string_view what);

} // namespace fsrv
