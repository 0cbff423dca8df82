#include "supervisor/look_again.h"

#include "common/log.h"
#include "supervisor/fixed_options.h"

#include <fmt/format.h>
#include <sstream>
#include <utility>

namespace fsrv {
namespace {

// In a child.
Luggage look_again(const Origin& origin, const Options& running, unsigned slots,
                   const Errand::Say& say) {
    Luggage luggage;
    const auto failed = [&](std::string why) {
        luggage.error = std::move(why);
        return std::move(luggage);
    };
    say(fmt::format("the folder of the start, \"{}\",", origin.folder));
    const std::string problem = go_back(origin);
    say("the configuration file");
    std::string text;
    auto wanted = read_options_again(origin, problem, text);
    if (!wanted) return failed(std::move(wanted.error()));
    const Options& options = wanted->options;
    if (auto why = why_not_changeable(running, options, slots)) return failed(std::move(*why));
    auto config = open_configuration(options, say);
    if (!config) return failed(placed(std::move(config.error()), wanted->places).message);
    const auto& who = config->credentials;
    luggage.texts = {text,
                     config->root.path,
                     config->root.warning,
                     config->access_log.path(),
                     who ? fmt::format("{} {}", who->uid, who->gid) : std::string(),
                     who ? who->user_name : std::string()};
    luggage.fds.push_back(std::move(config->root.fd));
    if (config->access_log.fd() >= 0) luggage.fds.push_back(config->access_log.take());
    return luggage;
}

// What it has found.
Result<Configuration, std::string> unpack(const Origin& origin, Luggage luggage) {
    auto& [error, texts, fds] = luggage;
    if (texts.size() != 6 || fds.empty() || fds.size() > 2)
        return unexpected(std::string("the process that looked came back with something else"));
    Configuration config{.options = same_options(origin, texts[0])};
    config.root = {.fd = std::move(fds[0]), .path = texts[1], .warning = texts[2]};
    config.access_log = {texts[3], fds.size() > 1 ? std::move(fds[1]) : UniqueFd()};
    Credentials who{.user_name = texts[5]};
    if (std::istringstream(texts[4]) >> who.uid >> who.gid) config.credentials = std::move(who);
    if (!config.root.warning.empty()) log_warn("{}", config.root.warning);
    return config;
}

} // namespace

Pending<Configuration> load_again(ProcessOps& ops, const Origin& origin, const Options& running,
                                  unsigned slots) {
    return {
        Errand::start(
            ops, [&](const Errand::Say& say) { return look_again(origin, running, slots, say); }),
        [&origin](Luggage luggage) { return unpack(origin, std::move(luggage)); }};
}

Pending<UniqueFd> open_log_again(ProcessOps& ops, const std::string& path) {
    return {Errand::start(ops,
                          [&](const Errand::Say& say) {
                              Luggage luggage;
                              say(fmt::format("the access log, \"{}\",", path));
                              auto fd = AccessLogFile::open_again(path);
                              if (fd)
                                  luggage.fds.push_back(std::move(*fd));
                              else
                                  luggage.error = std::move(fd.error());
                              return luggage;
                          }),
            [](Luggage luggage) -> Result<UniqueFd, std::string> {
                if (luggage.fds.size() != 1) return unexpected(std::string("no descriptor came"));
                return std::move(luggage.fds.front());
            }};
}

} // namespace fsrv
