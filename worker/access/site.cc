#include "worker/access/site.h"

#include "common/ascii.h"

#include <algorithm>
#include <fmt/format.h>

namespace fsrv::access {
namespace {

using PrincipalKind = Principal::Kind;

bool is_one(const Principal& principal, const Who& who) {
    switch (principal.kind) {
    case PrincipalKind::all: return true;
    case PrincipalKind::users: return !who.user.empty();
    case PrincipalKind::user: return !who.user.empty() && who.user == principal.name;
    case PrincipalKind::group: return std::ranges::count(who.groups, principal.name) > 0;
    case PrincipalKind::signed_link: return who.has_link;
    case PrincipalKind::certificate:
        return who.has_certificate &&
               (principal.name.empty() ||
                std::ranges::count(who.certificate_names, principal.name) > 0);
    case PrincipalKind::network: return principal.network.holds(who.address);
    }
    return false;
}

// Whether a password or a token could make somebody one of them.
bool can_be_proven(const Principal& principal) {
    return principal.kind == PrincipalKind::users || principal.kind == PrincipalKind::user ||
           principal.kind == PrincipalKind::group;
}

std::string private_text(std::string_view cache_control) {
    std::string out;
    bool has_private = false;
    for (std::string_view rest = cache_control; !rest.empty();) {
        std::string_view part = take_before(rest, ',');
        while (part.starts_with(' ')) part.remove_prefix(1);
        const std::string_view name = part.substr(0, part.find_first_of(" ="));
        const auto is = [&](std::string_view word) {
            return std::ranges::equal(name, word, {}, lower);
        };
        if (is("public") || is("s-maxage")) continue; // of caches that others share
        has_private = has_private || is("private") || is("no-store");
        if (!out.empty()) out += ", ";
        out += part;
    }
    if (has_private) return out;
    return out.empty() ? "private" : "private, " + out;
}

std::string cache_fields(const PathSettings& settings, bool open) {
    const std::string value = open ? settings.cache_control : private_text(settings.cache_control);
    std::string fields;
    if (!value.empty()) fields += fmt::format("Cache-Control: {}\r\n", value);
    if (!open) fields += "Vary: Authorization\r\n";
    return fields;
}

std::string header_lines(const PathSettings& settings) {
    std::string lines;
    for (const auto& [name, value] : settings.headers)
        lines += fmt::format("{}: {}\r\n", name, value);
    return lines;
}

unsigned id_of(std::string_view prefix) {
    std::uint32_t sum = 0x811C9DC5U; // FNV-1a
    for (const char c : prefix) sum = (sum ^ static_cast<unsigned char>(c)) * 0x01000193U;
    return sum;
}

bool is_open(const PathSettings& settings) {
    return settings.require.empty() && std::ranges::any_of(settings.allow, [](const Principal& p) {
               return p.kind == PrincipalKind::all;
           });
}

} // namespace

Verdict decide(const Rule& rule, const Who& who) {
    const auto& [allow, require] = std::tie(rule.settings.allow, rule.settings.require);
    bool provable = true; // all that is missing could be proven
    bool all = true;
    for (const Principal& principal : require) {
        if (is_one(principal, who)) continue;
        all = false;
        provable = provable && can_be_proven(principal);
    }
    const bool any = std::ranges::any_of(allow, [&](const auto& p) { return is_one(p, who); });
    if (all && any) return Verdict::allowed;
    if (!any) provable = provable && std::ranges::any_of(allow, can_be_proven);
    return provable && who.user.empty() ? Verdict::unproven : Verdict::refused;
}

Site::Site(const Options& options) {
    add("", root_settings(options));
    for (const PathRule& path : options.rules.paths) add(path.prefix, path.settings);
}

void Site::add(std::string_view prefix, const PathSettings& settings) {
    auto rule = std::make_unique<Rule>();
    rule->id = id_of(prefix);
    rule->settings = settings;
    rule->open = is_open(settings);
    rule->cache_fields = cache_fields(settings, rule->open);
    rule->headers = header_lines(settings);
    node_of(prefix).rule = rule.get();
    rules_.push_back(std::move(rule));
}

Site::Node& Site::node_of(std::string_view prefix) {
    Node* node = &root_;
    while (!prefix.empty()) node = &node->below[std::string(take_before(prefix, '/'))];
    return *node;
}

const Rule& Site::rule_of(std::string_view path) const {
    const Node* node = &root_;
    const Rule* rule = root_.rule;
    while (!path.empty() && !node->below.empty()) {
        const auto next = node->below.find(take_before(path, '/'));
        if (next == node->below.end()) break;
        node = &next->second;
        if (node->rule) rule = node->rule;
    }
    return *rule;
}

bool Site::has_rules_below(std::string_view path) const {
    const Node* node = &root_;
    while (!path.empty()) {
        const auto next = node->below.find(take_before(path, '/'));
        if (next == node->below.end()) return false;
        node = &next->second;
    }
    return !node->below.empty();
}

} // namespace fsrv::access
