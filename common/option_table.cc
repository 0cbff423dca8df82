#include "common/option_table.h"

#include "common/join.h"
#include "common/limits.h"
#include "common/option_values.h"
#include "common/toml_string.h"

#include <algorithm>
#include <array>
#include <climits>
#include <fmt/format.h>

namespace fsrv {
namespace {

using namespace std::string_view_literals;

enum class OptionType {
    Text,
    ListenPlace,
    TextList,
    Networks,
    OnOff,
    Port,
    Count,
    Fraction,
    FileMode,
    Workers,
    Size,
    Duration,
    IoMode,
    Symlinks,
    InPlaceWrites,
    Compression,
    Sandbox,
    TlsMin,
    LogFormat,
    LogLevelName
};

constexpr std::uint64_t kMaxPath = 4095;                         // PATH_MAX without its NUL
constexpr std::uint64_t kMaxUnixPath = 107;                      // sun_path without its NUL
constexpr std::uint64_t kMaxMs = std::uint64_t{30} * 86'400'000; // 30 days
constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 40;

struct NamedBounds {
    std::string_view name;
    OptionBounds bounds;
};

// Options whose bounds are not those of their type.
constexpr NamedBounds kBounds[] = {
    {"root", {1, kMaxPath, "the path of a folder"}},
    {"server-name",
     {.least = 1,
      .most = 255,
      .description = "names such as files.example.org or *.example.org, without a port, or *",
      .is_host_name = true}},
    {"tls-cert", {1, kMaxPath, "the path of a file, or auto"}},
    {"tls-key", {1, kMaxPath, "the path of a file"}},
    {"jwt-key", {1, kMaxPath, "the path of a file"}},
    {"jwt-audience", {0, 255, "a text of at most 255 bytes"}},
    {"auth-failures", {0, 1'000'000}},
    {"index", {0, 255, "the name of a file, without a slash", true}},
    {"unix", {0, kMaxUnixPath, "a path of at most 107 bytes"}},
    {"admin",
     {0, kMaxUnixPath,
      "ADDR:PORT, such as 127.0.0.1:9090 or [::1]:9090, or unix: and a path "
      "of at most 107 bytes"}},
    {"control", {0, kMaxUnixPath, "a path of at most 107 bytes, or off"}},
    {"access-log", {1, kMaxPath, "the path of a file, - or off"}},
    {"user", {0, 255, "the name of a user"}},
    {"group", {0, 255, "the name of a group"}},
    {"threads", {1, 1024}},
    {"requests-per-worker", {1, 1'000'000}},
    {"cache-files", {0, 1'000'000}},
    {"max-connections", {0, INT_MAX}},
    {"max-ranges", {0, 10'000}},
    {"max-header-size", {1024, 1024 * 1024}},
    {"grace", {0, kMaxMs}},
    {"drain-delay", {0, kMaxMs}},
    {"hang-timeout", {2 * limits::kTickMs, kMaxMs}}, // a healthy worker ticks within it
};

constexpr OptionBounds bounds_of(OptionType type, std::string_view name) {
    for (const NamedBounds& b : kBounds)
        if (b.name == name) return b.bounds;
    switch (type) {
    case OptionType::Text: return {0, kMaxPath, "the path of a file"};
    case OptionType::TextList: return {1, 255, "addresses, none of them empty"};
    case OptionType::Networks:
        return {1, 64, "networks such as 192.0.2.0/24 or 2001:db8::1, or unix"};
    case OptionType::Port: return {0, UINT16_MAX};
    case OptionType::Count: return {0, UINT_MAX};
    case OptionType::Fraction: return {0, 1'000'000};
    case OptionType::Workers: return {1, limits::kMaxWorkers};
    case OptionType::Size: return {0, kMaxBytes};
    case OptionType::Duration: return {1, kMaxMs};
    default: return {};
    }
}

// The words of the types that take nothing else; an enumeration's in its order.
template <OptionType>
constexpr std::array<std::string_view, 0> kWords{};
template <>
constexpr std::array kWords<OptionType::OnOff>{"on"sv, "off"sv};
template <>
constexpr std::array kWords<OptionType::IoMode>{"auto"sv, "threads"sv, "inline"sv};
template <>
constexpr std::array kWords<OptionType::Symlinks>{"inside"sv, "never"sv, "follow"sv};
template <>
constexpr std::array kWords<OptionType::InPlaceWrites>{"on"sv, "off"sv, "append"sv};
template <>
constexpr std::array kWords<OptionType::Compression>{"auto"sv, "off"sv};
template <>
constexpr std::array kWords<OptionType::Sandbox>{"auto"sv, "on"sv, "off"sv};
template <>
constexpr std::array kWords<OptionType::TlsMin>{"1.2"sv, "1.3"sv};
template <>
constexpr std::array kWords<OptionType::LogFormat>{"combined"sv, "extended"sv, "json"sv};
template <>
constexpr std::array kWords<OptionType::LogLevelName>{"error"sv, "warn"sv, "info"sv, "debug"sv};

template <class T, class U>
bool assign(T& field, const std::optional<U>& value) {
    if (value) field = static_cast<T>(*value);
    return value.has_value();
}

template <OptionType type, class T>
bool store(T& field, const OptionTexts& texts, const OptionBounds& bounds) {
    if constexpr (type == OptionType::TextList) {
        if (!std::ranges::all_of(
                texts, [&](const std::string& t) { return parse_text(t, bounds).has_value(); }))
            return false;
        field = texts;
        return true;
    } else if constexpr (type == OptionType::Networks) {
        T networks;
        for (const std::string& text : texts) {
            const auto network = parse_network(text);
            if (!network) return false;
            networks.push_back(*network);
        }
        field = std::move(networks);
        return true;
    } else {
        const std::string& text = texts.front();
        if constexpr (type == OptionType::Text)
            return assign(field, parse_text(text, bounds));
        else if constexpr (type == OptionType::ListenPlace)
            return assign(field, parse_listen_place(text, bounds));
        else if constexpr (type == OptionType::OnOff)
            return assign(field, parse_on_off(text));
        else if constexpr (type == OptionType::InPlaceWrites)
            return assign(field, parse_in_place_writes(text));
        else if constexpr (type == OptionType::Fraction)
            return assign(field, parse_fraction(text, bounds));
        else if constexpr (type == OptionType::FileMode)
            return assign(field, parse_file_mode(text));
        else if constexpr (type == OptionType::Workers)
            return assign(field, parse_workers(text, bounds));
        else if constexpr (type == OptionType::Size)
            return assign(field, parse_size(text, bounds));
        else if constexpr (type == OptionType::Duration)
            return assign(field, parse_duration(text, bounds));
        else if constexpr (std::is_enum_v<T>)
            return assign(field, parse_word(text, kWords<type>));
        else
            return assign(field, parse_number(text, bounds));
    }
}

template <OptionType type>
std::string expected(const OptionBounds& bounds) {
    if constexpr (type == OptionType::Text || type == OptionType::ListenPlace ||
                  type == OptionType::TextList || type == OptionType::Networks)
        return std::string(bounds.description);
    else if constexpr (type == OptionType::FileMode)
        return "an octal mode such as 0660, or auto";
    else if constexpr (type == OptionType::Fraction)
        return expected_fraction(bounds);
    else if constexpr (type == OptionType::Workers)
        return expected_workers(bounds);
    else if constexpr (type == OptionType::Size)
        return expected_size(bounds);
    else if constexpr (type == OptionType::Duration)
        return expected_duration(bounds);
    else if constexpr (kWords<type>.empty())
        return expected_number(bounds);
    else
        return expected_word(kWords<type>);
}

template <OptionType type, class T>
std::string to_toml(const T& field, const OptionTexts& texts) {
    if constexpr (type == OptionType::TextList || type == OptionType::Networks) {
        std::vector<std::string> quoted;
        for (const std::string& text : texts) quoted.push_back(toml_string(text));
        return fmt::format("[{}]", join(quoted, ", "));
    } else if constexpr (type == OptionType::OnOff || type == OptionType::Port ||
                         type == OptionType::Count)
        return fmt::format("{}", field);
    else if constexpr (type == OptionType::Workers)
        return field.automatic || field.elastic() ? toml_string(texts.front())
                                                  : fmt::format("{}", field.most);
    else
        return toml_string(texts.front());
}

// FSRV_GROUP and FSRV_SELDOM make entries without a name; option_table() folds them into those that
// follow.
constexpr auto kRawTable = std::to_array<OptionSpec>({
#define FSRV_GROUP(title) OptionSpec{.group = title},
#define FSRV_SELDOM() OptionSpec{.is_seldom = true},
#define FSRV_OPTION(type, field, option, meta, standard, explained)                                \
    OptionSpec{                                                                                    \
        .name = option,                                                                            \
        .metavar = meta,                                                                           \
        .fallback = standard,                                                                      \
        .meaning = explained,                                                                      \
        .is_list =                                                                                 \
            OptionType::type == OptionType::TextList || OptionType::type == OptionType::Networks,  \
        .takes_fraction = OptionType::type == OptionType::Fraction,                                \
        .expected =                                                                                \
            [] { return expected<OptionType::type>(bounds_of(OptionType::type, option)); },        \
        .store =                                                                                   \
            [](Options& options, const OptionTexts& texts) {                                       \
                return store<OptionType::type>(options.field, texts,                               \
                                               bounds_of(OptionType::type, option));               \
            },                                                                                     \
        .to_toml =                                                                                 \
            [](const Options& options, const OptionTexts& texts) {                                 \
                return to_toml<OptionType::type>(options.field, texts);                            \
            },                                                                                     \
    },
#include "common/options.def"
#undef FSRV_GROUP
#undef FSRV_SELDOM
#undef FSRV_OPTION
});

constexpr std::size_t kOptionCount = static_cast<std::size_t>(
    std::ranges::count_if(kRawTable, [](const OptionSpec& o) { return !o.name.empty(); }));

constexpr auto kTable = [] {
    std::array<OptionSpec, kOptionCount> table{};
    std::size_t n = 0;
    OptionSpec place; // the last entry without a name
    std::string_view group;
    for (const OptionSpec& entry : kRawTable) {
        if (entry.name.empty()) {
            place = entry;
            if (!entry.group.empty()) group = entry.group;
        } else {
            table[n] = entry;
            table[n].is_seldom = place.is_seldom;
            table[n++].group = group;
        }
    }
    return table;
}();

static_assert(std::ranges::all_of(kBounds,
                                  [](const NamedBounds& b) {
                                      return std::ranges::count(kTable, b.name,
                                                                &OptionSpec::name) == 1;
                                  }),
              "bounds of an option that is not in options.def");

constexpr CommandSpec kCommands[] = {
    {"config", "FILE", "read options from this TOML file"},
    {"check", "", "say whether the options are good, and exit"},
    {"dump-config", "", "print all options as a TOML file, and exit"},
    {"ctl", "COMMAND", "reload, upgrade, stop, status, top or workers N"},
    {"sign", "URL", "print a link that lets in; its terms are in fsrv(8)"},
    {"expires", "TIME", "until when a download begins, from now; without it 24h", "sign"},
    {"resume", "TIME", "how long after that it may be resumed; without it 24h; 0: not", "sign"},
    {"prefix", "", "the link is for all below its folder as well", "sign"},
    {"client", "CIDR", "the link is for these addresses alone", "sign"},
    {"uses", "N", "so many downloads; not counted by this version", "sign"},
    {"attachment", "NAME", "the name that browsers save it as", "sign"},
    {"hash-password", "", "ask for a password, and print a [[login]] table"},
    {"version", "", "print the version, and exit"},
    {"help", "", "print what is wanted most, and exit"},
    {"help-all", "", "print all options, and exit"},
};

} // namespace

std::span<const OptionSpec> option_table() {
    return kTable;
}
std::span<const CommandSpec> command_table() {
    return kCommands;
}

std::string flag_name(std::string_view name) {
    return fmt::format("--{}", name);
}

std::string variable_name(std::string_view name) {
    std::string out = "FSRV_";
    for (const char c : name)
        out += c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    return out;
}

} // namespace fsrv
