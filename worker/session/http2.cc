#include "worker/session/http2.h"

#include "common/check.h"
#include "common/limits.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <nghttp2/nghttp2.h>
#include <sys/epoll.h>
#include <utility>

namespace fsrv::session {
namespace {

// A frame of this size and its head fill a record of TLS.
constexpr std::size_t kMostData = 16 * 1024 - 9;
constexpr std::size_t kCollected = 32 * 1024; // then it is sent
constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr std::string_view kPrefaceLine = kPreface.substr(0, kPreface.find('\r'));

struct DeleteOption {
    void operator()(nghttp2_option* option) const { nghttp2_option_del(option); }
};
struct DeleteCallbacks {
    void operator()(nghttp2_session_callbacks* callbacks) const {
        nghttp2_session_callbacks_del(callbacks);
    }
};

std::string_view view(const std::uint8_t* bytes, std::size_t size) {
    return {reinterpret_cast<const char*>(bytes), size};
}

std::uint8_t* bytes_of(std::string_view text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
}

nghttp2_nv to_nv(std::string_view name, std::string_view value, std::uint8_t flags) {
    return {.name = bytes_of(name),
            .value = bytes_of(value),
            .namelen = name.size(),
            .valuelen = value.size(),
            .flags = flags};
}

} // namespace

bool Allowance::use(std::uint64_t now_ms, std::uint64_t count) {
    const std::uint64_t more = (now_ms - filled_ms_) * per_second_ / 1'000;
    if (more > 0) {
        give(more);
        filled_ms_ = now_ms;
    }
    const bool enough = left_ >= count;
    left_ = enough ? left_ - count : 0;
    return enough;
}

// What nghttp2 calls, with the connection as `user`. Nothing of it may end the session: over_ says
// that it is to end.
struct Http2::Calls {
    static Http2& of(void* user) { return *static_cast<Http2*>(user); }

    static Http2Stream* stream_of(nghttp2_session* session, std::int32_t id) {
        return static_cast<Http2Stream*>(nghttp2_session_get_stream_user_data(session, id));
    }

    static int on_begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
        Http2& connection = of(user);
        if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0; // trailers
        const std::int32_t id = frame->hd.stream_id;
        const auto [place, is_new] =
            connection.streams_.try_emplace(id, connection.services_, connection, id);
        FSRV_CHECK(is_new, "a stream begins once");
        nghttp2_session_set_stream_user_data(session, id, &place->second);
        return 0;
    }

    static int on_header(nghttp2_session* session, const nghttp2_frame* frame,
                         const std::uint8_t* name, std::size_t name_size, const std::uint8_t* value,
                         std::size_t value_size, std::uint8_t, void* user) {
        if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
        Http2Stream* const stream = stream_of(session, frame->hd.stream_id);
        if (!stream || stream->add_field(view(name, name_size), view(value, value_size))) return 0;
        of(user).over_ = CloseReason::h2_headers;
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }

    static int on_frame_received(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
        Http2& connection = of(user);
        const bool asks =
            frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
        if (!asks) return 0;
        ++connection.asked_;
        connection.leave_place();
        if (Http2Stream* const stream = stream_of(session, frame->hd.stream_id)) stream->ask();
        return 0;
    }

    static int on_data(nghttp2_session*, std::uint8_t, std::int32_t, const std::uint8_t*,
                       std::size_t, void*) {
        return 0; // bodies of requests are nobody's: the stream is reset after its answer
    }

