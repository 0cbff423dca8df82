// FSRV_* of the environment, and what all three sources share.
#include "common/option_sources.h"

#include "common/ascii.h"
#include "common/join.h"

#include <algorithm>
#include <fmt/format.h>
#include <fnmatch.h>
#include <numeric>
#include <utility>

namespace fsrv {
namespace {

constexpr std::string_view kPrefix = "FSRV_";
constexpr std::string_view kConfigVariable = "FSRV_CONFIG";

// Variables that others set where something is called fsrv: nobody meant an option by them.
// Patterns of ksh, as fnmatch() has them with FNM_EXTMATCH; a value counts only where there is a
// pattern for it.
struct ForeignForm {
    const char* name;
    const char* value;
    std::string_view setter;
};
constexpr std::string_view kServiceLinks =
    "they are Kubernetes' or Docker's, of a service called fsrv (enableServiceLinks: false keeps "
    "them away)";
constexpr std::string_view kImage = "they tell of the image";
constexpr ForeignForm kForeignForms[] = {
    // FSRV_SERVICE_HOST, FSRV_ADMIN_SERVICE_PORT_HTTP, FSRV_PORT=tcp://..., FSRV_PORT_80_TCP_ADDR
    {"FSRV_?(*_)SERVICE_HOST", "*", kServiceLinks},
    {"FSRV_?(*_)SERVICE_PORT?(_*)", "*", kServiceLinks},
    {"FSRV_?(*_)PORT", "@(tcp|udp|sctp)://*", kServiceLinks},
    {"FSRV_?(*_)PORT_+([0-9])_@(TCP|UDP|SCTP)?(_@(ADDR|PORT|PROTO))?(_@(START|END))", "*",
     kServiceLinks},
    // docker run --link
    {"FSRV_NAME", "/*", kServiceLinks},
    {"FSRV_?(+([0-9])_)ENV_*", "*", kServiceLinks},
    // ENV of a Dockerfile
    {"FSRV_@(VERSION|RELEASE|REVISION|COMMIT|SHA256|SHA512)", "*", kImage},
    {"FSRV_DOWNLOAD_@(URL|SHA|SHA256|SHA512)", "*", kImage},
};

// None: it can only be meant for us.
const ForeignForm* foreign_form(const std::string& name, const std::string& value) {
    for (const ForeignForm& form : kForeignForms)
        if (fnmatch(form.name, name.c_str(), FNM_EXTMATCH) == 0 &&
            fnmatch(form.value, value.c_str(), FNM_EXTMATCH) == 0)
            return &form;
    return nullptr;
}

// One line a setter.
std::vector<std::string>
passed_over(const std::vector<std::pair<std::string_view, std::string>>& foreign) {
    constexpr std::size_t kMostNamed = 12; // of a service with a few ports
    std::vector<std::string> warnings;
    for (const std::string_view setter : {kServiceLinks, kImage}) {
        std::vector<std::string> names;
        std::size_t more = 0;
        for (const auto& [whose, name] : foreign) {
            if (whose != setter) continue;
            if (names.size() < kMostNamed)
                names.push_back(shortened(name));
            else
                ++more;
        }
        if (names.empty()) continue;
        warnings.push_back(fmt::format("environment: {}{} passed over: {}", join(names, ", "),
                                       more > 0 ? fmt::format(" and {} more", more) : "", setter));
    }
    return warnings;
}

// Characters to insert, remove, replace or swap with their neighbour; blind to case.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1); // the row before the last one
    std::vector<std::size_t> last(b.size() + 1);
    std::iota(last.begin(), last.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::vector<std::size_t> row{i + 1};
        for (std::size_t j = 0; j < b.size(); ++j) {
            const bool same = lower(a[i]) == lower(b[j]);
            row.push_back(std::min({last[j] + (same ? 0 : 1), last[j + 1] + 1, row[j] + 1}));
            if (i > 0 && j > 0 && lower(a[i]) == lower(b[j - 1]) && lower(a[i - 1]) == lower(b[j]))
                row.back() = std::min(row.back(), before[j - 1] + 1);
        }
        before = std::exchange(last, std::move(row));
    }
    return last.back();
}

} // namespace

std::string place_of(const Setting& setting) {
    if (setting.source != Source::file) return setting.place;
    return fmt::format("{}: {}", setting.place, setting.option->name);
}

std::string shortened(std::string_view text) {
    constexpr std::size_t kMaxShown = 100; // bytes; enough to recognise it
    if (text.size() <= kMaxShown) return printable(text);
    return printable(text.substr(0, kMaxShown)) + "...";
}

std::string quoted_value(std::string_view text) {
    return fmt::format("\"{}\"", shortened(text));
}

OptionTexts split_list(std::string_view text) {
    OptionTexts parts;
    if (text.empty()) return parts;
    for (std::size_t comma = 0; comma != std::string_view::npos;) {
        comma = text.find(',');
        parts.emplace_back(text.substr(0, comma));
        if (comma != std::string_view::npos) text.remove_prefix(comma + 1);
    }
    return parts;
}

UsageError unknown_name(std::string_view place, std::string_view what, std::string_view name,
                        const std::vector<std::string>& known) {
    constexpr std::size_t kLongest = 40; // bytes; nothing known is nearly as long
    std::string advice = "see fsrv --help";
    std::size_t least = 1 + std::clamp<std::size_t>(name.size() / 3, 1, 3);
    for (const std::string& candidate : known) {
        if (name.size() > kLongest) break;
        const std::size_t distance = edit_distance(name, candidate);
        if (distance >= least) continue;
        least = distance;
        advice = fmt::format("did you mean {}?", candidate);
    }
    return UsageError{fmt::format("{}: no such {}; {}", place, what, advice)};
}

Result<Environment, UsageError> read_environment(const char* const* environment) {
    Environment result;
    const auto table = option_table();
    std::vector<std::string> known;
    for (const OptionSpec& option : table) known.push_back(variable_name(option.name));
    known.emplace_back(kConfigVariable);
    std::vector<std::pair<std::string_view, std::string>> foreign;

    for (; environment != nullptr && *environment != nullptr; ++environment) {
        const std::string_view entry = *environment;
        const std::size_t equals = entry.find('=');
        if (!entry.starts_with(kPrefix) || equals == std::string_view::npos) continue;
        const std::string name(entry.substr(0, equals));
        const std::string value(entry.substr(equals + 1));
        if (const ForeignForm* form = foreign_form(name, value)) {
            foreign.emplace_back(form->setter, name);
            continue;
        }
        const auto at = std::ranges::find(known, name);
        if (at == known.end())
            return unexpected(unknown_name(shortened(name), "variable", name, known));
        if (name == kConfigVariable) {
            result.config = ConfigPath{name, value};
            continue;
        }
        const OptionSpec& option = table[static_cast<std::size_t>(at - known.begin())];
        result.settings.push_back({&option, Source::variable, name,
                                   option.is_list ? split_list(value) : OptionTexts{value}});
    }
    result.warnings = passed_over(foreign);
    return result;
}

} // namespace fsrv
