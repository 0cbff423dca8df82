#include "worker/http/proxy_header.h"

#include "common/ascii.h"
#include "common/limits.h"
#include "common/network.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

namespace fsrv::http {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kSignature1 = "PROXY "sv;
constexpr std::string_view kSignature2 = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr std::size_t kMaxLine = 107; // of version 1, its CRLF included
constexpr std::size_t kFixed = 16;    // of version 2, before the addresses

ProxyHeader need_more() {
    return {.status = ProxyStatus::need_more};
}

ProxyHeader malformed() {
    return {};
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    const bool padded = text.size() > 1 && text.front() == '0';
    return padded ? std::nullopt : to_number<std::uint16_t>(text);
}

// "TCP4 192.0.2.1 198.51.100.1 51234 443", without its CRLF.
ProxyHeader read_line(std::string_view line, std::size_t bytes) {
    ProxyHeader header{.status = ProxyStatus::complete, .bytes = bytes};
    if (line == "UNKNOWN" || line.starts_with("UNKNOWN ")) return header;
    const bool ends_in_space = line.ends_with(' ');
    const std::string_view family = take_before(line, ' ');
    if (family != "TCP4" && family != "TCP6") return malformed();
    const auto is_of_family = [&](std::string_view address) {
        return (address.find(':') != std::string_view::npos) == (family == "TCP6");
    };
    const std::string_view from = take_before(line, ' ');
    const std::string_view to = take_before(line, ' ');
    const auto source = parse_address(from);
    const auto port = parse_port(take_before(line, ' '));
    const auto own_port = parse_port(take_before(line, ' '));
    if (!source || !parse_address(to) || !is_of_family(from) || !is_of_family(to) || !port ||
        !own_port || !line.empty() || ends_in_space)
        return malformed();
    header.has_source = true;
    header.source = *source;
    header.port = *port;
    return header;
}

ProxyHeader parse_version_1(std::string_view bytes) {
    const std::size_t end = bytes.substr(0, kMaxLine).find_first_of("\r\n");
    if (end == std::string_view::npos) return bytes.size() < kMaxLine ? need_more() : malformed();
    if (bytes[end] == '\n' || end + 2 > kMaxLine) return malformed();
    if (bytes.size() < end + 2) return need_more();
    if (bytes[end + 1] != '\n') return malformed();
    return read_line(bytes.substr(kSignature1.size(), end - kSignature1.size()), end + 2);
}

unsigned octet(std::string_view bytes, std::size_t at) {
    return static_cast<unsigned char>(bytes[at]);
}

std::uint16_t big_endian(std::string_view bytes, std::size_t at) {
    return static_cast<std::uint16_t>(octet(bytes, at) << 8 | octet(bytes, at + 1));
}

ProxyHeader parse_version_2(std::string_view bytes) {
    enum : unsigned { kLocal = 0x20, kProxy = 0x21 };
    enum : unsigned { kUnspecified = 0x00, kTcp4 = 0x11, kTcp6 = 0x21, kUnixStream = 0x31 };
    if (bytes.size() > 12 && octet(bytes, 12) != kLocal && octet(bytes, 12) != kProxy)
        return malformed();
    if (bytes.size() < kFixed) return need_more();
    const std::size_t length = big_endian(bytes, 14);
    if (kFixed + length > limits::kMaxProxyHeader) return malformed();
    const bool local = octet(bytes, 12) == kLocal;
    const unsigned family = octet(bytes, 13);
    const std::size_t addresses = local || family == kUnspecified ? 0
                                  : family == kTcp4               ? 12
                                  : family == kTcp6               ? 36
                                  : family == kUnixStream         ? 216
                                                                  : length + 1;
    if (length < addresses) return malformed();
    if (bytes.size() < kFixed + length) return need_more();

    // What follows the addresses (TLVs) says nothing that fsrv wants to know.
    ProxyHeader header{.status = ProxyStatus::complete, .bytes = kFixed + length};
    header.has_source = addresses > 0;
    if (addresses == 12) {
        header.source.s6_addr[10] = header.source.s6_addr[11] = 0xFF;
        std::memcpy(&header.source.s6_addr[12], bytes.data() + kFixed, 4);
        header.port = big_endian(bytes, kFixed + 8);
    } else if (addresses == 36) {
        std::memcpy(&header.source, bytes.data() + kFixed, sizeof header.source);
        header.port = big_endian(bytes, kFixed + 32);
        // All zero would be taken for a Unix socket's.
        if (IN6_IS_ADDR_UNSPECIFIED(&header.source)) return malformed();
    }
    return header;
}

} // namespace

ProxyHeader parse_proxy_header(std::string_view bytes) {
    const auto begins_like = [&](std::string_view signature) {
        const std::size_t size = std::min(bytes.size(), signature.size());
        return bytes.substr(0, size) == signature.substr(0, size);
    };
    if (begins_like(kSignature1))
        return bytes.size() < kSignature1.size() ? need_more() : parse_version_1(bytes);
    if (begins_like(kSignature2))
        return bytes.size() < kSignature2.size() ? need_more() : parse_version_2(bytes);
    return malformed();
}

} // namespace fsrv::http