    static int on_frame_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
        Http2& connection = of(user);
        if (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA)
            connection.has_answers_ = true;
        // The library says so of its own accord.
        if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR)
            connection.over_ = frame->goaway.error_code == NGHTTP2_INTERNAL_ERROR
                                   ? CloseReason::h2_resets
                                   : CloseReason::h2_protocol;
        if (frame->hd.type == NGHTTP2_RST_STREAM &&
            frame->rst_stream.error_code != NGHTTP2_NO_ERROR &&
            !connection.provoked_.use(connection.now_ms()))
            connection.over_ = CloseReason::h2_resets;
        const bool ends = (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
                          (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
        // Who still sends a body need not (RFC 9113 8.1).
        if (ends && nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id) == 0)
            nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                      NGHTTP2_NO_ERROR);
        return 0;
    }

    static int on_stream_close(nghttp2_session*, std::int32_t id, std::uint32_t error, void* user) {
        of(user).end_stream(id, error);
        return 0;
    }

    static ssize_t read(nghttp2_session*, std::int32_t, std::uint8_t*, std::size_t most,
                        std::uint32_t* flags, nghttp2_data_source* source, void* user) {
        auto& stream = *static_cast<Http2Stream*>(source->ptr);
        const Http2Stream::Part part = stream.read(most);
        switch (part.kind) {
        case Http2Stream::Part::Kind::wait: return NGHTTP2_ERR_DEFERRED;
        case Http2Stream::Part::Kind::failed:
            of(user).cut(stream, stream.answer()->body.failure());
            return NGHTTP2_ERR_DEFERRED;
        case Http2Stream::Part::Kind::bytes: break;
        }
        *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
        if (part.last) *flags |= NGHTTP2_DATA_FLAG_EOF;
        return static_cast<ssize_t>(part.bytes);
    }

    static int send_data(nghttp2_session*, nghttp2_frame*, const std::uint8_t* head,
                         std::size_t bytes, nghttp2_data_source* source, void* user) {
        auto& stream = *static_cast<Http2Stream*>(source->ptr);
        if (!stream.answer()) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; // cut since read()
        std::string& out = of(user).services_.http2_out;
        if (out.size() >= kCollected) return NGHTTP2_ERR_WOULDBLOCK;
        out.append(view(head, 9));
        stream.take(bytes, out);
        return 0;
    }

    static ssize_t most_data(nghttp2_session*, std::uint8_t, std::int32_t, std::int32_t,
                             std::int32_t, std::uint32_t most, void*) {
        return static_cast<ssize_t>(std::min<std::size_t>(kMostData, most));
    }
};

Http2::Http2(SessionServices& services, wire::Transport transport, const exchange::Client& client,
             std::uint64_t id)
    : Connection(services, std::move(transport), id),
      client_(client),
      frame_count_(kPreface.size()),
      frames_(limits::kHttp2IdleFrames, limits::kHttp2IdleFramesPerSecond, now_ms()),
      provoked_(limits::kHttp2Resets, services.options.http2_resets, now_ms()) {}

Http2::~Http2() {
    nghttp2_session_del(session_);
}

bool Http2::begins(std::string_view received) {
    return received.starts_with(kPrefaceLine);
}

bool Http2::may_begin(std::string_view received) {
    return received.size() < kPrefaceLine.size() && kPrefaceLine.starts_with(received);
}

