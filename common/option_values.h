// One parser for each Type of options.def: text to value. Where the text came from is the caller's
// business.
#pragma once

#include "common/options.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace fsrv {

// What one option takes beyond its Type's own limits: numbers, bytes of a size or of a text,
// milliseconds.
struct OptionBounds {
    std::uint64_t least = 0;
    std::uint64_t most = 0;
    std::string_view description; // of a text
    bool is_file_name = false;    // of a text: one name, no path
    bool is_host_name = false;    // of a text: as in a Host, without a port; "*." may come first
};

std::optional<bool> parse_on_off(std::string_view text);
std::optional<InPlaceWrites> parse_in_place_writes(std::string_view text);
std::optional<option_type::FileMode> parse_file_mode(std::string_view text);
std::optional<std::uint64_t> parse_number(std::string_view text, const OptionBounds& bounds);
// Bounds are of whole ones.
std::optional<Thousandths> parse_fraction(std::string_view text, const OptionBounds& bounds);
std::optional<WorkerRange> parse_workers(std::string_view text, const OptionBounds& bounds);
std::optional<std::uint64_t> parse_size(std::string_view text, const OptionBounds& bounds);
std::optional<Millis> parse_duration(std::string_view text, const OptionBounds& bounds);
std::optional<std::string> parse_text(std::string_view text, const OptionBounds& bounds);
// As in --admin, to which kUnixPrefix names a Unix socket whose path `bounds` hold for.
inline constexpr std::string_view kUnixPrefix = "unix:";
std::optional<std::string> parse_listen_place(std::string_view text, const OptionBounds& bounds);
// ADDR:PORT of it; an IPv6 address keeps its brackets.
struct HostPort {
    std::string host;
    std::uint16_t port = 0;
};
std::optional<HostPort> parse_host_port(std::string_view text);
// Position of `text` in `words`.
std::optional<std::size_t> parse_word(std::string_view text,
                                      std::span<const std::string_view> words);

std::string expected_number(const OptionBounds& bounds);
std::string expected_fraction(const OptionBounds& bounds);
std::string expected_workers(const OptionBounds& bounds);
std::string expected_size(const OptionBounds& bounds);
std::string expected_duration(const OptionBounds& bounds);
std::string expected_word(std::span<const std::string_view> words); // "inside, never or follow"

} // namespace fsrv
