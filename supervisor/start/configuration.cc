#include "supervisor/start/configuration.h"

#include "supervisor/sockets/addresses.h"
#include "supervisor/sockets/admin_listener.h"
#include "supervisor/sockets/unix_listener.h"

#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <memory>

namespace fsrv {
namespace {

StartError of(std::string_view option, StartError error) {
    error.option = option;
    return error;
}

// Whoever can connect may ask for what lies there.
bool lies_in_root(const Configuration& config, const std::string& name) {
    const std::unique_ptr<char, decltype(&std::free)> path(realpath(name.c_str(), nullptr),
                                                           &std::free);
    const std::string root = config.root.path == "/" ? "" : config.root.path;
    return path && std::string_view(path.get()).starts_with(root + '/');
}

void warn_of_keys_in_root(Configuration& config) {
    std::vector<std::string> names = config.options.tls_keys;
    if (names.empty() && !config.options.makes_certificate()) names = config.options.tls_certs;
    for (const std::string& name : names)
        if (lies_in_root(config, name))
            config.tls->warnings.push_back(fmt::format(
                "the key in \"{}\" lies in the folder that is served: keep it elsewhere", name));
}

void warn_of_secrets_in_root(Configuration& config) {
    for (const std::string& name : {config.options.users, config.options.signing_key})
        if (!name.empty() && lies_in_root(config, name))
            config.access.warnings.push_back(fmt::format(
                "what is in \"{}\" lies in the folder that is served: keep it elsewhere", name));
}

template <class... Args>
void tell(const AboutTo& about_to, fmt::format_string<Args...> format, Args&&... args) {
    if (about_to) about_to(fmt::format(format, std::forward<Args>(args)...));
}

} // namespace

std::vector<std::string> Configuration::warnings() const {
    std::vector<std::string> all = access.warnings;
    if (tls) all.insert(all.end(), tls->warnings.begin(), tls->warnings.end());
    return all;
}

StartError placed(StartError error, const Places& places) {
    if (const auto place = places.find(error.option); place != places.end())
        error.message = fmt::format("{}: {}", place->second, error.message);
    return error;
}

Result<Configuration, StartError> check_configuration(const Options& options,
                                                      const AboutTo& about_to) {
    Configuration config{.options = options};
    tell(about_to, "the folder served, \"{}\",", options.root);
    auto root = open_root(options.root);
    if (!root) return unexpected(of("root", std::move(root.error())));
    config.root = std::move(*root);
    tell(about_to, "the look-up of user \"{}\" and group \"{}\"", options.user, options.group);
    auto credentials = look_up_credentials(options.user, options.group);
    if (!credentials) return unexpected(std::move(credentials.error()));
    config.credentials = std::move(*credentials);
    tell(about_to, "the access log, \"{}\",", options.access_log);
    if (auto ok = AccessLogFile::check(options.access_log); !ok)
        return unexpected(of("access-log", std::move(ok.error())));
    if (options.speaks_tls()) {
        auto tls = load_tls(options, wall_now().seconds, about_to);
        if (!tls) return unexpected(std::move(tls.error()));
        config.tls = std::move(*tls);
        warn_of_keys_in_root(config);
    }
    auto access = load_access(options, about_to);
    if (!access) return unexpected(std::move(access.error()));
    config.access = std::move(*access);
    warn_of_secrets_in_root(config);
    return config;
}

Result<Configuration, Errno> renewed(const Configuration& config, LoadedTls tls) {
    Configuration copy{.options = config.options,
                       .root = {.path = config.root.path, .warning = config.root.warning},
                       .credentials = config.credentials,
                       .tls = std::move(tls),
                       .access = config.access.copy()};
    const auto has_copy = [](int fd, UniqueFd& own) {
        if (fd >= 0) own.reset(fcntl(fd, F_DUPFD_CLOEXEC, 3));
        return fd < 0 || own;
    };
    UniqueFd log;
    if (!has_copy(config.root.fd.get(), copy.root.fd) || !has_copy(config.access_log.fd(), log))
        return unexpected(Errno::last());
    copy.access_log = {config.access_log.path(), std::move(log)};
    return copy;
}

Result<void, StartError> check_places(const Options& options, const std::string& control_path) {
    if (auto ok = check_hosts(options.host); !ok) return ok;
    if (!options.unix_path.empty())
        if (auto ok = UnixListener::check_place({.path = options.unix_path}); !ok)
            return unexpected(of("unix", std::move(ok.error())));
    if (!control_path.empty())
        if (auto ok = UnixListener::check_place({.path = control_path}); !ok)
            return unexpected(of("control", std::move(ok.error())));
    if (auto ok = AdminListener::check(options.admin); !ok)
        return unexpected(of("admin", std::move(ok.error())));
    return {};
}

Result<Configuration, StartError> open_configuration(const Options& options,
                                                     const AboutTo& about_to) {
    auto config = check_configuration(options, about_to);
    if (!config) return config;
    auto access_log = AccessLogFile::open(options.access_log);
    if (!access_log) return unexpected(of("access-log", std::move(access_log.error())));
    config->access_log = std::move(*access_log);
    return config;
}

} // namespace fsrv
