#include "common/option_values.h"

#include "common/cgroup.h"
#include "common/join.h"
#include "common/limits.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>

namespace fsrv {
namespace {

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};

// The first name of a factor is the one that messages use.
constexpr Unit kSizeUnits[] = {
    {"TiB", 1ULL << 40}, {"GiB", 1ULL << 30}, {"MiB", 1ULL << 20},
    {"KiB", 1ULL << 10}, {"T", 1ULL << 40},   {"G", 1ULL << 30},
    {"M", 1ULL << 20},   {"K", 1ULL << 10},   {"", 1},
};
constexpr Unit kTimeUnits[] = {{"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}};

constexpr Unit kNoUnit[] = {{"", 1}};

// Digits, then one of `units`.
std::optional<std::uint64_t> parse_quantity(std::string_view text, std::span<const Unit> units,
                                            const OptionBounds& bounds) {
    std::uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{}) return std::nullopt;
    const std::string_view name(stop, static_cast<std::size_t>(end - stop));
    const auto unit = std::ranges::find(units, name, &Unit::name);
    std::uint64_t product = 0;
    if (unit == units.end() || __builtin_mul_overflow(number, unit->factor, &product))
        return std::nullopt;
    if (product < bounds.least || product > bounds.most) return std::nullopt;
    return product;
}

// In the largest unit that divides it.
std::string quantity_text(std::uint64_t value, std::span<const Unit> units) {
    const auto unit = std::ranges::find_if(
        units, [value](const Unit& u) { return value >= u.factor && value % u.factor == 0; });
    if (unit == units.end()) return fmt::format("{}", value);
    return fmt::format("{}{}", value / unit->factor, unit->name);
}

} // namespace

std::optional<bool> parse_on_off(std::string_view text) {
    constexpr std::array<std::string_view, 4> on{"on", "true", "yes", "1"};
    constexpr std::array<std::string_view, 4> off{"off", "false", "no", "0"};
    if (parse_word(text, on)) return true;
    if (parse_word(text, off)) return false;
    return std::nullopt;
}

std::optional<InPlaceWrites> parse_in_place_writes(std::string_view text) {
    if (text == "append") return InPlaceWrites::append;
    const auto on = parse_on_off(text);
    if (!on) return std::nullopt;
    return *on ? InPlaceWrites::on : InPlaceWrites::off;
}

std::optional<option_type::FileMode> parse_file_mode(std::string_view text) {
    if (text == "auto") return option_type::FileMode();
    unsigned mode = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, mode, 8);
    if (error != std::errc{} || stop != end || mode > 0777) return std::nullopt;
    return mode;
}

std::optional<std::uint64_t> parse_number(std::string_view text, const OptionBounds& bounds) {
    return parse_quantity(text, kNoUnit, bounds);
}

std::optional<Thousandths> parse_fraction(std::string_view text, const OptionBounds& bounds) {
    constexpr std::string_view kDigits = "0123456789";
    const std::size_t point = std::min(text.find('.'), text.size());
    std::string_view decimals = text.substr(std::min(point + 1, text.size()));
    if (point < text.size() && (decimals.empty() || decimals.size() > 3)) return std::nullopt;
    if (decimals.find_first_not_of(kDigits) != std::string_view::npos) return std::nullopt;
    const auto whole = parse_number(text.substr(0, point), bounds);
    if (!whole) return std::nullopt;
    std::uint64_t rest = 0;
    for (unsigned i = 0; i < 3; ++i)
        rest =
            rest * 10 + (i < decimals.size() ? static_cast<std::uint64_t>(decimals[i] - '0') : 0);
    if (*whole == bounds.most && rest > 0) return std::nullopt;
    return Thousandths{*whole * 1'000 + rest};
}

std::optional<WorkerRange> parse_workers(std::string_view text, const OptionBounds& bounds) {
    if (text == "auto") {
        const unsigned cpus = usable_cpus();
        return WorkerRange{.least = cpus, .most = cpus, .automatic = true};
    }
    constexpr std::string_view kDots = "..";
    const std::size_t dots = text.find(kDots);
    const auto least = parse_number(text.substr(0, dots), bounds);
    const auto most = dots == std::string_view::npos
                          ? least
                          : parse_number(text.substr(dots + kDots.size()), bounds);
    if (!least || !most || *least > *most) return std::nullopt;
    return WorkerRange{.least = static_cast<unsigned>(*least),
                       .most = static_cast<unsigned>(*most)};
}

std::optional<std::uint64_t> parse_size(std::string_view text, const OptionBounds& bounds) {
    return parse_quantity(text, kSizeUnits, bounds);
}

std::optional<Millis> parse_duration(std::string_view text, const OptionBounds& bounds) {
    // Nothing needs no unit.
    const auto ms =
        text == "0" ? parse_number(text, bounds) : parse_quantity(text, kTimeUnits, bounds);
    if (!ms) return std::nullopt;
    return Millis(static_cast<Millis::rep>(*ms));
}

bool is_host_name(std::string_view text) {
    if (text == "*") return true;
    if (text.starts_with("*.")) text.remove_prefix(2);
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               std::string_view("-._~").find(c) != std::string_view::npos;
    });
}

