#include "common/link_order.h"

#include "common/escape.h"
#include "common/network.h"
#include "common/option_sources.h"
#include "common/option_values.h"

#include <climits>
#include <fmt/format.h>
#include <optional>

namespace fsrv {
namespace {

constexpr std::uint64_t kDayMs = 86'400'000;
constexpr OptionBounds kExpires{.least = 1'000, .most = 3'650 * kDayMs};
constexpr OptionBounds kResume{.least = 0, .most = 3'650 * kDayMs};
constexpr OptionBounds kUses{.least = 1, .most = UINT_MAX};

bool is_client_network(const std::string& text) {
    const auto network = parse_network(text);
    return network && !network->unix_sockets;
}

// Of a name to save as: it gets into a field, and into the name of a file.
bool is_attachment_name(const std::string& text) {
    constexpr std::size_t kMost = 255;
    if (text.empty() || text.size() > kMost || !is_utf8(text)) return false;
    for (const char c : text)
        if ((c >= 0 && c < ' ') || c == 0x7F || c == '/') return false;
    return true;
}

} // namespace

Result<LinkOrder, std::string> read_link_order(std::string url, const LinkTexts& texts) {
    LinkOrder order{.url = std::move(url)};
    // What was expected instead; empty: it is good.
    const auto take = [&](std::string_view name, const std::string& text) -> std::string {
        if (name == "expires" || name == "resume") {
            const OptionBounds& bounds = name == "expires" ? kExpires : kResume;
            const auto time = parse_duration(text, bounds);
            if (!time) return expected_duration(bounds);
            (name == "expires" ? order.expires : order.resume) = *time;
        } else if (name == "prefix") {
            order.prefix = true;
        } else if (name == "client") {
            if (!is_client_network(text)) return "a network such as 192.0.2.0/24 or 2001:db8::/32";
            order.client = text;
        } else if (name == "uses") {
            const auto count = parse_number(text, kUses);
            if (!count) return expected_number(kUses);
            order.uses = static_cast<unsigned>(*count);
        } else if (name == "attachment") {
            if (!is_attachment_name(text)) return "a name of at most 255 bytes, without a slash";
            order.attachment = text;
        }
        return {};
    };
    for (const auto& [name, text] : texts)
        if (const std::string expected = take(name, text); !expected.empty())
            return unexpected(
                fmt::format("--{}: expected {}, not {}", name, expected, quoted_value(text)));
    return order;
}

} // namespace fsrv
