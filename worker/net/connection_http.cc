// From received bytes to an answer, and on to the next request.
#include "common/check.h"
#include "common/limits.h"
#include "worker/http/forwarded.h"
#include "worker/http/proxy_header.h"
#include "worker/http/response_head.h"
#include "worker/net/connection.h"
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

// The first bytes of a file that are worth a read ahead: of the first extent, if it is large.
const http::FileExtent* first_large_extent(const http::Body& body) {
    for (const http::Segment& segment : body.segments) {
        const auto* extent = std::get_if<http::FileExtent>(&segment);
        if (extent) return extent->length > limits::kChunkBytes ? extent : nullptr;
    }
    return nullptr;
}

disk::Counted count_first(const http::FileExtent& extent) {
    const auto length = std::min<std::uint64_t>(extent.length, limits::kReadaheadBytes);
    return disk::count_cached(extent.file->fd.get(), extent.offset, length);
}

// Asks the kernel to read ahead what this answer starts with, from the pool, while the loop still
// knows nothing of it.
void warm_up(const http::Body& body, std::uint64_t now_ms) {
    const http::FileExtent* const extent = first_large_extent(body);
    if (!extent) return;
    const int fd = extent->file->fd.get();
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    const disk::Counted counted = count_first(*extent);
    if (counted == disk::Counted::all) return;
    ::posix_fadvise(fd, static_cast<off_t>(extent->offset), limits::kReadaheadBytes,
                    POSIX_FADV_WILLNEED);
    if (counted == disk::Counted::not_all) extent->file->missed_ms = now_ms;
}

// What is cached is sent as it is; for the rest the kernel is to read ahead farther.
bool is_warm(const http::Body& body) {
    const http::FileExtent* const extent = first_large_extent(body);
    if (!extent) return true;
    if (count_first(*extent) != disk::Counted::all) return false;
    ::posix_fadvise(extent->file->fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    return true;
}

// Resolve, open, fstat, plan: straight-line code, in a thread of the pool or, of what is in memory,
// on the loop. No plan: Exchange::reach says who has to be asked first.
void find_and_plan(Worker& worker, Exchange& x) {
    const content::Ask ask{.accept = x.request.field("accept").value_or(""),
                           .head = x.request.method == http::Method::head,
                           .may_list = x.may_list,
                           .cancelled = &x.cancelled};
    http::FindResult found = worker.store().find(x.target, ask, x.reach);
    if (x.reach.wants || x.reach.wants_listing || x.reach.wants_thread) return; // once more, then
    if (found && x.to_be_kept) {
        x.found = exchange::make_cached_file(
            http::cache_key(x.target), *found, worker.options().server_header, worker.plan_config(),
            worker.cache_arena(), x.reach.in_memory ? disk::read_in_memory : disk::read_whole);
    }
    x.listings_full = !found && found.error().listings_full;
    x.plan = http::plan_resource(x.request, std::move(found), worker.plan_config(), wall_now());
    if (!x.reach.in_memory)
        warm_up(x.plan->body, x.queued_ns / 1'000'000);
    else if (!is_warm(x.plan->body))
        x.plan.reset();
}

constexpr std::string_view kIll = "the disk that this is on does not answer, try again later";

// What is still to be said when a file fails an answer that has not begun.
std::optional<http::Refusal> honest_answer(CloseReason failure) {
    switch (failure) {
    case CloseReason::file_changed:
        return http::Refusal{.status = 503, .what = "the file is being changed"};
    case CloseReason::read_error:
        return http::Refusal{.status = 500, .what = "the file cannot be read"};
    case CloseReason::disk_silent: return http::Refusal{.status = 503, .what = kIll};
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
        x.target = std::move(*target);
        prepare();
    }
}

void Connection::prepare() {
    Exchange& x = *exchange_;
    x.cancelled = false;
    x.to_be_kept = worker_.worth_caching();
    x.may_list = worker_.options().io == IoMode::inline_;
    if (worker_.options().io == IoMode::inline_) {
        find_and_plan(worker_, x);
        respond_as_planned();
        return;
    }
    if (worker_.options().io == IoMode::automatic) {
        x.reach = {.in_memory = true};
        find_and_plan(worker_, x);
        if (x.plan) {
            if (x.found) worker_.keep(std::move(x.found));
            respond_as_planned();
            return;
        }
        x.found.reset();
    }
    set_state(State::preparing);
    wanted_ = 0;
    x.queued_ns = uv_hrtime();
    x.reach = worker_.reach_for(x.target);
    find_in_pool(disk::JobKind::look_up);
}

void Connection::find_in_pool(disk::JobKind kind) {
    const dev_t device = exchange_->reach.device;
    exchange_->worker = &worker_;
    exchange_->asker = this;
    switch (worker_.pool().submit(*exchange_, device, kind)) {
    case disk::Submitted::yes:
        watch(); // a client that resets is to be noticed
        return;
    case disk::Submitted::ill:
        exchange_->asker = nullptr;
        if (worker_.pool().wants_probe(device)) worker_.probe(exchange_->target, device);
        refuse_look_up(kIll);
        return;
    case disk::Submitted::full:
        exchange_->asker = nullptr;
        refuse_look_up("too many folders are being listed");
        return;
    }
}

void Exchange::run() {
    waited_us = (uv_hrtime() - queued_ns) / 1000;
    find_and_plan(*worker, *this);
}

void Exchange::on_done() {
    std::exchange(asker, nullptr)->on_planned();
}

void Exchange::on_ill() {
    asker->refuse_look_up(kIll);
}

void Exchange::on_orphaned() {
    if (found) worker->keep(std::move(found));
    worker->give_back(std::unique_ptr<Exchange>(this));
}

// There is an answer without the disk: 503. What the pool still has of the request is left to it.
void Connection::refuse_look_up(std::string_view what, bool stays) {
    http::Plan plan = http::plan_status(exchange_->request, 503, what);
    plan.close = plan.close || !stays;
    respond(std::move(plan));
    if (exchange_ && exchange_->asker) stow_what_came_early();
    go_on_soon(); // many may be refused at a time
}

void Connection::on_planned() {
    worker_.score().observe(Metric::pool_wait, exchange_->waited_us);
    if (exchange_->found) worker_.keep(std::move(exchange_->found));
    if (exchange_->reach.wants) {
        exchange_->reach.go_there();
        find_in_pool(exchange_->may_list ? disk::JobKind::listing : disk::JobKind::look_up);
    } else if (std::exchange(exchange_->reach.wants_listing, false)) {
        exchange_->may_list = true;
        find_in_pool(disk::JobKind::listing);
    } else {
        respond_as_planned();
        advance();
    }
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
