#include "tests/support/http2_frames.h"

namespace fsrv::test::h2 {
namespace {

constexpr std::size_t kMostPayload = 16'384; // SETTINGS_MAX_FRAME_SIZE, as it is at first

char byte(std::uint32_t value, unsigned shift) {
    return static_cast<char>((value >> shift) & 0xff);
}

// RFC 7541 5.1, with a prefix of seven bits.
std::string length(std::size_t value) {
    if (value < 127) return {static_cast<char>(value)};
    std::string bytes{127};
    for (value -= 127; value >= 128; value /= 128) bytes += static_cast<char>(value % 128 + 128);
    return bytes + static_cast<char>(value);
}

} // namespace

std::string number(std::uint32_t value) {
    return {byte(value, 24), byte(value, 16), byte(value, 8), byte(value, 0)};
}

std::string frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                  std::string_view payload) {
    std::string bytes = number(static_cast<std::uint32_t>(payload.size())).substr(1);
    bytes += static_cast<char>(type);
    bytes += static_cast<char>(flags);
    return bytes.append(number(stream)).append(payload);
}

std::string settings(const std::vector<std::pair<std::uint16_t, std::uint32_t>>& values) {
    std::string payload;
    for (const auto& [name, value] : values) payload += number(name).substr(2) + number(value);
    return frame(kSettings, 0, 0, payload);
}

std::string window_update(std::uint32_t stream, std::uint32_t more) {
    return frame(kWindowUpdate, 0, stream, number(more));
}

std::string reset(std::uint32_t stream, std::uint32_t error) {
    return frame(kResetStream, 0, stream, number(error));
}

std::string block(const Fields& fields) {
    std::string bytes;
    for (const auto& [name, value] : fields)
        bytes.append(1, '\0')
            .append(length(name.size()))
            .append(name)
            .append(length(value.size()))
            .append(value);
    return bytes;
}

Fields request_fields(std::string_view method, std::string_view path, const Fields& more) {
    Fields fields{{":method", std::string(method)},
                  {":scheme", "http"},
                  {":authority", "localhost"},
                  {":path", std::string(path)}};
    fields.insert(fields.end(), more.begin(), more.end());
    return fields;
}

std::string request(std::uint32_t stream, std::string_view path, const Fields& more,
                    std::string_view method) {
    const std::string all = block(request_fields(method, path, more));
    const std::string_view first = std::string_view(all).substr(0, kMostPayload);
    if (first.size() == all.size()) return frame(kHeaders, kEndHeaders | kEndStream, stream, first);
    std::string bytes = frame(kHeaders, kEndStream, stream, first);
    for (std::size_t at = kMostPayload; at < all.size(); at += kMostPayload) {
        const std::uint8_t flags = at + kMostPayload >= all.size() ? kEndHeaders : 0;
        bytes +=
            frame(kContinuation, flags, stream, std::string_view(all).substr(at, kMostPayload));
    }
    return bytes;
}

} // namespace fsrv::test::h2
