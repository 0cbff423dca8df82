#include "worker/http/parser.h"

#include "common/limits.h"
#include "worker/http/authority.h"
#include "worker/http/framing.h"
#include "worker/http/head_check.h"
#include "worker/http/text.h"

#include <algorithm>
#include <llhttp.h>
#include <string>
#include <vector>

namespace fsrv::http {

namespace {

// The fields of the last request that had no body, and what was found in them. Most clients send
// the same again with every request of a connection, and many clients the same as each other.
class KnownFields {
  public:
    std::string_view bytes() const { return bytes_; }

    // `all`: as they came, to the end of the head. Views of the request point into it.
    void learn(std::string_view all, const Request& request) {
        if (all.size() > kMostBytes) return;
        bytes_ = all;
        fields_.clear();
        for (const auto& [name, value] : request.all_fields())
            fields_.push_back({.name = moved(name, all.data(), bytes_.data()),
                               .value = moved(value, all.data(), bytes_.data())});
        host_ = moved(request.host, all.data(), bytes_.data());
        keep_alive_ = request.keep_alive;
        expects_continue_ = request.expects_continue;
    }

    // Into a request that has come with the same at `at`.
    void recall(Request& request, const char* at) const {
        request.field_count = 0;
        for (const auto& [name, value] : fields_)
            request.fields[request.field_count++] = {.name = moved(name, bytes_.data(), at),
                                                     .value = moved(value, bytes_.data(), at)};
        request.host = moved(host_, bytes_.data(), at);
        request.keep_alive = keep_alive_;
        request.expects_continue = expects_continue_;
        request.chunked = false;
        request.content_length = 0;
    }

  private:
    static constexpr std::size_t kMostBytes = 1024; // a browser's are about 500

    static std::string_view moved(std::string_view view, const char* from, const char* to) {
        // An empty one may be of nothing.
        return {view.empty() ? to : to + (view.data() - from), view.size()};
    }

    std::string bytes_;
    std::vector<Field> fields_; // views into bytes_
    std::string_view host_;     // likewise
    bool keep_alive_ = true;
    bool expects_continue_ = false;
};

} // namespace

struct RequestParser::State {
    explicit State(const ParserLimits& limits) : max_head_bytes(limits.max_head_bytes) {}

    std::size_t max_head_bytes;
    HeadCheck head{max_head_bytes};
    HeadCheck trailers = HeadCheck::for_trailers();
    llhttp_t llhttp{};
    KnownFields known;
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

HeadResult refused(Refusal refusal) {
    return {.status = HeadStatus::refused, .refusal = refusal};
}

} // namespace

RequestParser::RequestParser(const ParserLimits& limits)
    : state_(std::make_unique<State>(limits)) {}
RequestParser::~RequestParser() = default;
RequestParser::RequestParser(RequestParser&&) noexcept = default;
RequestParser& RequestParser::operator=(RequestParser&&) noexcept = default;

void RequestParser::reset() {
    State& state = *state_; // llhttp is made ready when a head is complete
    state.head.reset();
    if (state.in_trailers) state.trailers = HeadCheck::for_trailers();
    state.body_bytes = 0;
    state.body_length = 0;
    state.in_trailers = false;
    state.message_complete = false;
}

HeadResult RequestParser::parse_head(std::string_view buffer, Request& request) {
    State& state = *state_;
    const HeadResult result = state.head.check(buffer, state.known.bytes());
    if (result.status != HeadStatus::complete) return result;

    const RequestLine& line = state.head.line();
    if (line.method == KnownMethod::connect)
        return refused({.status = 405, .what = "CONNECT is for proxies"});
    request.method = method_of(line.method);
    request.method_token = buffer.substr(line.method_begin, line.method_length);
    request.target = buffer.substr(line.target_begin, line.target_length);
    request.origin = request.target;
    request.host = {};
    request.minor_version = line.minor_version;
    if (const auto absolute = split_absolute(request.target)) {
        request.origin = absolute->origin;
        request.host = absolute->authority;
    }

    if (state.head.fields_are_known()) {
        state.known.recall(request, buffer.data() + line.end);
        state.message_complete = true;
        return result;
    }
    request.field_count = 0;
    state.request = &request;
    llhttp_init(&state.llhttp, HTTP_REQUEST, &State::kSettings);
    state.llhttp.data = &state;
    const auto head = buffer.substr(line.method_begin, result.head_bytes - line.method_begin);
    const auto error = llhttp_execute(&state.llhttp, head.data(), head.size());
    state.request = nullptr;
    if (request.field_count != state.head.field_count())
        return refused({.status = 400, .what = "malformed head"});
    if (const auto refusal = apply_fields(request)) return refused(*refusal);
    // What is left for llhttp to refuse is oddly placed white space around the values it reads
    // itself.
    if (error != HPE_OK && error != HPE_PAUSED)
        return refused({.status = 400, .what = "malformed framing field"});
    // Two readers of the same framing must agree, or the next request begins at the wrong byte.
    if (state.message_complete == request.has_body())
        return refused({.status = 400, .what = "ambiguous body length"});
    state.body_length = request.content_length;
    if (state.message_complete && line.minor_version == 1 &&
        request.origin.data() == request.target.data())
        state.known.learn(buffer.substr(line.end, result.head_bytes - line.end), request);
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
