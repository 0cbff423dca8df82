// Any bytes as what a connection receives: the same requests and the same refusal however they are
// cut; nothing but views into the buffer; nothing behind a refusal; and of what is accepted, only
// what RFC 9112 allows.
#include "tests/fuzz/fuzz.h"
#include "tests/worker/http/session.h"
#include "worker/http/authority.h"

#include <algorithm>

namespace {

using namespace fsrv;
using namespace fsrv::fuzz;
using namespace fsrv::http;

bool is_clean(std::string_view text) {
    return std::none_of(text.begin(), text.end(),
                        [](char c) { return c == '\r' || c == '\n' || c == '\0' || c == '\x7F'; });
}

// Looks at the first request again, field by field.
void examine_first(std::string_view stream) {
    RequestParser parser({});
    Request request;
    const auto result = parser.parse_head(stream, request);
    if (result.status != HeadStatus::complete) return;
    require(result.head_bytes <= stream.size(), "the head is longer than the buffer");
    if (!request.has_body()) {
        const auto seen = test::show_request(request);
        parser.reset();
        const auto again = parser.parse_head(stream, request);
        require(again.status == HeadStatus::complete && again.head_bytes == result.head_bytes &&
                    test::show_request(request) == seen,
                "another result the second time");
    }
    const auto head = stream.substr(0, result.head_bytes);
    require(head.ends_with("\r\n\r\n"), "the head does not end in an empty line");
    require(head.find("\r\n\r\n") == head.size() - 4, "an empty line inside the head");
    require(head.find("\r\n ") == std::string_view::npos, "a folded line");
    require(head.find("\r\n\t") == std::string_view::npos, "a folded line");
    for (std::size_t i = 0; i < head.size(); ++i) {
        require(head[i] != '\n' || (i > 0 && head[i - 1] == '\r'), "LF without CR");
        require(head[i] != '\r' || head[i + 1] == '\n', "CR without LF");
    }
    require(request.origin.starts_with('/') || request.origin.starts_with('?') ||
                request.origin == "*",
            "an origin that is no path");
    require(request.minor_version == 0 || request.count("Host") == 1, "not one Host");
    require(request.host.empty() || is_authority(request.host), "a host that is none");
    require(request.count("Content-Length") + request.count("Transfer-Encoding") <= 1,
            "two ways to frame");
    require(!request.chunked || request.count("Transfer-Encoding") == 1, "chunked from nowhere");
    require(request.chunked || request.count("Transfer-Encoding") == 0, "a coding was overlooked");
    require(request.minor_version == 1 || !request.chunked, "chunked in HTTP/1.0");
    for (const Field& field : request.all_fields()) {
        require(!field.name.empty() && is_clean(field.name), "a field name");
        require(field.name.find_first_of(" \t:") == std::string_view::npos, "a field name");
        require(is_clean(field.value), "a field value");
        require(field.value.empty() ||
                    (std::string_view(" \t").find(field.value.front()) == std::string_view::npos &&
                     std::string_view(" \t").find(field.value.back()) == std::string_view::npos),
                "white space about a value");
    }
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto stream = text_of(data, size);
    Dice dice(stream);
    // Sometimes a limit that inputs of this size can meet.
    const ParserLimits limits{.max_head_bytes =
                                  dice.below(4) == 0 ? 64 + dice.below(128) : 16 * 1024};
    const auto whole = test::play_whole(stream, limits);
    require(whole.views_inside, "a view outside the buffer");

    const auto bytewise = test::play_bytewise(stream, limits);
    require(bytewise.text == whole.text && bytewise.views_inside, "another result byte by byte");
    for (int round = 0; round < 3; ++round) {
        const auto most = 1 + dice.below(round == 0 ? 3 : 40);
        const auto pieces = test::play(
            stream, [&](std::size_t at) { return at + 1 + dice.below(most); }, limits);
        require(pieces.text == whole.text && pieces.views_inside, "another result in pieces");
    }
    if (size > 1) {
        const auto split = test::play_split(stream, 1 + dice.below(size - 1), limits);
        require(split.text == whole.text, "another result in two pieces");
    }
    if (whole.refused) {
        const auto more = test::play_whole(
            std::string(stream) + "\r\n\r\nGET /canary HTTP/1.1\r\nHost: h\r\n\r\n", limits);
        require(more.text == whole.text, "something was seen behind a refusal");
    }
    examine_first(stream);
    return 0;
}
