#include "common/options.h"

#include "common/check.h"
#include "common/join.h"
#include "common/option_sources.h"
#include "common/option_text.h"

#include <algorithm>
#include <fmt/format.h>

namespace fsrv {
namespace {

// The options as they grow, and for each the setting that made it what it is.
struct Resolved {
    Options options;
    Settings chosen; // as in option_table()
    RuleTables tables;
};

std::string shown(const Setting& setting) {
    return setting.option->is_list ? quoted_value(join(setting.texts, ","))
                                   : quoted_value(setting.texts.front());
}

// Every setting is judged, whether or not a later one replaces it.
std::optional<UsageError> settle(Resolved& resolved, const Settings& settings) {
    for (const Setting& setting : settings) {
        if (!setting.option->store(resolved.options, setting.texts)) {
            return UsageError{fmt::format("{}: expected {}, not {}", place_of(setting),
                                          setting.option->expected(), shown(setting))};
        }
        const auto index = setting.option - option_table().data();
        resolved.chosen[static_cast<std::size_t>(index)] = setting;
    }
    return std::nullopt;
}

Resolved resolve_defaults() {
    Resolved resolved;
    Settings settings;
    for (const OptionSpec& option : option_table()) {
        const std::string text(option.fallback);
        settings.push_back({&option, Source::fallback, "default",
                            option.is_list ? split_list(text) : OptionTexts{text}});
    }
    resolved.chosen = settings;
    const auto error = settle(resolved, settings);
    FSRV_CHECK(!error, "options.def: a default is not a value of its option");
    return resolved;
}

// TOML is UTF-8; a path need not be.
std::optional<UsageError> check_can_be_dumped(const Settings& chosen) {
    for (const Setting& setting : chosen) {
        for (const std::string& text : setting.texts) {
            if (!is_utf8(text)) {
                return UsageError{fmt::format("{}: expected UTF-8 to write it as TOML, not {}",
                                              place_of(setting), quoted_value(text))};
            }
        }
    }
    return std::nullopt;
}

Places places_of(const Settings& chosen) {
    Places places;
    for (const Setting& setting : chosen)
        if (setting.source != Source::fallback) places[setting.option->name] = place_of(setting);
    return places;
}

bool says_control(const Settings& settings) {
    return std::ranges::any_of(settings,
                               [](const Setting& s) { return s.option->name == "control"; });
}

// What no single option can tell.
std::optional<UsageError> check_together(const Resolved& resolved) {
    const Options& o = resolved.options;
    const auto refused = [&](std::string_view option, std::string_view why) {
        const auto setting = std::ranges::find_if(
            resolved.chosen, [&](const Setting& s) { return s.option->name == option; });
        return UsageError{fmt::format("{}: {}", place_of(*setting), why)};
    };
    if (o.proxy_protocol && o.trusted_proxies.empty())
        return refused("proxy-protocol", "wants --trusted-proxies, the addresses of the proxies: "
                                         "who else connects is refused");
    const bool has_auto = std::ranges::count(o.tls_certs, kAutoCertificate) > 0;
    if (has_auto && !o.makes_certificate())
        return refused("tls-cert", "auto stands alone; a file of that name is ./auto");
    if (has_auto && !o.tls_keys.empty())
        return refused("tls-key", "the certificate that --tls-cert auto makes has its own key");
    if (!o.speaks_tls() && !o.tls_keys.empty())
        return refused("tls-key", "wants --tls-cert, the file of the certificate that it is for");
    if (!o.speaks_tls() && !o.tls_client_ca.empty())
        return refused("tls-client-ca", "wants --tls-cert: only TLS asks for certificates");
    if (!o.speaks_tls() && o.redirect_port != 0)
        return refused("redirect-port", "wants --tls-cert: there is no https to send anybody to");
    if (o.jwt_keys.empty() && !o.jwt_audience.empty())
        return refused("jwt-audience", "wants --jwt-key: no tokens are believed without");
    if (o.redirect_port != 0 && o.redirect_port == o.port)
        return refused("redirect-port", "has to be another one than --port, which speaks https");
    return std::nullopt;
}

// After the options, which they begin with.
std::optional<UsageError> settle_rules(Resolved& resolved) {
    auto rules = make_rules(resolved.tables, resolved.options);
    if (!rules) return rules.error();
    resolved.options.rules = *std::move(rules);
    return std::nullopt;
}

Result<Invocation, UsageError> make_invocation(const CommandLine& line, const Resolved& resolved) {
    Invocation invocation{.action = line.check ? Action::check : Action::serve,
                          .options = resolved.options,
                          .places = places_of(resolved.chosen),
                          .command = "",
                          .output = "",
                          .config = ""};
    if (line.ctl) {
        invocation.action = Action::ctl;
        invocation.command = *line.ctl;
    } else if (line.hash_password) {
        invocation.action = Action::hash_password;
        invocation.command = *line.hash_password;
    } else if (line.sign) {
        auto order = read_link_order(*line.sign, line.link);
        if (!order) return unexpected(UsageError{std::move(order.error())});
        invocation.action = Action::sign;
        invocation.link = std::move(*order);
    } else if (line.dump_config) {
        if (const auto error = check_can_be_dumped(resolved.chosen)) return unexpected(*error);
        invocation.action = Action::dump_config;
        invocation.output =
            dump_text(resolved.options, resolved.chosen) + dump_rules(resolved.tables);
    }
    return invocation;
}

} // namespace

Result<Invocation, UsageError> parse_invocation(int argc, const char* const* argv,
                                                const char* const* environment) {
    return parse_invocation_with(argc, argv, environment, read_config_bytes);
}

Result<Invocation, UsageError> parse_invocation_with(int argc, const char* const* argv,
                                                     const char* const* environment,
                                                     const ConfigReader& read) {
    const auto line = read_command_line(argc, argv);
    if (!line) return unexpected(line.error());
    if (line->help || line->help_all || line->version) {
        return Invocation{.action = Action::print_and_exit,
                          .options = {},
                          .places = {},
                          .command = "",
                          .output = line->help || line->help_all ? help_text(line->help_all)
                                                                 : version_text(),
                          .config = ""};
    }
    const auto variables = read_environment(environment);
    if (!variables) return unexpected(variables.error());

    Resolved resolved = resolve_defaults();
    // A file that is broken is to be told of by the server that shall read it.
    const bool asks_no_file =
        line->ctl && (says_control(line->settings) || says_control(variables->settings));
    const auto& config = line->config ? line->config : variables->config;
    if (config && !asks_no_file) {
        const auto bytes = read(*config);
        if (!bytes) return unexpected(bytes.error());
        auto file = read_config_text(*bytes, config->path);
        if (!file) return unexpected(file.error());
        if (const auto error = settle(resolved, file->settings)) return unexpected(*error);
        resolved.tables = std::move(file->tables);
    }
    if (const auto error = settle(resolved, variables->settings)) return unexpected(*error);
    if (const auto error = settle(resolved, line->settings)) return unexpected(*error);
    if (const auto error = check_together(resolved)) return unexpected(*error);
    if (const auto error = settle_rules(resolved)) return unexpected(*error);
    auto invocation = make_invocation(*line, resolved);
    if (invocation && config && !asks_no_file) invocation->config = config->path;
    if (invocation) invocation->warnings = variables->warnings;
    return invocation;
}

Result<Invocation, UsageError> parse_config(std::string_view toml, std::string_view file_name) {
    Resolved resolved = resolve_defaults();
    auto text = read_config_text(toml, file_name);
    if (!text) return unexpected(text.error());
    if (const auto error = settle(resolved, text->settings)) return unexpected(*error);
    resolved.tables = std::move(text->tables);
    if (const auto error = settle_rules(resolved)) return unexpected(*error);
    CommandLine line;
    line.dump_config = true;
    return make_invocation(line, resolved);
}

} // namespace fsrv
