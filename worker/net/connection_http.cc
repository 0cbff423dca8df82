// From received bytes to an answer, and on to the next request.
#include "common/check.h"
#include "common/limits.h"
#include "worker/http/forwarded.h"
#include "worker/http/proxy_header.h"
#include "worker/http/response_head.h"
#include "worker/net/connection.h"
#include "worker/net/worker.h"

#include <algorithm>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace fsrv::net {
namespace {

// Sent so fast, a client reads: while the mark holds, far less than this waits in both kernels.
constexpr std::uint64_t kSwiftBytes = 4 * 1024 * 1024;
constexpr std::uint64_t kSwiftMs = 500;

// What is still to be said when a file fails an answer that has not begun.
std::optional<http::Refusal> honest_answer(CloseReason failure) {
    switch (failure) {
    case CloseReason::file_changed:
        return http::Refusal{.status = 503, .what = "the file is being changed"};
    case CloseReason::read_error:
        return http::Refusal{.status = 500, .what = "the file cannot be read"};
    case CloseReason::disk_silent:
        return http::Refusal{.status = 503, .what = exchange::kDiskIsIll};
    default: return std::nullopt;
    }
}

} // namespace

Asked to_label(http::Method method) {
    switch (method) {
    case http::Method::get: return Asked::get;
    case http::Method::head: return Asked::head;
    case http::Method::options: return Asked::options;
    case http::Method::other: return Asked::other;
    }
    return Asked::none;
}

// What a proxy says first. It is no request, and nothing of it is ever taken for one.
bool Connection::take_proxy_header() {
    Exchange& x = *exchange_;
    const http::ProxyHeader header = http::parse_proxy_header(x.unparsed());
    if (header.status == http::ProxyStatus::need_more && x.end - x.begin < x.capacity) {
        wait_for(EPOLLIN);
        return false;
    }
    if (header.status != http::ProxyStatus::complete) {
        refuse({.status = 400, .what = "a PROXY header has to come first"});
        return true;
    }
    wants_proxy_header_ = false;
    x.begin += header.bytes;
    if (header.has_source) {
        peer_ = {.address = header.source, .port = header.port};
        peer_is_trusted_ = any_holds(worker_.options().trusted_proxies, peer_.address);
    }
    if (x.begin < x.end) return true;
    drop_exchange();
    set_state(State::accepted); // nothing was asked yet
    wait_for(EPOLLIN);
    return false;
}

log::Peer Connection::client_of(const http::Request& request) const {
    if (!peer_is_trusted_) return peer_;
    const in6_addr client =
        http::client_address(request, peer_.address, worker_.options().trusted_proxies);
    return same_address(client, peer_.address) ? peer_ : log::Peer{.address = client};
}

bool Connection::take_head() {
    Exchange& x = *exchange_;
    const http::HeadResult result = x.parser.parse_head(x.unparsed(), x.request);
    switch (result.status) {
    case http::HeadStatus::need_more:
        if (x.end - x.begin == x.capacity) {
            refuse({.status = 431, .what = "the head is too large"});
            return true;
        }
        wait_for(EPOLLIN);
        return false;
    case http::HeadStatus::refused: refuse(result.refusal); return true;
    case http::HeadStatus::complete: break;
    }
    x.begin += result.head_bytes;
    dispatch();
    return state() != State::preparing;
}

void Connection::dispatch() {
    Exchange& x = *exchange_;
    worker_.score().set_last_request(x.request.target);
    if (checks_name_ && !worker_.has_name(x.request.host)) {
        respond(http::plan_status(x.request, 421,
                                  "on a loopback address this server does not answer to that name: "
                                  "see --server-name"));
        return;
    }
    if (x.request.method == http::Method::options) {
        respond(http::plan_options());
        return;
    }
    if (x.request.method == http::Method::other) {
        respond(http::plan_status(x.request, 405, "this server offers GET, HEAD and OPTIONS"));
        return;
    }
    const bool api = worker_.options().api;
    const auto plain_key = http::plain_cache_key(x.request.origin, api);
    const exchange::CachedFile* kept = plain_key ? worker_.cached(*plain_key) : nullptr;
    if (kept) {
        answer_from(*kept);
        return;
    }
    auto target = http::parse_target(x.request.origin, api);
    if (!target) {
        respond(http::plan_status(x.request, target.error().status, target.error().what));
    } else if (target->kind == http::Target::Kind::health) {
        respond(http::plan_health(x.request, worker_.stop_is_near()));
    } else if (!plain_key && (kept = worker_.cached(http::cache_key(*target)))) {
        answer_from(*kept);
    } else {
        prepare(*std::move(target));
    }
}

