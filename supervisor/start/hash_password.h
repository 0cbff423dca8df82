// --hash-password: a [[login]] table for the configuration file, printed.
#pragma once

#include <string>

namespace fsrv {

// Asks twice without an echo where standard input is a terminal, else reads its first line. The
// exit status. `name`: of the user; empty: NAME stands there, to be replaced. The password is
// nowhere but in memory that is wiped.
int run_hash_password(const std::string& name);

} // namespace fsrv