std::optional<std::string> parse_text(std::string_view text, const OptionBounds& bounds) {
    if (text.size() < bounds.least || text.size() > bounds.most) return std::nullopt;
    if (text.find('\0') != std::string_view::npos) return std::nullopt;
    if (bounds.is_file_name &&
        (text.find('/') != std::string_view::npos || text == "." || text == ".."))
        return std::nullopt;
    if (bounds.is_host_name && !is_host_name(text)) return std::nullopt;
    return std::string(text);
}

std::optional<std::string> parse_listen_place(std::string_view text, const OptionBounds& bounds) {
    constexpr OptionBounds kAny{.least = 0, .most = 255};
    if (text.starts_with(kUnixPrefix)) {
        const auto path = parse_text(text.substr(kUnixPrefix.size()), bounds);
        if (!path || path->empty()) return std::nullopt;
    } else if (!text.empty() && !parse_host_port(text)) {
        return std::nullopt;
    }
    return parse_text(text, kAny);
}

std::optional<HostPort> parse_host_port(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0) return std::nullopt;
    const std::string_view host = text.substr(0, colon);
    const bool bracketed = host.starts_with('[') && host.ends_with(']') && host.size() > 2;
    if (!bracketed && host.find_first_of(":[]") != std::string_view::npos) return std::nullopt;
    const auto port = parse_number(text.substr(colon + 1), {.least = 0, .most = UINT16_MAX});
    if (!port) return std::nullopt;
    return HostPort{std::string(host), static_cast<std::uint16_t>(*port)};
}

std::optional<std::size_t> parse_word(std::string_view text,
                                      std::span<const std::string_view> words) {
    const auto word = std::ranges::find(words, text);
    if (word == words.end()) return std::nullopt;
    return static_cast<std::size_t>(word - words.begin());
}

std::string expected_number(const OptionBounds& bounds) {
    return fmt::format("a number from {} to {}", bounds.least, bounds.most);
}

std::string expected_fraction(const OptionBounds& bounds) {
    return expected_number(bounds) + ", with up to three decimals, such as 0.5";
}

std::string expected_workers(const OptionBounds& bounds) {
    return expected_number(bounds) + ", a range such as 1..4, or auto";
}

std::string expected_size(const OptionBounds& bounds) {
    return fmt::format("a size from {} to {}, such as 65536, 64KiB or 1M",
                       quantity_text(bounds.least, kSizeUnits),
                       quantity_text(bounds.most, kSizeUnits));
}

std::string expected_duration(const OptionBounds& bounds) {
    return fmt::format("a time from {} to {}, such as 500ms, 10s, 5m or 1h",
                       quantity_text(bounds.least, kTimeUnits),
                       quantity_text(bounds.most, kTimeUnits));
}

std::string expected_word(std::span<const std::string_view> words) {
    return fmt::format("{} or {}", join(words.first(words.size() - 1), ", "), words.back());
}

} // namespace fsrv