void Connection::prepare(http::Target target) {
    exchange_->worker = &worker_;
    exchange_->asker = this;
    if (exchange_->lookup.begin(worker_.lookup_services(), std::move(target))) {
        respond_as_planned();
    } else if (exchange_ && exchange_->lookup.is_under_way()) {
        set_state(State::preparing);
        wanted_ = 0;
        watch(); // a client that resets is to be noticed
    }
}

void Exchange::on_planned() {
    asker->on_planned();
}

void Exchange::on_unavailable(std::string_view why) {
    asker->refuse_look_up(why);
}

void Exchange::on_orphaned() {
    if (auto found = lookup.take_found()) worker->keep(std::move(found));
    worker->give_back(std::unique_ptr<Exchange>(this));
}

// There is an answer without the disk: 503. What the pool still has of the request is left to it.
void Connection::refuse_look_up(std::string_view what, bool stays) {
    http::Plan plan = http::plan_status(exchange_->request, 503, what);
    plan.close = plan.close || !stays;
    respond(std::move(plan));
    if (exchange_ && exchange_->lookup.is_under_way()) stow_what_came_early();
    go_on_soon(); // many may be refused at a time
}

void Connection::on_planned() {
    worker_.score().observe(Metric::pool_wait, exchange_->lookup.waited_us());
    respond_as_planned();
    advance();
}

// Whoever is refused now finds room the next time.
void Connection::respond_as_planned() {
    exchange::Lookup& lookup = exchange_->lookup;
    if (auto found = lookup.take_found()) worker_.keep(std::move(found));
    if (lookup.listings_full()) {
        worker_.make_room_for_listing();
    } else if (lookup.plan->status == 503) {
        worker_.shrink_cache(); // its descriptors may be what is missing
    }
    respond(*std::exchange(lookup.plan, std::nullopt));
}

void Connection::respond(http::Plan plan) {
    const http::Request& request = exchange_->request;
    // A body that is too long to skip, or that the client may hold back until it is asked for, ends
    // the connection.
    const bool body_in_the_way =
        request.has_body() &&
        (request.expects_continue || request.content_length > limits::kMaxDroppedBody);
    const bool keep_alive =
        request.keep_alive && !plan.close && !body_in_the_way && !worker_.draining();
    begin_transfer(std::move(plan), log::LogRecord(log::LogFields::of(request)), keep_alive);
    transfer_->asked = to_label(request.method);
    transfer_->client = client_of(request);
    transfer_->skip_body = request.has_body();
    transfer_->client_closes = !request.keep_alive && !request.has_body();
    if (!transfer_->skip_body && exchange_->begin == exchange_->end && !keep_alive) drop_exchange();
}

void Connection::refuse(const http::Refusal& refusal) {
    const std::string_view received = exchange_ ? exchange_->unparsed() : std::string_view();
    begin_transfer(http::plan_refusal(refusal, received),
                   log::LogRecord(log::LogFields::of_refused(received)), false);
    transfer_->end_reason = CloseReason::bad_request;
    drop_exchange();
}

void Connection::begin_transfer(http::Plan plan, log::LogRecord record, bool keep_alive) {
    std::string head;
    head.reserve(plan.fields.size() + 160);
    http::append_response_head(head, plan,
                               {.minor_version = exchange_ ? exchange_->request.minor_version : 1,
                                .keep_alive = keep_alive,
                                .server_header = worker_.options().server_header,
                                .date = worker_.date()});
    adopt_transfer(std::move(head), std::move(plan.body), std::move(record), plan.status);
    transfer_->keep_alive = keep_alive;
}

void Connection::adopt_transfer(std::string head, http::Body body, log::LogRecord record,
                                int status) {
    transfer_ = std::make_unique<Transfer>(worker_.sender_context(), *this, std::move(head),
                                           std::move(body));
    transfer_->record = std::move(record);
    transfer_->client = peer_;
    transfer_->status = status;
    transfer_->started = wall_now();
    transfer_->started_ms = worker_.now_ms();
    set_state(State::sending);
    wanted_ = 0;
}

// Ends TCP_NOTSENT_LOWAT for this socket: with it a fast download needs an event for every 64 KiB.
// What is queued is bounded by the kernel's tcp_wmem alone then, so few may have that at a time.
void Connection::let_queue_grow() {
    if (swift_ || !worker_.take_swift_place()) return;
    swift_ = true;
    set_queue_mark(0);
}

void Connection::set_queue_mark(int bytes) {
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes);
}

// Its queue is what the mark allows again.
void Connection::end_swiftness() {
    if (std::exchange(swift_, false)) worker_.give_back_swift_place();
}

