// From received bytes to an answer, and on to the next request.
#include "common/check.h"
#include "common/limits.h"
#include "worker/http/forwarded.h"
#include "worker/http/proxy_header.h"
#include "worker/http/response_head.h"
#include "worker/net/connection.h"
#include "worker/net/pool_thread.h"
#include "worker/net/worker.h"

#include <algorithm>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace fsrv::net {
namespace {

// Sent so fast, a client reads: while the mark holds, far less than this waits in both kernels.
constexpr std::uint64_t kSwiftBytes = 4 * 1024 * 1024;
constexpr std::uint64_t kSwiftMs = 500;

// Ends TCP_NOTSENT_LOWAT for this socket: with it a fast download needs an event for every 64 KiB.
// What is queued is bounded by the kernel's tcp_wmem alone from now on.
void let_queue_grow(int fd) {
    constexpr int kNoMark = 0;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kNoMark, sizeof kNoMark);
}

// Asks the kernel to read ahead what this answer starts with, from the pool, while the loop still
// knows nothing of it.
void warm_up(const http::Body& body, std::uint64_t now_ms) {
    for (const http::Segment& segment : body.segments) {
        const auto* extent = std::get_if<http::FileExtent>(&segment);
        if (!extent) continue;
        if (extent->length <= limits::kChunkBytes) return;
        const int fd = extent->file->fd.get();
        ::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
        const auto length = std::min<std::uint64_t>(extent->length, limits::kReadaheadBytes);
        const Counted counted = count_cached(fd, extent->offset, length);
        if (counted == Counted::all) return;
        ::posix_fadvise(fd, static_cast<off_t>(extent->offset), limits::kReadaheadBytes,
                        POSIX_FADV_WILLNEED);
        if (counted == Counted::not_all) extent->file->missed_ms = now_ms;
        return;
    }
}

