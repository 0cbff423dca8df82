#include "worker/http/parser.h"

#include "common/limits.h"
#include "worker/http/authority.h"
#include "worker/http/framing.h"
#include "worker/http/head_check.h"
#include "worker/http/known_fields.h"
#include "worker/http/target.h"
#include "worker/http/text.h"

#include <algorithm>
#include <llhttp.h>
#include <string>

namespace fsrv::http {

struct RequestParser::State {
    explicit State(const ParserLimits& limits) : max_head_bytes(limits.max_head_bytes) {}

    std::size_t max_head_bytes;
    HeadCheck head{max_head_bytes};
    HeadCheck trailers = HeadCheck::for_trailers();
    llhttp_t llhttp{};
    KnownFields known;
    std::string encoded_line;   // of a request whose target came with raw bytes
    Request* request = nullptr; // during parse_head() only
    std::size_t body_bytes = 0; // eaten so far
    std::uint64_t body_length = 0;
    bool in_trailers = false;
    bool message_complete = false;

    // llhttp's callbacks. The whole head is in one piece, so each name and each value comes in one
    // piece too.
    static State& of(llhttp_t* parser) { return *static_cast<State*>(parser->data); }

    static int on_header_field(llhttp_t* parser, const char* at, std::size_t length) {
        Request& request = *of(parser).request;
        if (request.field_count >= request.fields.size()) return HPE_USER;
        request.fields[request.field_count].name = {at, length};
        return 0;
    }
    static int on_header_value(llhttp_t* parser, const char* at, std::size_t length) {
        Request& request = *of(parser).request;
        if (request.field_count >= request.fields.size()) return HPE_USER;
        request.fields[request.field_count++].value = trim({at, length});
        return 0;
    }
    static int on_headers_complete(llhttp_t* parser) {
        parser->upgrade = 0; // never: what follows is the body, then the next request
        return 0;
    }
    static int on_chunk_header(llhttp_t* parser) {
        return parser->content_length == 0 ? HPE_PAUSED : 0; // the trailers are HeadCheck's
    }
    static int on_message_complete(llhttp_t* parser) {
        of(parser).message_complete = true;
        return HPE_PAUSED;
    }

