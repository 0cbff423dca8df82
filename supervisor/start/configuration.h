// What a generation of workers is started with: the options, and what they name, looked up and
// open.
#pragma once

#include "common/options.h"
#include "supervisor/start/about_to.h"
#include "supervisor/start/access_files.h"
#include "supervisor/start/access_log_file.h"
#include "supervisor/start/credentials.h"
#include "supervisor/start/served_root.h"
#include "supervisor/start/tls_files.h"
#include "supervisor/start_error.h"

#include <optional>

namespace fsrv {

struct Configuration {
    Options options;
    ServedRoot root;
    AccessLogFile access_log;
    std::optional<Credentials> credentials;
    std::optional<LoadedTls> tls; // none: clear text
    LoadedAccess access;

    // What is to be told of it when it is served with, but for the root's.
    std::vector<std::string> warnings() const;
};

// The same, with descriptors of its own, and with that instead of what it spoke TLS with.
Result<Configuration, Errno> renewed(const Configuration& config, LoadedTls tls);

// Where the value comes from that it is about stands before the message: "fsrv.toml:3: root: ...".
StartError placed(StartError error, const Places& places);

// All that can be known to be wrong with the options before anything is bound, created or started.
// The access log is looked at, not opened.
Result<Configuration, StartError> check_configuration(const Options& options,
                                                      const AboutTo& about_to = {});

// Likewise with where to listen, at a start that inherits no sockets: no name of a host is looked
// up, no address tried. `control_path`: as the function of that name has it.
Result<void, StartError> check_places(const Options& options, const std::string& control_path);

// check_configuration(), and opens the log, which may make a file.
Result<Configuration, StartError> open_configuration(const Options& options,
                                                     const AboutTo& about_to = {});

} // namespace fsrv
