#include "supervisor/start/origin.h"

#include "common/check.h"
#include "common/escape.h"
#include "common/log.h"
#include "common/option_sources.h"
#include "supervisor/environment.h"
#include "supervisor/paths.h"

#include <climits>
#include <cstdlib>
#include <fmt/format.h>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

namespace fsrv {
namespace {

// Where a shell would have looked: names that may be this program's.
std::vector<std::string> candidates(const std::string& name) {
    if (name.find('/') != std::string::npos) return {name};
    const char* path = getenv("PATH");
    std::istringstream folders(path != nullptr ? path : "");
    std::vector<std::string> all;
    for (std::string folder; std::getline(folders, folder, ':');)
        all.push_back((folder.empty() ? "." : folder) + '/' + name);
    return all;
}

// The name that it was started by, if that leads to what runs: a link in it may lead to a newer
// program one day, where /proc/self/exe is past all links.
std::string own_program(const std::string& name) {
    constexpr const char* kRunning = "/proc/self/exe";
    struct stat running {
    }, there{};
    const bool known = stat(kRunning, &running) == 0;
    for (const std::string& candidate : candidates(name)) {
        if (!known || stat(candidate.c_str(), &there) != 0) continue;
        if (there.st_dev != running.st_dev || there.st_ino != running.st_ino) continue;
        if (auto absolute = absolute_path(candidate)) return std::move(*absolute);
    }
    char target[PATH_MAX];
    const ssize_t size = readlink(kRunning, target, sizeof target);
    if (size > 0 && static_cast<std::size_t>(size) < sizeof target)
        return {target, static_cast<std::size_t>(size)};
    return name; // no /proc here
}

} // namespace

Origin find_origin(int argc, const char* const* argv, const char* const* environment) {
    Origin origin{.arguments = std::vector<std::string>(argv, argv + argc),
                  .program = own_program(argc > 0 ? argv[0] : "")};
    for (; *environment != nullptr; ++environment) origin.environment.emplace_back(*environment);
    char folder[PATH_MAX];
    if (getcwd(folder, sizeof folder) != nullptr) origin.folder = folder;
    return origin;
}

// The first setting whose name is relative, as `root "."`; empty: there is none.
static std::string relative_name(const Invocation& invocation) {
    constexpr std::string_view kUnix = "unix:";
    const Options& o = invocation.options;
    std::vector<std::pair<std::string_view, std::string_view>> names = {
        {"config", invocation.config},
        {"root", o.root},
        {"unix", o.unix_path},
        {"admin", o.admin.starts_with(kUnix) ? std::string_view(o.admin).substr(kUnix.size()) : ""},
        {"pid-file", o.pid_file},
        {"control", o.control == "off" ? std::string_view() : o.control},
        {"access-log",
         o.access_log == "-" || o.access_log == "off" ? std::string_view() : o.access_log},
        {"tls-client-ca", o.tls_client_ca},
    };
    if (!o.makes_certificate())
        for (const std::string& name : o.tls_certs) names.emplace_back("tls-cert", name);
    for (const std::string& name : o.tls_keys) names.emplace_back("tls-key", name);
    for (const auto& [setting, name] : names)
        if (!name.empty() && !name.starts_with('/'))
            return fmt::format("{} \"{}\"", setting, printable(name));
    return {};
}

static Result<Invocation, UsageError> parse_again(const Origin& origin, const ConfigReader& read) {
    const std::vector<char*> argv = pointers_to(origin.arguments);
    const std::vector<char*> environment = pointers_to(origin.environment);
    return parse_invocation_with(static_cast<int>(origin.arguments.size()), argv.data(),
                                 environment.data(), read);
}

Result<Invocation, std::string> read_options_again(const Origin& origin, const std::string& problem,
                                                   std::string& config_text) {
    auto invocation = parse_again(origin, [&](const ConfigPath& config) {
        auto bytes = read_config_bytes(config);
        if (bytes) config_text = *bytes;
        return bytes;
    });
    if (!problem.empty()) {
        if (!invocation)
            return unexpected(fmt::format("{}; {}", invocation.error().message, problem));
        if (const std::string name = relative_name(*invocation); !name.empty())
            return unexpected(fmt::format("{}; {} is relative to it", problem, name));
    }
    if (!invocation) return unexpected(std::move(invocation.error().message));
    return std::move(*invocation);
}

Options same_options(const Origin& origin, const std::string& config_text) {
    auto invocation = parse_again(
        origin, [&](const ConfigPath&) -> Result<std::string, UsageError> { return config_text; });
    FSRV_CHECK(invocation, "what was read well once is refused");
    return std::move(invocation->options);
}

std::string go_back(const Origin& origin) {
    if (origin.folder.empty()) return "the folder it was started in is not there any more";
    if (chdir(origin.folder.c_str()) == 0) return {};
    return fmt::format("cannot go back to the folder it was started in, \"{}\": {}",
                       printable(origin.folder), errno_text(errno));
}

} // namespace fsrv
