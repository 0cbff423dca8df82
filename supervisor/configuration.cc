#include "supervisor/configuration.h"

#include "supervisor/admin_listener.h"
#include "supervisor/unix_listener.h"

namespace fsrv {

Result<Configuration, StartError> check_configuration(const Options& options) {
    Configuration config{.options = options};
    auto root = open_root(options.root);
    if (!root) return unexpected(std::move(root.error()));
    config.root = std::move(*root);
    auto credentials = look_up_credentials(options.user, options.group);
    if (!credentials) return unexpected(std::move(credentials.error()));
    config.credentials = std::move(*credentials);
    if (auto ok = UnixListener::check_path({.path = options.unix_path}); !ok)
        return unexpected(std::move(ok.error()));
    if (auto ok = AdminListener::check(options.admin); !ok)
        return unexpected(std::move(ok.error()));
    if (auto ok = AccessLogFile::check(options.access_log); !ok)
        return unexpected(std::move(ok.error()));
    return config;
}

Result<Configuration, StartError> open_configuration(const Options& options) {
    auto config = check_configuration(options);
    if (!config) return config;
    auto access_log = AccessLogFile::open(options.access_log);
    if (!access_log) return unexpected(std::move(access_log.error()));
    config->access_log = std::move(*access_log);
    return config;
}

} // namespace fsrv
