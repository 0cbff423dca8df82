#include "worker/session/http1.h"

#include "common/check.h"
#include "common/limits.h"
#include "common/log.h"
#include "worker/http/proxy_header.h"
#include "worker/http/response_head.h"
#include "worker/session/http2.h"
#include "worker/session/play.h"
#include "worker/session/ready.h"

#include <algorithm>
#include <cerrno>
#include <sys/epoll.h>
#include <utility>

namespace fsrv::session {
namespace {

// Sent so fast, a client reads: while the mark holds, far less than this waits in both kernels.
constexpr std::uint64_t kSwiftBytes = 4 * 1024 * 1024;
constexpr std::uint64_t kSwiftMs = 500;

} // namespace

Http1::Http1(SessionServices& services, wire::Transport transport, const exchange::Client& client,
             std::uint64_t id, bool wants_proxy_header)
    : Connection(services, std::move(transport), id),
      exchange_(services.exchanges, *this),
      client_(client),
      wants_proxy_header_(wants_proxy_header) {}

void Http1::start(bool overloaded) {
    if (overloaded) {
        // A HEAD gets no body, and what is read cannot make a reset of the close.
        take_inquiry();
        const ssize_t n = transport_.read(inquiry_->room());
        if (n > 0) inquiry_->received(static_cast<std::size_t>(n));
        refuse({.status = 503, .what = "too many connections"}, CloseReason::overload);
        advance();
    } else if (wants_proxy_header_ && !client_.is_trusted) {
        refuse({.status = 400, .what = "only proxies may connect here"});
        advance();
    } else {
        read_once(); // the request has often come with the connection
        if (state() == State::accepted) wait_for(EPOLLIN);
    }
}

void Http1::refuse_clear_text() {
    refuse({.status = 400, .what = "this port speaks https: use https:// in the URL"});
    advance();
}

void Http1::for_each_answer(const Look& look) const {
    if (answer()) look(*answer());
}

void Http1::take_inquiry() {
    if (!inquiry_) inquiry_ = services_.inquiries.take();
}

void Http1::drop_inquiry() {
    services_.inquiries.give_back(std::move(inquiry_));
}

void Http1::read_once() {
    take_inquiry();
    Http1Inquiry& q = *inquiry_;
    if (q.room().empty() && q.begin > 0) q.make_room();
    FSRV_CHECK(!q.room().empty(), "the parser asked for more than its limit");
    const ssize_t n = transport_.read(q.room());
    if (n < 0 && errno == EAGAIN) {
        if (q.is_used_up() && state() != State::skipping_body) drop_inquiry();
        return;
    }
    if (n <= 0) {
        const bool between_requests = state() == State::idle || state() == State::accepted;
        close(between_requests ? CloseReason::client_closed : CloseReason::client_aborted);
        return;
    }
    q.received(static_cast<std::size_t>(n));
    taker_came();
    advance();
}

void Http1::on_event() {
    switch (state()) {
    case State::accepted:
    case State::idle:
    case State::reading_head:
    case State::skipping_body: read_once(); break;
    case State::paused:
        end_swiftness();
        set_state(State::sending);
        [[fallthrough]];
    case State::sending: advance_in_turn(); break;
    default: break; // it waits for nothing of the socket's
    }
}

void Http1::on_peer_end() {
    if (waits_for_ill_disk() || state() == State::following) close(CloseReason::client_aborted);
}

void Http1::advance() {
    for (unsigned turn = 0; turn < limits::kPipelineBatch; ++turn) {
        bool more = false;
        switch (state()) {
        case State::accepted:
        case State::idle:
        case State::reading_head:
            more = wants_proxy_header_ ? take_proxy_header() : take_head();
            break;
        case State::sending: more = send_some(); break;
        case State::skipping_body: more = skip_body(); break;
        default: break; // an event goes on from here
        }
        if (!more) return;
    }
    go_on_soon();
}

// A big download takes its turn with the others, behind what has come in: those who ask for little
// wait for one turn, not for one of each.
void Http1::advance_in_turn() {
    if (exchange_.answer()->sent() >= limits::kTurnBytes) {
        go_on_soon();
    } else {
        advance();
    }
}

// What a proxy says first. It is no request, and nothing of it is ever taken for one.
bool Http1::take_proxy_header() {
    Http1Inquiry& q = *inquiry_;
    const http::ProxyHeader header = http::parse_proxy_header(q.unparsed());
    if (header.status == http::ProxyStatus::need_more && q.end - q.begin < q.capacity) {
        wait_for_rest();
        return false;
    }
    if (header.status != http::ProxyStatus::complete) {
        refuse({.status = 400, .what = "a PROXY header has to come first"});
        return true;
    }
    wants_proxy_header_ = false;
    q.begin += header.bytes;
    if (header.has_source) {
        client_ = exchange::client_of_proxy(header, client_, services_.options);
    }
    if (!q.is_used_up()) return true;
    drop_inquiry();
    set_state(State::accepted); // nothing was asked yet
    wait_for(EPOLLIN);
    return false;
}

// Who knows that HTTP/2 is spoken here begins with it.
bool Http1::became_http2() {
    if (!Http2::begins(inquiry_->unparsed())) return false;
    std::unique_ptr<Http1Inquiry> inquiry = std::move(inquiry_);
    become<Http2>(client_).start_with(inquiry->unparsed());
    services_.inquiries.give_back(std::move(inquiry));
    return true;
}

// Of a head. One that came whole, and is answered at once, leaves the connection idle.
void Http1::wait_for_rest() {
    if (state() != State::reading_head) set_state(State::reading_head);
    wait_for(EPOLLIN);
}

bool Http1::take_head() {
    if (is_first_ && services_.options.http2) {
        if (became_http2()) return false;
        if (Http2::may_begin(inquiry_->unparsed())) {
            wait_for_rest();
            return false;
        }
    }
    is_first_ = false;
    Http1Inquiry& q = *inquiry_;
    const http::HeadResult result = q.parser.parse_head(q.unparsed(), q.request);
    switch (result.status) {
    case http::HeadStatus::need_more:
        if (q.end - q.begin == q.capacity) {
            refuse({.status = 431, .what = "the head is too large"});
            return true;
        }
        wait_for_rest();
        return false;
    case http::HeadStatus::refused: refuse(result.refusal); return true;
    case http::HeadStatus::complete: break;
    }
    q.begin += result.head_bytes;
    leave_place();
    exchange::Exchange::Outcome outcome = exchange_.ask(q, client_);
    if (outcome.ready) {
        if (respond_at_once(*outcome.ready, outcome.coded))
            return exchange_.answer() != nullptr || next_request();
        respond(exchange_.plan_for(q, *outcome.ready));
        return true;
    }
    if (outcome.plan) {
        respond(*std::move(outcome.plan));
        return true;
    }
    set_state(State::preparing);
    wait_for_nothing();
    watch(); // a client that resets is to be noticed
    return false;
}

void Http1::on_planned(http::Plan plan) {
    respond(std::move(plan));
    advance();
}

// What the pool still has of the request is left to it.
void Http1::on_unavailable(http::Plan plan) {
    respond(std::move(plan));
    if (inquiry_ && inquiry_->lookup.is_under_way()) stow_what_came_early();
    go_on_soon();
}

void Http1::on_listings_full() {
    services_.connections.free_listings(services_.listing_room);
}

std::optional<log::TlsNote> Http1::tls_note() const {
    return Connection::tls_note();
}

void Http1::respond(http::Plan plan) {
    const http::Request& request = inquiry_->request;
    // A body that is too long to skip, or that the client may hold back until it is asked for, ends
    // the connection.
    const bool body_in_the_way =
        request.has_body() &&
        (request.expects_continue || request.content_length > limits::kMaxDroppedBody);
    const bool keep_alive = request.keep_alive && !plan.close && !body_in_the_way &&
                            !services_.exchanges.ending.draining;
    exchange::Answer& answer =
        exchange_.begin(*inquiry_, client_, plan.status, std::move(plan.body));
    frame(answer, plan, keep_alive);
    skip_body_ = request.has_body();
    client_closes_ = !request.keep_alive && !request.has_body();
    if (!skip_body_ && inquiry_->is_used_up() && !keep_alive) drop_inquiry();
}

void Http1::refuse(const http::Refusal& refusal, CloseReason reason) {
    const std::string_view received = inquiry_ ? inquiry_->unparsed() : std::string_view();
    http::Plan plan = http::plan_refusal(refusal, received);
    exchange::Answer& answer =
        exchange_.begin_refusal(received, client_, plan.status, std::move(plan.body));
    answer.end_reason = reason;
    frame(answer, plan, false);
    skip_body_ = false;
    client_closes_ = false;
    drop_inquiry();
}

void Http1::frame(exchange::Answer& answer, const http::Plan& plan, bool keep_alive) {
    const unsigned minor_version = inquiry_ ? inquiry_->request.minor_version : 1;
    const bool chunked = !answer.body.has_known_size();
    FSRV_CHECK(!chunked || minor_version > 0, "HTTP/1.0 has no chunks");
    chunks_ = chunked ? std::make_unique<ChunkFraming>() : nullptr;
    answer.head.reserve(plan.fields.size() + 160);
    http::append_response_head(answer.head, plan,
                               {.minor_version = minor_version,
                                .keep_alive = keep_alive,
                                .chunked = chunked,
                                .server_header = services_.options.server_header,
                                .date = services_.exchanges.iteration.date()});
    keep_alive_ = keep_alive;
    begin_sending();
}

void Http1::begin_sending() {
    set_state(State::sending);
    wait_for_nothing();
}

// False: not this way. True without an answer(): all of it was sent.
bool Http1::respond_at_once(const exchange::CachedFile& file, const exchange::CachedCoding* coded) {
    const http::Request& request = inquiry_->request;
    const std::optional<ReadyAnswer> ready =
        ready_answer(request, file, coded, transport_.lends(), services_);
    if (!ready) return false;
    const auto& [status, head, content, path] = *ready;
    if (!exchange_.may_go_at_once(content.size())) return false;
    const ssize_t n = send_ready(*ready, transport_, services_);
    if (n == static_cast<ssize_t>(head.size() + content.size()) && transport_.flush()) {
        exchange_.answered_at_once(*inquiry_, client_, status, path, content.size());
        return true;
    }
    const http::Body& whole = coded ? coded->body : file.resource.body;
    exchange::Answer& answer =
        exchange_.begin(*inquiry_, client_, status, content.empty() ? http::Body() : whole, true);
    answer.head = head;
    keep_alive_ = true;
    skip_body_ = false;
    client_closes_ = false;
    // An error shows again when it is sent.
    const std::size_t taken = n > 0 ? static_cast<std::size_t>(n) : 0;
    const std::size_t of_head = std::min(taken, head.size());
    answer.advance_head(of_head);
    answer.body.assume_sent(taken - of_head, path);
    begin_sending();
    return true;
}

bool Http1::send_some() {
    exchange::Answer& answer = *exchange_.answer();
    const std::uint64_t before = answer.sent();
    const Played played = play(answer, transport_, services_, chunks_.get());
    const std::uint64_t sent = answer.sent();
    if (sent != before) touch();
    if (before < kSwiftBytes && sent >= kSwiftBytes && now_ms() - answer.started_ms <= kSwiftMs)
        let_queue_grow();
    switch (played) {
    case Played::complete: return finish_response();
    case Played::failed: return send_failed();
    case Played::wait_writable:
        transport_.was_full();
        wait_for(EPOLLOUT);
        break;
    case Played::wait_disk:
        wait_for_nothing();
        if (!watch()) return false;
        break;
    case Played::wait_ration:
        set_state(State::throttled);
        wait_for_nothing();
        if (!watch()) return false;
        break;
    case Played::wait_growth:
        rest();
        if (state() == State::closing) return false;
        break;
    case Played::yield: go_on_soon(); return false;
    }
    if (inquiry_ && !skip_body_ && inquiry_->is_used_up()) drop_inquiry();
    return false;
}

// What it follows has nothing new. A client that goes is not noticed by a write, so who ends its
// side is taken to have gone.
void Http1::rest() {
    stow_what_came_early();
    if (swift_) transport_.bound_queue(limits::kNotSentLowat);
    end_swiftness();
    set_state(State::following);
    wait_for_nothing();
    if (!watch()) return;
    if (transport_.peer_has_ended()) close(CloseReason::client_aborted);
}

void Http1::on_body() {
    if (state() == State::closing) return;
    if (state() == State::paused) return; // what it follows has grown: its client decides
    if (state() == State::following) set_state(State::sending);
    touch(); // the stall clock runs from when the client could have taken something
    advance_in_turn();
}

void Http1::on_ration() {
    if (state() != State::throttled) return;
    set_state(State::sending);
    advance_in_turn();
}

// Before the first byte there is still an honest answer; after it only a reset.
bool Http1::send_failed() {
    const exchange::Answer& failed = *exchange_.answer();
    const CloseReason reason = failed.body.failure();
    const std::optional<http::Refusal> refusal =
        failed.sent() == 0 ? exchange::Exchange::honest_answer(reason) : std::nullopt;
    if (!refusal) {
        close(reason);
        return false;
    }
    http::Plan plan = http::plan_refusal(*refusal, {});
    exchange::Answer& answer = exchange_.begin_again(reason, plan.status, std::move(plan.body));
    frame(answer, plan, false);
    client_closes_ = false;
    return true;
}

// Ends TCP_NOTSENT_LOWAT for this socket: with it a fast download needs an event for every 64 KiB.
// What is queued is bounded by the kernel's tcp_wmem alone then, so few may have that at a time.
void Http1::let_queue_grow() {
    if (swift_ || !services_.swift_places.take()) return;
    swift_ = true;
    transport_.bound_queue(0);
}

// Its queue is what the mark allows again.
void Http1::end_swiftness() {
    if (std::exchange(swift_, false)) services_.swift_places.give_back();
}

bool Http1::finish_response() {
    const bool failed =
        exchange::Exchange::honest_answer(exchange_.answer()->end_reason).has_value();
    const std::unique_ptr<exchange::Answer> done =
        exchange_.end(failed ? name_of(exchange_.answer()->end_reason) : "complete");
    chunks_.reset();
    if (!keep_alive_) {
        // A reset would destroy the answer on its way if the client still sends. One that announced
        // its end does not, or so little later that it has a small answer by then.
        const bool nothing_follows = client_closes_ && done->sent() <= limits::kSoonTaken &&
                                     (!inquiry_ || inquiry_->is_used_up());
        if (nothing_follows) {
            close(done->end_reason);
        } else {
            enter_lingering(failed ? CloseReason::done : done->end_reason);
        }
        return false;
    }
    if (!inquiry_ && !done->early.empty()) {
        take_inquiry();
        done->early.copy(inquiry_->buffer.get(), done->early.size());
        inquiry_->received(done->early.size());
    }
    if (skip_body_) {
        set_state(State::skipping_body);
        return true;
    }
    return next_request();
}

bool Http1::skip_body() {
    Http1Inquiry& q = *inquiry_;
    const auto result = q.parser.skip_body(q.unparsed());
    switch (result.status) {
    case http::RequestParser::BodyStatus::complete:
        q.begin += result.consumed;
        return next_request();
    case http::RequestParser::BodyStatus::refused:
        enter_lingering(CloseReason::bad_request);
        return false;
    case http::RequestParser::BodyStatus::need_more: break;
    }
    q.begin = q.end = 0;
    wait_for(EPOLLIN);
    return false;
}

bool Http1::next_request() {
    if (inquiry_ && !inquiry_->is_used_up()) {
        inquiry_->parser.reset();
        set_state(State::reading_head);
        return true;
    }
    drop_inquiry();
    if (state() == State::idle)
        touch();
    else
        set_state(State::idle);
    wait_for(EPOLLIN);
    if (services_.exchanges.ending.draining) leave(CloseReason::drained);
    return false;
}

// What came early waits in as many bytes as it has. A body that is not skipped yet costs the
// connection its next request.
void Http1::stow_what_came_early() {
    if (!inquiry_) return;
    if (skip_body_) {
        keep_alive_ = false;
    } else {
        exchange_.answer()->early = std::string(inquiry_->unparsed());
    }
    drop_inquiry();
}

void Http1::pause() {
    exchange_.answer()->body.release_buffer();
    if (exchange_.answer()->ration) exchange_.answer()->ration->rest();
    stow_what_came_early();
    // What is queued stays, and its place with it, until the client reads on.
    if (swift_) transport_.bound_queue(limits::kNotSentLowat);
    set_state(State::paused);
    wait_for(EPOLLOUT);
    // Should room have come without an event, nothing but this would help.
    transport_.ask_again(services_.poller, *this);
    log_debug("conn={} paused after {} bytes", id(), exchange_.answer()->body.sent());
}

void Http1::on_deadline() {
    switch (state()) {
    case State::accepted:
    case State::handshaking: close(CloseReason::header_timeout); break;
    case State::idle:
        if (!may_wait_for_taker()) close(CloseReason::idle_timeout);
        break;
    case State::reading_head:
        refuse({.status = 408, .what = "the request did not arrive in time"},
               CloseReason::header_timeout);
        advance();
        break;
    case State::skipping_body: enter_lingering(CloseReason::header_timeout); break;
    case State::sending: // a slow disk is not the client's fault
        if (!exchange_.answer()->body.read_under_way()) pause();
        break;
    case State::paused: close(CloseReason::pause_timeout); break;
    case State::lingering:
        if (!may_wait_for_taker()) close(linger_reason());
        break;
    case State::preparing:
        on_unavailable(exchange::Exchange::plan_unavailable(
            *inquiry_, "the disk is too busy, try again soon"));
        break;
    case State::throttled:
    case State::following:
    case State::closing: break;
    }
}

void Http1::give_way() {
    http::Plan plan =
        exchange::Exchange::plan_unavailable(*inquiry_, "the server is full, try again later");
    plan.close = true;
    on_unavailable(std::move(plan));
}

bool Http1::is_deserted() const {
    return state() == State::preparing && transport_.peer_has_ended();
}

std::uint64_t Http1::listing_bytes() const {
    return exchange_.answer() ? exchange_.answer()->body.listing_bytes() : 0;
}

// An answer has begun, and its disk does not answer: who ends its side now has given up.
bool Http1::waits_for_ill_disk() const {
    if (state() != State::sending || !exchange_.answer()->body.read_under_way()) return false;
    return services_.exchanges.bodies.pool.is_ill(exchange_.answer()->body.read_device());
}

void Http1::on_disk_ill() {
    if (state() == State::closing) return;
    if (transport_.peer_has_ended()) close(CloseReason::client_aborted);
}

void Http1::on_tick(std::uint64_t now_ms) {
    if (services_.options.min_rate == 0) return;
    if (exchange_.is_too_slow(now_ms, transport_.untaken())) close(CloseReason::too_slow);
}

void Http1::on_lingering() {
    drop_inquiry();
    exchange_.forget();
}

bool Http1::on_closing(CloseReason reason) {
    const bool cut = exchange_.answer() != nullptr;
    if (cut) exchange_.end(name_of(reason));
    drop_inquiry();
    end_swiftness();
    return cut;
}

} // namespace fsrv::session