bool Connection::send_some() {
    const std::uint64_t before = transfer_->sender.bytes_sent();
    const Sender::Step step = transfer_->sender.pump(fd_);
    if (transfer_->sender.bytes_sent() != before) worker_.touched(*this);
    if (before < kSwiftBytes && transfer_->sender.bytes_sent() >= kSwiftBytes &&
        worker_.now_ms() - transfer_->started_ms <= kSwiftMs) {
        let_queue_grow();
    }
    switch (step) {
    case Sender::Step::complete: return finish_response();
    case Sender::Step::failed: return send_failed();
    case Sender::Step::wait_writable:
        ready_ &= ~std::uint32_t{EPOLLOUT};
        wait_for(EPOLLOUT);
        break;
    case Sender::Step::wait_disk:
        wanted_ = 0;
        if (!watch()) return false;
        break;
    case Sender::Step::yield: go_on_soon(); return false;
    }
    if (exchange_ && !transfer_->skip_body && exchange_->begin == exchange_->end) drop_exchange();
    return false;
}

void Connection::on_chunk_read() {
    transfer_->sender.settle_read();
    if (state() == State::closing) return;
    worker_.touched(*this); // the stall clock runs from when the client could have taken something
    advance_in_turn();
}

// An answer that has begun is not lost before its client loses patience.
void Connection::on_disk_ill() {
    if (state() == State::closing) return;
    if (transfer_->sender.bytes_sent() == 0) {
        transfer_->sender.give_up_read(CloseReason::disk_silent);
        go_on_soon();
    } else if ((ready_ & EPOLLRDHUP) != 0) {
        close(CloseReason::client_aborted);
    }
}

// Before the first byte there is still an honest answer; after it only a reset.
bool Connection::send_failed() {
    const CloseReason reason = transfer_->sender.failure();
    const std::optional<http::Refusal> answer =
        transfer_->sender.bytes_sent() == 0 ? honest_answer(reason) : std::nullopt;
    if (!answer) {
        close(reason);
        return false;
    }
    http::Plan plan = http::plan_refusal(*answer, {});
    log::LogRecord record = std::move(transfer_->record);
    const bool skip_body = transfer_->skip_body;
    const Asked asked = transfer_->asked;
    const log::Peer client = transfer_->client;
    begin_transfer(std::move(plan), std::move(record), false);
    transfer_->skip_body = skip_body;
    transfer_->asked = asked;
    transfer_->client = client;
    transfer_->end_reason = reason;
    return true;
}

bool Connection::finish_response() {
    const bool failed = honest_answer(transfer_->end_reason).has_value();
    log_answer(failed ? name_of(transfer_->end_reason) : "complete");
    const std::unique_ptr<Transfer> done = std::move(transfer_);
    if (!done->keep_alive) {
        // A reset would destroy the answer on its way if the client still sends. One that announced
        // its end does not, or so little later that it has a small answer by then.
        const bool nothing_follows = done->client_closes &&
                                     done->sender.bytes_sent() <= limits::kSoonTaken &&
                                     (!exchange_ || exchange_->begin == exchange_->end);
        if (nothing_follows) {
            close(done->end_reason);
        } else {
            enter_lingering(failed ? CloseReason::done : done->end_reason);
        }
        return false;
    }
    if (!exchange_ && !done->leftover.empty()) {
        exchange_ = worker_.take_exchange();
        done->leftover.copy(exchange_->buffer.get(), done->leftover.size());
        exchange_->received(done->leftover.size());
    }
    if (done->skip_body) {
        set_state(State::skipping_body);
        return true;
    }
    return next_request();
}

bool Connection::skip_body() {
    Exchange& x = *exchange_;
    const auto result = x.parser.skip_body(x.unparsed());
    switch (result.status) {
    case http::RequestParser::BodyStatus::complete:
        x.begin += result.consumed;
        return next_request();
    case http::RequestParser::BodyStatus::refused:
        enter_lingering(CloseReason::bad_request);
        return false;
    case http::RequestParser::BodyStatus::need_more: break;
    }
    x.begin = x.end = 0;
    wait_for(EPOLLIN);
    return false;
}

bool Connection::next_request() {
    if (exchange_ && exchange_->begin < exchange_->end) {
        exchange_->parser.reset();
        set_state(State::reading_head);
        return true;
    }
    drop_exchange();
    set_state(State::idle);
    wait_for(EPOLLIN);
    if (worker_.draining()) leave(CloseReason::drained);
    return false;
}

void Connection::log_answer(std::string_view end) {
    worker_.count_answer(transfer_->asked, transfer_->status, transfer_->started_ms);
    if (!worker_.logs_access()) return;
    worker_.log_line(transfer_->record.fields(), {.peer = transfer_->client,
                                                  .status = transfer_->status,
                                                  .started = transfer_->started,
                                                  .started_ms = transfer_->started_ms,
                                                  .body_bytes = transfer_->sender.body_bytes_sent(),
                                                  .now_ms = worker_.now_ms(),
                                                  .end = end});
}

} // namespace fsrv::net
