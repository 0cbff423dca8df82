#include "supervisor/look_again.h"

#include "common/clock.h"
#include "common/log.h"
#include "supervisor/fixed_options.h"
#include "supervisor/start/access_parcel.h"
#include "supervisor/start/tls_parcel.h"

#include <fmt/format.h>
#include <sstream>
#include <utility>

namespace fsrv {
namespace {

constexpr std::string_view kSomethingElse = "the process that looked came back with something else";

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
                     who ? who->user_name : std::string(),
                     config->tls ? "tls" : "",
                     config->access.is_empty() ? "" : "access"};
    luggage.fds.push_back(std::move(config->root.fd));
    if (config->access_log.fd() >= 0) luggage.fds.push_back(config->access_log.take());
    const auto put = [&](Result<UniqueFd, Errno> parcel) {
        if (parcel) luggage.fds.push_back(std::move(*parcel));
        return parcel.has_value() ? Errno{} : parcel.error();
    };
    Errno error;
    if (!config->access.is_empty()) error = put(pack(config->access));
    if (error.code == 0 && config->tls) error = put(pack(*config->tls));
    if (error.code != 0) return failed("memfd_create: " + errno_text(error.code));
    return luggage;
}

Result<LoadedTls, std::string> unpack_and_complete(const UniqueFd& parcel, const Options& options,
                                                   const CompleteTls& complete) {
    auto tls = unpack_tls(parcel);
    if (!tls) return unexpected(std::string(kSomethingElse));
    if (auto ok = complete(options, *tls); !ok) return unexpected(std::move(ok.error()));
    return std::move(*tls);
}

// What it has found.
Result<Configuration, std::string> unpack(const Origin& origin, const CompleteTls& complete,
                                          Luggage luggage) {
    auto& [error, texts, fds] = luggage;
    constexpr std::size_t kTexts = 8;
    const std::size_t with_tls = texts.size() == kTexts && !texts[6].empty() ? 1 : 0;
    const std::size_t with_access = texts.size() == kTexts && !texts[7].empty() ? 1 : 0;
    const std::size_t parcels = with_tls + with_access; // the last ones
    if (texts.size() != kTexts || fds.size() < 1 + parcels || fds.size() > 2 + parcels)
        return unexpected(std::string(kSomethingElse));
    Configuration config{.options = same_options(origin, texts[0])};
    config.root = {.fd = std::move(fds[0]), .path = texts[1], .warning = texts[2]};
    config.access_log = {texts[3], fds.size() > 1 + parcels ? std::move(fds[1]) : UniqueFd()};
    Credentials who{.user_name = texts[5]};
    if (std::istringstream(texts[4]) >> who.uid >> who.gid) config.credentials = std::move(who);
    if (with_access > 0) {
        auto access = unpack_access(fds[fds.size() - parcels]);
        if (!access) return unexpected(std::string(kSomethingElse));
        config.access = std::move(*access);
    }
    if (with_tls > 0) {
        auto tls = unpack_and_complete(fds.back(), config.options, complete);
        if (!tls) return unexpected(std::move(tls.error()));
        config.tls = std::move(*tls);
    }
    if (!config.root.warning.empty()) log_warn("{}", config.root.warning);
    for (const std::string& warning : config.warnings()) log_warn("{}", warning);
    return config;
}

// In a child.
Luggage look_at_files(const Origin& origin, const Options& running, const std::string& known,
                      const Errand::Say& say) {
    Luggage luggage;
    say(fmt::format("the folder of the start, \"{}\",", origin.folder));
    go_back(origin); // relative names are not there where that fails
    const std::string stamp = stamp_of(running, say);
    luggage.texts = {stamp, "", ""};
    if (stamp == known) return luggage;
    const auto tls = load_tls(running, wall_now().seconds, say);
    if (stamp_of(running, say) != stamp) return luggage;
    if (!tls) {
        luggage.texts[1] = tls.error().message;
        return luggage;
    }
    auto parcel = pack(*tls);
    if (!parcel) {
        luggage.error = "memfd_create: " + errno_text(parcel.error().code);
        return luggage;
    }
    luggage.texts[2] = "tls";
    luggage.fds.push_back(std::move(*parcel));
    return luggage;
}

} // namespace

Pending<Configuration> load_again(ProcessOps& ops, const Origin& origin, const Options& running,
                                  unsigned slots, CompleteTls complete) {
    return {
        Errand::start(
            ops, [&](const Errand::Say& say) { return look_again(origin, running, slots, say); }),
        [&origin, complete = std::move(complete)](Luggage luggage) {
            return unpack(origin, complete, std::move(luggage));
        }};
}

Pending<TlsLook> look_at_tls(ProcessOps& ops, const Origin& origin, const Options& running,
                             const std::string& known, CompleteTls complete) {
    return {
        Errand::start(
            ops,
            [&](const Errand::Say& say) { return look_at_files(origin, running, known, say); }),
        [running, complete = std::move(complete)](Luggage luggage) -> Result<TlsLook, std::string> {
            auto& [error, texts, fds] = luggage;
            if (texts.size() != 3 || fds.size() != (texts[2].empty() ? 0U : 1U))
                return unexpected(std::string(kSomethingElse));
            TlsLook look{.stamp = texts[0], .problem = texts[1]};
            if (fds.empty()) return look;
            auto tls = unpack_and_complete(fds[0], running, complete);
            if (!tls) return unexpected(std::move(tls.error()));
            look.tls = std::move(*tls);
            return look;
        }};
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
