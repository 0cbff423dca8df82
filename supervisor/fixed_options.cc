#include "supervisor/fixed_options.h"

#include "common/option_table.h"

#include <algorithm>
#include <fmt/format.h>

namespace fsrv {
namespace {

struct FixedOption {
    std::string_view name;
    bool (*same)(const Options& a, const Options& b);
};

// The name of a field, as users write it: from the same table as everywhere.
constexpr std::string_view name_of_field(std::string_view field) {
    constexpr std::pair<std::string_view, std::string_view> kNames[] = {
#define FSRV_GROUP(title)
#define FSRV_SELDOM()
#define FSRV_OPTION(type, field, name, metavar, fallback, meaning) {#field, name},
#include "common/options.def"
#undef FSRV_GROUP
#undef FSRV_SELDOM
#undef FSRV_OPTION
    };
    for (const auto& [known, name] : kNames)
        if (known == field) return name;
    return {};
}

constexpr FixedOption kFixed[] = {
#define FSRV_FIXED(field)                                                                          \
    {name_of_field(#field), [](const Options& a, const Options& b) { return a.field == b.field; }},
#include "supervisor/fixed_options.def"
#undef FSRV_FIXED
};

} // namespace

std::optional<std::string> why_not_changeable(const Options& running, const Options& wanted,
                                              unsigned slots) {
    for (const FixedOption& option : kFixed) {
        if (option.same(running, wanted)) continue;
        const bool is_address = option.name == "host" || option.name == "admin";
        return fmt::format("{} cannot change while the server runs: it needs a restart or an "
                           "upgrade (fsrv --ctl upgrade){}",
                           option.name,
                           is_address ? "; to or from all addresses on the same port, a restart"
                                      : "");
    }
    if (!wanted.workers.automatic && wanted.workers.most > slots) {
        return fmt::format("workers: {} is more than the {} that the running server has sockets "
                           "for: it needs a restart or an upgrade (fsrv --ctl upgrade)",
                           wanted.workers.most, slots);
    }
    return std::nullopt;
}

} // namespace fsrv
