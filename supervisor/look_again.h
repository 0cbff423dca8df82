// What a reload, a rotation and a renewal open anew, by errands: names may lie on a mount that
// hangs.
#pragma once

#include "supervisor/errand.h"
#include "supervisor/start/configuration.h"
#include "supervisor/start/origin.h"

#include <functional>
#include <optional>
#include <string>

namespace fsrv {

// Adds what no file has: as LastingTls::complete(). Runs here, when the errand is back.
using CompleteTls =
    std::function<Result<void, std::string>(const Options& options, LoadedTls& tls)>;

// The configuration as it would be if the server started now, where `running` can become it.
// `origin` outlives what is returned.
Pending<Configuration> load_again(ProcessOps& ops, const Origin& origin, const Options& running,
                                  unsigned slots, CompleteTls complete);

// The access log of that path.
Pending<UniqueFd> open_log_again(ProcessOps& ops, const std::string& path);

// What the files of TLS are now. Neither a problem nor TLS: they are as they were, or change while
// they are looked at.
struct TlsLook {
    std::string stamp;            // as stamp_of()
    std::string problem;          // why nothing can be served with them; empty: none
    std::optional<LoadedTls> tls; // what is in them
};
// `known`: the stamp of the files that need not be read again.
Pending<TlsLook> look_at_tls(ProcessOps& ops, const Origin& origin, const Options& running,
                             const std::string& known, CompleteTls complete);

} // namespace fsrv