// The job: resolve, open, fstat, plan. Straight-line code, in a thread of the pool. No plan: it has
// to be charged to another device first.
void find_and_plan(Worker& worker, Exchange& x) {
    const content::Ask ask{.accept = x.request.field("accept").value_or(""),
                           .head = x.request.method == http::Method::head};
    http::FindResult found = worker.store().find(x.target, ask, x.reach);
    if (x.reach.wants) return; // once more, then
    if (found && worker.caches_files()) {
        x.found = make_cached_file(x.request.origin, *found, worker.options().server_header,
                                   worker.plan_config(), worker.cache_arena());
    }
    x.listings_full = !found && found.error().listings_full;
    x.plan = http::plan_resource(x.request, std::move(found), worker.plan_config(), wall_now());
    warm_up(x.plan->body, x.queued_ns / 1'000'000);
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

Peer Connection::client_of(const http::Request& request) const {
    if (!peer_is_trusted_) return peer_;
    const in6_addr client =
        http::client_address(request, peer_.address, worker_.options().trusted_proxies);
    return same_address(client, peer_.address) ? peer_ : Peer{.address = client};
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
    return state_ != State::preparing;
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
    if (const CachedFile* file = worker_.cached(x.request.origin)) {
        answer_from(*file);
        return;
    }
    auto target = http::parse_target(x.request.origin, worker_.options().api);
    if (!target) {
        respond(http::plan_status(x.request, target.error().status, target.error().what));
    } else if (target->kind == http::Target::Kind::health) {
        respond(http::plan_health(x.request, worker_.stop_is_near()));
    } else {
        x.target = std::move(*target);
        prepare();
    }
}

void Connection::prepare() {
    Exchange& x = *exchange_;
    if (worker_.options().io == IoMode::inline_) {
        find_and_plan(worker_, x);
        respond_as_planned();
        return;
    }
    set_state(State::preparing);
    wanted_ = 0;
    x.queued_ns = uv_hrtime();
    x.reach = worker_.reach_for(x.target);
    find_when_charged();
}

void Connection::find_when_charged() {
    if (worker_.pool().take(exchange_->reach.device, *this)) find_in_pool();
}

void Connection::find_in_pool() {
    Exchange& x = *exchange_;
    x.work.data = this;
    const int error = uv_queue_work(
        &worker_.loop(), &x.work,
        [](uv_work_t* work) {
            give_way_to_loop();
            auto& self = *static_cast<Connection*>(work->data);
            self.exchange_->waited_us = (uv_hrtime() - self.exchange_->queued_ns) / 1000;
            find_and_plan(self.worker_, *self.exchange_);
        },
        [](uv_work_t* work, int) { static_cast<Connection*>(work->data)->on_planned(); });
    FSRV_CHECK(error == 0, "the pool takes no work");
    worker_.score().raise(Metric::pool_jobs);
    retain();
}

void Connection::on_pool_turn() {
    if (state_ == State::preparing) {
        find_in_pool();
        return;
    }
    transfer_->sender.take_turn();
    worker_.touched(*this); // the stall clock runs from here, as after a read
    go_on_soon(); // not at once: it may be done without the pool, and then it is the next one's
                  // turn
}

void Connection::on_planned() {
    worker_.pool().give_back(exchange_->reach.device);
    worker_.score().lower(Metric::pool_jobs);
    worker_.score().observe(Metric::pool_wait, exchange_->waited_us);
    if (exchange_->found) worker_.keep(std::move(exchange_->found));
    if (state_ != State::closing && exchange_->reach.wants) {
        exchange_->reach.go_there();
        find_when_charged();
    } else if (state_ != State::closing) {
        respond_as_planned();
        advance();
    }
    release();
}

// Whoever is refused now finds room the next time.
void Connection::respond_as_planned() {
    if (exchange_->listings_full) {
        worker_.make_room_for_listing();
    } else if (exchange_->plan->status == 503) {
        worker_.shrink_cache(); // its descriptors may be what is missing
    }
    respond(*std::exchange(exchange_->plan, std::nullopt));
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
    begin_transfer(std::move(plan), LogRecord(LogFields::of(request)), keep_alive);
    transfer_->asked = to_label(request.method);
    transfer_->client = client_of(request);
    transfer_->skip_body = request.has_body();
    transfer_->client_closes = !request.keep_alive && !request.has_body();
    if (!transfer_->skip_body && exchange_->begin == exchange_->end && !keep_alive) drop_exchange();
}

void Connection::refuse(const http::Refusal& refusal) {
    const std::string_view received = exchange_ ? exchange_->unparsed() : std::string_view();
    begin_transfer(http::plan_refusal(refusal, received),
                   LogRecord(LogFields::of_refused(received)), false);
    transfer_->end_reason = CloseReason::bad_request;
    drop_exchange();
}

void Connection::begin_transfer(http::Plan plan, LogRecord record, bool keep_alive) {
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

void Connection::adopt_transfer(std::string head, http::Body body, LogRecord record, int status) {
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

bool Connection::send_some() {
    const std::uint64_t before = transfer_->sender.bytes_sent();
    const Sender::Step step = transfer_->sender.pump(fd_);
    if (transfer_->sender.bytes_sent() != before) worker_.touched(*this);
    if (before < kSwiftBytes && transfer_->sender.bytes_sent() >= kSwiftBytes &&
        worker_.now_ms() - transfer_->started_ms <= kSwiftMs) {
        let_queue_grow(fd_);
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
        retain();
        return false;
    case Sender::Step::wait_turn: wanted_ = 0; return false;
    case Sender::Step::yield: go_on_soon(); return false;
    }
    if (exchange_ && !transfer_->skip_body && exchange_->begin == exchange_->end) drop_exchange();
    return false;
}

void Connection::on_chunk_read() {
    transfer_->sender.settle_read();
    if (state_ != State::closing) {
        worker_.touched(
            *this); // the stall clock runs from when the client could have taken something
        advance_in_turn();
    }
    release();
}

// Before the first byte there is still an honest answer; after it only a reset.
bool Connection::send_failed() {
    const CloseReason reason = transfer_->sender.failure();
    const bool can_still_answer =
        transfer_->sender.bytes_sent() == 0 &&
        (reason == CloseReason::file_changed || reason == CloseReason::read_error);
    if (!can_still_answer) {
        close(reason);
        return false;
    }
    const bool changed = reason == CloseReason::file_changed;
    http::Plan plan = http::plan_refusal(
        {.status = changed ? 503 : 500,
         .what = changed ? "the file is being changed" : "the file cannot be read"},
        {});
    LogRecord record = std::move(transfer_->record);
    const bool skip_body = transfer_->skip_body;
    const Asked asked = transfer_->asked;
    const Peer client = transfer_->client;
    begin_transfer(std::move(plan), std::move(record), false);
    transfer_->skip_body = skip_body;
    transfer_->asked = asked;
    transfer_->client = client;
    transfer_->end_reason = reason;
    return true;
}

bool Connection::finish_response() {
    const bool failed = transfer_->end_reason == CloseReason::file_changed ||
                        transfer_->end_reason == CloseReason::read_error;
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
    if (worker_.draining()) on_drain();
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
