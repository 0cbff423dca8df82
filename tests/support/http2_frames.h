// Frames of HTTP/2 as bytes (RFC 9113 4.1), sound ones and others: nothing is judged here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fsrv::test::h2 {

inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

enum Type : std::uint8_t {
    kData = 0,
    kHeaders = 1,
    kPriority = 2,
    kResetStream = 3,
    kSettings = 4,
    kPing = 6,
    kGoaway = 7,
    kWindowUpdate = 8,
    kContinuation = 9,
    kPriorityUpdate = 0x10,
};
inline constexpr std::uint8_t kEndStream = 1;
inline constexpr std::uint8_t kAck = 1;
inline constexpr std::uint8_t kEndHeaders = 4;
inline constexpr std::uint16_t kHeaderTableSize = 1; // settings
inline constexpr std::uint16_t kInitialWindow = 4;
enum Error : std::uint32_t {
    kNoError = 0,
    kProtocolError = 1,
    kInternalError = 2,
    kFlowControlError = 3,
    kStreamClosed = 5,
    kRefusedStream = 7,
    kCancel = 8,
    kCompressionError = 9,
    kEnhanceYourCalm = 11,
};

std::string number(std::uint32_t value); // four bytes
std::string frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                  std::string_view payload = {});
std::string settings(const std::vector<std::pair<std::uint16_t, std::uint32_t>>& values = {});
std::string window_update(std::uint32_t stream, std::uint32_t more);
std::string reset(std::uint32_t stream, std::uint32_t error = kCancel);

using Fields = std::vector<std::pair<std::string, std::string>>;
// HPACK, each field literally: no table, no Huffman (RFC 7541 6.2.2).
std::string block(const Fields& fields);
// The four pseudo-fields of a request, then these.
Fields request_fields(std::string_view method, std::string_view path, const Fields& more = {});
// HEADERS that are a whole request, with CONTINUATION where it needs some.
std::string request(std::uint32_t stream, std::string_view path, const Fields& more = {},
                    std::string_view method = "GET");

} // namespace fsrv::test::h2