bool Http2::make_session() {
    nghttp2_session_callbacks* raw_callbacks = nullptr;
    nghttp2_option* raw_option = nullptr;
    nghttp2_session_callbacks_new(&raw_callbacks);
    nghttp2_option_new(&raw_option);
    const std::unique_ptr<nghttp2_session_callbacks, DeleteCallbacks> callbacks(raw_callbacks);
    const std::unique_ptr<nghttp2_option, DeleteOption> option(raw_option);
    if (!callbacks || !option) return false;
    nghttp2_session_callbacks_set_on_begin_headers_callback(raw_callbacks, Calls::on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(raw_callbacks, Calls::on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(raw_callbacks, Calls::on_frame_received);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(raw_callbacks, Calls::on_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(raw_callbacks, Calls::on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(raw_callbacks, Calls::on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(raw_callbacks, Calls::send_data);
    nghttp2_session_callbacks_set_data_source_read_length_callback(raw_callbacks, Calls::most_data);
    nghttp2_option_set_stream_reset_rate_limit(raw_option, limits::kHttp2Resets,
                                               services_.options.http2_resets);
    nghttp2_option_set_builtin_recv_extension_type(raw_option, NGHTTP2_PRIORITY_UPDATE);
    nghttp2_option_set_no_closed_streams(raw_option, 1);
    if (nghttp2_session_server_new2(&session_, raw_callbacks, this, raw_option) != 0) return false;
    const std::array settings{
        nghttp2_settings_entry{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits::kHttp2Streams},
        nghttp2_settings_entry{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
                               static_cast<std::uint32_t>(services_.options.max_header_size)},
        nghttp2_settings_entry{NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1}};
    return nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) ==
           0;
}

void Http2::start(bool) {
    start_with({});
}

void Http2::start_with(std::string_view received) {
    set_state(State::idle);
    if (!make_session()) {
        close(CloseReason::internal);
        return;
    }
    if (!received.empty() && !take(received)) return;
    read_once();
    if (state() != State::closing && state() != State::lingering) advance();
}

void Http2::on_event() {
    advance_follows_ = true;
    if (transport_.is_ready(EPOLLIN)) read_once();
    advance_follows_ = false;
    if (state() != State::closing && state() != State::lingering) advance();
}

// What has come, and no more than one buffer of it: the rest has a turn of its own.
void Http2::read_once() {
    const ssize_t n = transport_.read(services_.scratch);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
        close(streams_.empty() ? CloseReason::client_closed : CloseReason::client_aborted);
        return;
    }
    taker_came();
    take({services_.scratch.data(), static_cast<std::size_t>(n)});
}

bool Http2::take(std::string_view received) {
    asked_ = 0;
    const std::size_t frames = frame_count_.count(received);
    const ssize_t n = nghttp2_session_mem_recv(
        session_, reinterpret_cast<const std::uint8_t*>(received.data()), received.size());
    if (over_) {
        abuse(*over_);
        return false;
    }
    if (n == NGHTTP2_ERR_FLOODED) {
        abuse(CloseReason::h2_frames);
        return false;
    }
    if (n < 0) {
        abuse(n == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS ? CloseReason::h2_frames
                                                      : CloseReason::h2_protocol);
        return false;
    }
    if (!frames_.use(now_ms(), frames - std::min(frames, asked_)) ||
        nghttp2_session_get_outbound_queue_size(session_) > limits::kHttp2QueuedFrames) {
        abuse(CloseReason::h2_frames);
        return false;
    }
    settle_state();
    return true;
}

void Http2::settle_state() {
    const State wanted = streams_.empty() ? State::idle
                         : is_throttled() ? State::throttled
                         : is_following() ? State::following
                                          : State::sending;
    const bool waits_on = state() == State::paused && wanted != State::idle;
    if (state() != wanted && !waits_on) set_state(wanted);
}

bool Http2::is_throttled() const {
    return services_.exchanges.client_limits && unsent_.empty() &&
           std::ranges::all_of(streams_,
                               [](const auto& entry) { return entry.second.is_throttled(); });
}

// All that it sends.
bool Http2::is_following() const {
    return unsent_.empty() && std::ranges::all_of(streams_, [](const auto& entry) {
               return entry.second.is_following();
           });
}

// Sends what there is, a turn of it, and waits for what is wanted next.
void Http2::advance() {
    if (send()) settle_state();
}

void Http2::collect(std::string& out) {
    while (out.size() < kCollected) {
        const std::uint8_t* bytes = nullptr;
        const ssize_t n = nghttp2_session_mem_send(session_, &bytes);
        if (n <= 0) break; // of memory there is none, or nothing to be sent
        out.append(view(bytes, static_cast<std::size_t>(n)));
    }
}

bool Http2::send() {
    std::uint64_t spent = 0;
    std::string& out = services_.http2_out;
    while (true) {
        std::string_view left = unsent_;
        if (left.empty()) {
            out.clear();
            has_answers_ = false;
            collect(out);
            left = out;
        }
        if (over_) {
            abuse(*over_, true);
            return false;
        }
        if (left.empty()) break;
        iovec vector = wire::to_vector(left);
        const ssize_t n = transport_.write(std::span(&vector, 1), false);
        const std::size_t taken = n > 0 ? static_cast<std::size_t>(n) : 0;
        if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS && errno != ENOMEM) {
            close(streams_.empty() ? CloseReason::client_closed : CloseReason::client_aborted);
            return false;
        }
        spent += taken * limits::kCopyWeight;
        if (taken > 0) {
            if (has_answers_) progressed();
            // Who takes much may ask for more of what costs little.
            frames_.give(taken / limits::kHttp2BytesPerFrame);
        }
        if (taken < left.size()) {
            std::string rest(left.substr(taken));
            unsent_ = std::move(rest);
            transport_.was_full();
            go_on_or_wait(true);
            return true;
        }
        unsent_ = {};
        if (spent >= limits::kTurnBytes) {
            go_on_soon();
            return true;
        }
    }
    if (!transport_.flush()) {
        if (errno != EAGAIN) {
            close(CloseReason::client_aborted);
            return false;
        }
        transport_.was_full();
        go_on_or_wait(true);
        return true;
    }
    const bool wants_more = nghttp2_session_want_read(session_) != 0;
    if (streams_.empty() && (!wants_more || told_last_)) {
        enter_lingering(drain_ms_ != 0 ? CloseReason::drained : CloseReason::done);
        return false;
    }
    if (services_.exchanges.ending.draining && drain_ms_ == 0) {
        drain();
        go_on_soon();
        return true;
    }
    go_on_or_wait(false);
    return true;
}

// Of an answer: what else is said, and taken, keeps nobody waiting.
void Http2::progressed() {
    if (state() == State::paused)
        set_state(State::sending);
    else
        touch();
}

void Http2::go_on_or_wait(bool blocked) {
    wait_for(blocked ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void Http2::submit(Http2Stream& stream, const http::HeadFields& head) {
    const std::uint8_t of_name =
        head.names_last ? NGHTTP2_NV_FLAG_NO_COPY_NAME : NGHTTP2_NV_FLAG_NONE;
    std::array<nghttp2_nv, http::kMostHeadFields + 1> nv;
    auto* end = nv.data();
    *end++ = to_nv(":status", head.status, NGHTTP2_NV_FLAG_NO_COPY_NAME);
    FSRV_CHECK(head.fields.size() <= http::kMostHeadFields, "an answer has few fields");
    for (const http::Field& field : head.fields) *end++ = to_nv(field.name, field.value, of_name);
    const nghttp2_data_provider body{.source = {.ptr = &stream}, .read_callback = Calls::read};
    nghttp2_submit_response(session_, stream.id(), nv.data(),
                            static_cast<std::size_t>(end - nv.data()),
                            stream.has_body() ? &body : nullptr);
    if (!advance_follows_) go_on_soon();
}

void Http2::resume(Http2Stream& stream) {
    nghttp2_session_resume_data(session_, stream.id());
    go_on_soon();
}

void Http2::cut(Http2Stream& stream, CloseReason reason) {
    stream.end(reason);
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id(),
                              reason == CloseReason::pause_timeout ||
                                      reason == CloseReason::too_slow
                                  ? NGHTTP2_CANCEL
                                  : NGHTTP2_INTERNAL_ERROR);
    go_on_soon();
}

void Http2::end_stream(std::int32_t id, std::uint32_t error) {
    const auto found = streams_.find(id);
    if (found == streams_.end()) return;
    Http2Stream& stream = found->second;
    const bool whole =
        error == NGHTTP2_NO_ERROR && stream.answer() && stream.answer()->body.at_end();
    stream.end(whole ? std::nullopt : std::optional(CloseReason::client_aborted));
    streams_.erase(found);
}

void Http2::end_all(CloseReason reason) {
    for (auto& [id, stream] : streams_) stream.end(reason);
    streams_.clear();
}

// The client is told that no more will be taken up, and a little later, when what was on its way
// has come, which request is the last (RFC 9113 6.8).
void Http2::drain() {
    drain_ms_ = now_ms();
    nghttp2_submit_shutdown_notice(session_);
    if (!streams_.empty()) return;
    told_last_ = true;
    nghttp2_session_terminate_session(session_, NGHTTP2_NO_ERROR);
}

void Http2::on_tick(std::uint64_t now_ms) {
    const auto stall_ms = static_cast<std::uint64_t>(services_.options.stall_timeout.count());
    const auto pause_ms = static_cast<std::uint64_t>(services_.options.pause_timeout.count());
    const auto head_ms = static_cast<std::uint64_t>(services_.options.header_timeout.count());
    if (services_.exchanges.ending.draining && drain_ms_ == 0) {
        drain();
        go_on_soon();
    } else if (drain_ms_ != 0 && !told_last_ && now_ms - drain_ms_ >= limits::kDrainFreshMs) {
        told_last_ = true;
        nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                              nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                              nullptr, 0);
        go_on_soon();
    }
    for (auto& [id, stream] : streams_) {
        const std::uint64_t still_ms = now_ms - stream.moved_ms();
        if (stream.is_asking() && still_ms >= head_ms) {
            abuse(CloseReason::header_timeout); // until it ends, nothing else can come
            return;
        }
        if (stream.is_finding()) {
            if (still_ms >= limits::kLookUpMs)
                stream.give_up_look_up("the disk is too busy, try again soon");
        } else if (!stream.answer() || stream.is_reading() || stream.is_throttled() ||
                   stream.is_following()) {
            continue;
        } else if (still_ms >= stall_ms + pause_ms) {
            cut(stream, CloseReason::pause_timeout);
        } else if (services_.options.min_rate > 0 && stream.is_too_slow(now_ms)) {
            cut(stream, CloseReason::too_slow);
        } else if (still_ms >= stall_ms) {
            stream.pause();
        }
    }
}

void Http2::for_each_answer(const Look& look) const {
    for (const auto& [id, stream] : streams_)
        if (stream.answer()) look(*stream.answer());
}

std::uint64_t Http2::listing_bytes() const {
    std::uint64_t sum = 0;
    for (const auto& [id, stream] : streams_) sum += stream.listing_bytes();
    return sum;
}

void Http2::on_deadline() {
    switch (state()) {
    case State::idle:
        if (!may_wait_for_taker()) close(CloseReason::idle_timeout);
        break;
    case State::sending: {
        const bool waits_for_us =
            std::any_of(streams_.begin(), streams_.end(), [](const auto& entry) {
                return entry.second.is_finding() || entry.second.is_reading() ||
                       entry.second.is_throttled() || entry.second.is_following();
            });
        if (waits_for_us) {
            touch();
            break;
        }
        for (auto& [id, stream] : streams_) stream.pause();
        set_state(State::paused);
        wait_for(EPOLLIN | EPOLLOUT);
        transport_.ask_again(services_.poller, *this);
        break;
    }
    case State::paused:
        // It takes what it has windows for: then the time of each stream is its own, on_tick().
        if (unsent_.empty())
            touch();
        else
            close(CloseReason::pause_timeout);
        break;
    case State::lingering:
        if (!may_wait_for_taker()) close(linger_reason());
        break;
    default: close(CloseReason::internal); break;
    }
}

// The client is told why, and given the time to hear it.
void Http2::abuse(CloseReason what, bool is_sending) {
    over_.reset();
    const bool is_protocol = what == CloseReason::h2_protocol;
    nghttp2_session_terminate_session(session_, is_protocol ? NGHTTP2_PROTOCOL_ERROR
                                                            : NGHTTP2_ENHANCE_YOUR_CALM);
    if (!is_sending) services_.http2_out.clear();
    say_last();
    over_.reset();
    enter_lingering(what);
}

// What is collected, and what the session has to say yet; as far as there is room for it.
void Http2::say_last() {
    if (!unsent_.empty()) return; // half a frame is: nothing can follow
    std::string& out = services_.http2_out;
    collect(out);
    if (!out.empty()) transport_.write(out);
}

void Http2::on_lingering() {
    end_all(CloseReason::client_aborted);
}

bool Http2::on_closing(CloseReason reason) {
    const bool cut = !streams_.empty();
    end_all(reason);
    if (session_ && state() == State::idle) {
        nghttp2_session_terminate_session(session_, NGHTTP2_NO_ERROR);
        services_.http2_out.clear();
        say_last();
    }
    return cut;
}

} // namespace fsrv::session