    static constexpr llhttp_settings_t make_settings() {
        llhttp_settings_t settings{};
        settings.on_header_field = on_header_field;
        settings.on_header_value = on_header_value;
        settings.on_headers_complete = on_headers_complete;
        settings.on_chunk_header = on_chunk_header;
        settings.on_message_complete = on_message_complete;
        return settings;
    }
    static const llhttp_settings_t kSettings;
};

constexpr llhttp_settings_t RequestParser::State::kSettings = make_settings();

namespace {

// Methods that fsrv does not tell apart were told apart by HeadCheck for the 405.
Method method_of(KnownMethod method) {
    switch (method) {
    case KnownMethod::get: return Method::get;
    case KnownMethod::head: return Method::head;
    case KnownMethod::options: return Method::options;
    default: return Method::other;
    }
}

// The value of the only Accept among the lines of a head that HeadCheck has passed.
std::string_view accept_of(std::string_view lines) {
    std::string_view only;
    bool seen = false;
    while (!lines.empty()) {
        const auto line = lines.substr(0, lines.find("\r\n"));
        lines.remove_prefix(std::min(line.size() + 2, lines.size()));
        const auto colon = line.find(':');
        if (colon == std::string_view::npos ||
            !equal_ignoring_case(line.substr(0, colon), "accept"))
            continue;
        if (seen) return {};
        seen = true;
        only = trim(line.substr(colon + 1));
    }
    return only;
}

bool has_conditions(const Request& request) {
    return std::ranges::any_of(request.all_fields(), [](const Field& field) {
        return equal_ignoring_case(field.name, "range") ||
               equal_ignoring_case(field.name.substr(0, 3), "if-") ||
               equal_ignoring_case(field.name, "want-repr-digest");
    });
}

HeadResult refused(Refusal refusal, std::string_view lines) {
    refusal.accept = accept_of(lines);
    return {.status = HeadStatus::refused, .refusal = refusal};
}

} // namespace

bool begins_head_request(std::string_view received) {
    if (received.starts_with("\r\n")) received.remove_prefix(2);
    return received.starts_with("HEAD ");
}

RequestParser::RequestParser(const ParserLimits& limits)
    : state_(std::make_unique<State>(limits)) {}
RequestParser::~RequestParser() = default;
RequestParser::RequestParser(RequestParser&&) noexcept = default;
RequestParser& RequestParser::operator=(RequestParser&&) noexcept = default;

void RequestParser::reset() {
    State& state = *state_; // llhttp is made ready when a head is complete
    state.head.reset();
    if (state.in_trailers) state.trailers = HeadCheck::for_trailers();
    state.encoded_line.clear();
    state.body_bytes = 0;
    state.body_length = 0;
    state.in_trailers = false;
    state.message_complete = false;
}

HeadResult RequestParser::parse_head(std::string_view buffer, Request& request) {
    State& state = *state_;
    const HeadResult& result = state.head.check(buffer, state.known.bytes());
    if (result.status != HeadStatus::complete) return result;

    const RequestLine& line = state.head.line();
    const auto lines = buffer.substr(line.end, result.head_bytes - line.end);
    if (line.method == KnownMethod::unknown)
        return refused({.status = 501, .what = "unknown method"}, lines);
    if (line.method == KnownMethod::connect)
        return refused({.status = 405, .what = "CONNECT is for proxies"}, lines);
    std::string_view text = buffer.substr(line.method_begin, line.end - line.method_begin);
    std::size_t target_length = line.target_length;
    if (line.raw_bytes > 0) {
        state.encoded_line = encode_raw_bytes(text);
        target_length += state.encoded_line.size() - text.size();
        text = state.encoded_line;
    }
    request.method = method_of(line.method);
    request.method_token = text.substr(0, line.method_length);
    request.target = text.substr(line.method_length + 1, target_length);
    request.origin = request.target;
    request.minor_version = line.minor_version;
    if (state.head.fields_are_known()) { // so it asks for a path
        state.known.recall(request, buffer.data() + line.end);
        state.message_complete = true;
        return result;
    }
    request.host = {};
    if (const auto absolute = split_absolute(request.target)) {
        request.origin = absolute->origin;
        request.host = absolute->authority;
    }
    request.field_count = 0;
    state.request = &request;
    llhttp_init(&state.llhttp, HTTP_REQUEST, &State::kSettings);
    state.llhttp.data = &state;
    auto error = llhttp_execute(&state.llhttp, text.data(), text.size());
    if (error == HPE_OK) error = llhttp_execute(&state.llhttp, lines.data(), lines.size());
    state.request = nullptr;
    if (request.field_count != state.head.field_count())
        return refused({.status = 400, .what = "malformed head"}, lines);
    if (const auto refusal = apply_fields(request)) return refused(*refusal, lines);
    // What is left for llhttp to refuse is oddly placed white space around the values it reads
    // itself.
    if (error != HPE_OK && error != HPE_PAUSED)
        return refused({.status = 400, .what = "malformed framing field"}, lines);
    // Two readers of the same framing must agree, or the next request begins at the wrong byte.
    if (state.message_complete == request.has_body())
        return refused({.status = 400, .what = "ambiguous body length"}, lines);
    request.may_be_conditional = has_conditions(request);
    state.body_length = request.content_length;
    if (state.message_complete && line.minor_version == 1 &&
        request.origin.data() == request.target.data())
        state.known.learn(lines, request);
    return result;
}

RequestParser::BodyResult RequestParser::skip_body(std::string_view bytes) {
    State& state = *state_;
    if (state.message_complete) return {.status = BodyStatus::complete};
    if (state.body_length > limits::kMaxDroppedBody) return {.status = BodyStatus::refused};

    const auto piece = bytes.substr(0, limits::kMaxDroppedBody - state.body_bytes);
    std::size_t used = 0;
    bool sound = true;
    if (!state.in_trailers) {
        const auto error = llhttp_execute(&state.llhttp, piece.data(), piece.size());
        used = piece.size();
        if (error == HPE_PAUSED) {
            used = static_cast<std::size_t>(llhttp_get_error_pos(&state.llhttp) - piece.data());
            state.in_trailers = !state.message_complete;
        } else {
            sound = error == HPE_OK;
        }
    }
    if (state.in_trailers) {
        const auto result = state.trailers.check_piece(piece.substr(used));
        used += result.head_bytes;
        state.message_complete = result.status == HeadStatus::complete;
        sound = result.status != HeadStatus::refused;
    }
    state.body_bytes += used;
    if (!sound) return {.status = BodyStatus::refused, .consumed = used};
    if (state.message_complete) return {.status = BodyStatus::complete, .consumed = used};
    if (state.body_bytes == limits::kMaxDroppedBody)
        return {.status = BodyStatus::refused, .consumed = used};
    return {.status = BodyStatus::need_more, .consumed = used};
}

} // namespace fsrv::http
