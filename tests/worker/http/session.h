// A connection without a socket: plays a stream of bytes, cut where one likes, into the parser and
// writes down what a server would have seen. Whatever the cuts, the transcript must be the same.
// For the tests and the fuzz target.
#pragma once

#include "common/limits.h"
#include "worker/http/parser.h"

#include <fmt/format.h>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace fsrv::http::test {

struct Transcript {
    std::string text;      // one line per event
    unsigned requests = 0; // that were complete and sound
    bool refused = false;
    bool views_inside = true; // every view of every request pointed into the buffer
};

inline bool is_inside(std::string_view view, std::string_view buffer) {
    const std::less_equal<> before;
    return view.empty() || (before(buffer.data(), view.data()) &&
                            before(view.data() + view.size(), buffer.data() + buffer.size()));
}

inline std::string show_request(const Request& request) {
    static constexpr const char* kMethods[] = {"GET", "HEAD", "OPTIONS", "other"};
    std::string out = fmt::format("{} {} target={} origin={} host={} 1.{}{}{}{} length={}\n",
                                  kMethods[static_cast<int>(request.method)], request.method_token,
                                  request.target, request.origin, request.host,
                                  request.minor_version, request.keep_alive ? " keep" : " close",
                                  request.expects_continue ? " expects" : "",
                                  request.chunked ? " chunked" : "", request.content_length);
    for (const Field& field : request.all_fields())
        out += fmt::format("  {}: {}\n", field.name, field.value);
    return out;
}

// `next_cut(offset)`: where the piece that begins at `offset` ends; beyond the end means all the
// rest. Each piece is seen through a buffer of its own size at an address of its own, so that
// reading too far or keeping a pointer shows.
inline Transcript play(std::string_view stream,
                       const std::function<std::size_t(std::size_t)>& next_cut,
                       ParserLimits limits = {}) {
    Transcript transcript;
    RequestParser parser(limits);
    Request request;
    std::string pending; // received and not yet taken
    bool in_body = false;
    for (std::size_t at = 0; at < stream.size() && !transcript.refused;) {
        const auto end = std::min(std::max(next_cut(at), at + 1), stream.size());
        pending.append(stream.substr(at, end - at));
        at = end;
        for (bool more = true; more && !transcript.refused;) {
            const auto exact = std::make_unique<char[]>(pending.size() + 1);
            pending.copy(exact.get(), pending.size());
            const std::string_view buffer(exact.get(), pending.size());
            more = false;
            if (in_body) {
                const auto result = parser.skip_body(buffer);
                if (result.status == RequestParser::BodyStatus::refused) {
                    transcript.text += "body refused\n";
                    transcript.refused = true;
                    break;
                }
                pending.erase(0, result.consumed);
                if (result.status == RequestParser::BodyStatus::complete) {
                    transcript.text += "body complete\n";
                    in_body = false;
                    parser.reset();
                    more = !pending.empty();
                }
                continue;
            }
            const auto result = parser.parse_head(buffer, request);
            if (result.status == HeadStatus::refused) {
                transcript.text +=
                    fmt::format("refused {} {}\n", result.refusal.status, result.refusal.what);
                transcript.refused = true;
            } else if (result.status == HeadStatus::complete) {
                ++transcript.requests;
                transcript.text += show_request(request);
                // The line is in one piece; with an encoded target the parser has it.
                const bool in_buffer = is_inside(request.target, buffer);
                const bool in_line = request.target.data() ==
                                     request.method_token.data() + request.method_token.size() + 1;
                transcript.views_inside =
                    transcript.views_inside && in_line &&
                    is_inside(request.method_token, buffer) == in_buffer &&
                    (in_buffer || request.target.find('%') != std::string_view::npos) &&
                    (is_inside(request.host, buffer) || is_inside(request.host, request.target));
                transcript.views_inside =
                    transcript.views_inside &&
                    (is_inside(request.origin, request.target) || request.origin == "/");
                for (const Field& field : request.all_fields())
                    transcript.views_inside = transcript.views_inside &&
                                              is_inside(field.name, buffer) &&
                                              is_inside(field.value, buffer);
                pending.erase(0, result.head_bytes);
                in_body = request.has_body();
                if (!in_body) parser.reset();
                more = in_body || !pending.empty();
            }
        }
    }
    return transcript;
}

inline Transcript play_whole(std::string_view stream, ParserLimits limits = {}) {
    return play(
        stream, [&](std::size_t) { return stream.size(); }, limits);
}
inline Transcript play_bytewise(std::string_view stream, ParserLimits limits = {}) {
    return play(
        stream, [](std::size_t at) { return at + 1; }, limits);
}
inline Transcript play_split(std::string_view stream, std::size_t cut, ParserLimits limits = {}) {
    return play(
        stream, [&](std::size_t at) { return at < cut ? cut : stream.size(); }, limits);
}

} // namespace fsrv::http::test
