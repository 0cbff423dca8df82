// From received bytes to an answer, and on to the next request.
#include "common/check.h"
#include "common/limits.h"
#include "worker/http/response_head.h"
#include "worker/net/connection.h"
#include "worker/net/worker.h"

#include <fcntl.h>

namespace fsrv::net {
namespace {

// Asks the kernel to read ahead what this answer starts with, from the pool, while the loop still
// knows nothing of it.
void warm_up(const http::Body& body) {
    for (const http::Segment& segment : body.segments) {
        const auto* extent = std::get_if<http::FileExtent>(&segment);
        if (!extent) continue;
        if (extent->length <= limits::kChunkBytes) return;
        const int fd = extent->file->fd.get();
        ::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
        ::posix_fadvise(fd, static_cast<off_t>(extent->offset), limits::kReadaheadBytes,
                        POSIX_FADV_WILLNEED);
        return;
    }
}

http::Plan find_and_plan(const Worker& worker, const Exchange& x) {
    http::Plan plan = http::plan_resource(
        x.request, worker.store().find(x.target, x.request.field("accept").value_or("")),
        worker.plan_config(), wall_now());
    warm_up(plan.body);
    return plan;
}

} // namespace

bool Connection::take_head() {
    Exchange& x = *exchange_;
    const http::HeadResult result = x.parser.parse_head(x.unparsed(), x.request);
    switch (result.status) {
    case http::HeadStatus::need_more:
        if (x.end - x.begin == x.capacity) {
            refuse({.status = 431, .what = "the head is too large"});
            return true;
        }
        poll_for(UV_READABLE);
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
    worker_.count_request(x.request.target);
    if (x.request.method == http::Method::options) {
        respond(http::plan_options());
        return;
    }
    if (x.request.method == http::Method::other) {
        respond(http::plan_status(x.request, 405, "this server offers GET, HEAD and OPTIONS"));
        return;
    }
    auto target = http::parse_target(x.request.origin);
    if (!target) {
        respond(http::plan_status(x.request, target.error().status, target.error().what));
    } else if (target->kind == http::Target::Kind::health) {
        respond(http::plan_health(x.request, worker_.draining()));
    } else {
        x.target = std::move(*target);
        prepare();
    }
}

// Resolve, open, fstat, plan: one job of straight-line code in the pool.
void Connection::prepare() {
    Exchange& x = *exchange_;
    if (worker_.options().io == IoMode::inline_) {
        respond(find_and_plan(worker_, x));
        return;
    }
    set_state(State::preparing);
    wanted_ = 0;
    x.work.data = this;
    const int error = uv_queue_work(
        &worker_.loop(), &x.work,
        [](uv_work_t* work) {
            auto& self = *static_cast<Connection*>(work->data);
            self.exchange_->plan = find_and_plan(self.worker_, *self.exchange_);
        },
        [](uv_work_t* work, int) { static_cast<Connection*>(work->data)->on_planned(); });
    FSRV_CHECK(error == 0, "the pool takes no work");
    retain();
}

void Connection::on_planned() {
    if (state_ != State::closing) {
        respond(*std::exchange(exchange_->plan, std::nullopt));
        advance();
    }
    release();
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
    begin_transfer(std::move(plan), LogRecord::of(request), keep_alive);
    transfer_->skip_body = request.has_body();
    transfer_->client_closes = !request.keep_alive && !request.has_body();
    if (!transfer_->skip_body && exchange_->begin == exchange_->end && !keep_alive) drop_exchange();
}

void Connection::refuse(const http::Refusal& refusal) {
    http::Plan plan = http::plan_refusal(refusal);
    begin_transfer(std::move(plan),
                   LogRecord::of_refused(exchange_ ? exchange_->unparsed() : std::string_view()),
                   false);
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
    transfer_ = std::make_unique<Transfer>(worker_.sender_context(), *this, std::move(head),
                                           std::move(plan.body));
    transfer_->record = std::move(record);
    transfer_->record.status = plan.status;
    transfer_->record.started = wall_now();
    transfer_->record.started_ms = worker_.now_ms();
    transfer_->keep_alive = keep_alive;
    set_state(State::sending);
    wanted_ = 0;
}

bool Connection::send_some() {
    const std::uint64_t before = transfer_->sender.bytes_sent();
    const std::uint64_t body_before = transfer_->sender.body_bytes_sent();
    const Sender::Step step = transfer_->sender.pump(fd_);
    if (transfer_->sender.bytes_sent() != before) worker_.touched(*this);
    worker_.count_bytes(transfer_->sender.body_bytes_sent() - body_before);
    switch (step) {
    case Sender::Step::complete: return finish_response();
    case Sender::Step::failed: return send_failed();
    case Sender::Step::wait_writable: poll_for(UV_WRITABLE); break;
    case Sender::Step::wait_disk:
        wanted_ = 0;
        retain();
        return false;
    case Sender::Step::yield:
        worker_.continue_soon(*this);
        retain();
        return false;
    }
    if (exchange_ && !transfer_->skip_body && exchange_->begin == exchange_->end) drop_exchange();
    return false;
}

void Connection::on_chunk_read() {
    transfer_->sender.settle_read();
    if (state_ != State::closing) {
        worker_.touched(
            *this); // the stall clock runs from when the client could have taken something
        advance();
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
         .what = changed ? "the file is being changed" : "the file cannot be read"});
    LogRecord record = std::move(transfer_->record);
    const bool skip_body = transfer_->skip_body;
    begin_transfer(std::move(plan), std::move(record), false);
    transfer_->skip_body = skip_body;
    transfer_->end_reason = reason;
    return true;
}

bool Connection::finish_response() {
    const bool failed = transfer_->end_reason == CloseReason::file_changed ||
                        transfer_->end_reason == CloseReason::read_error;
    log_answer(failed ? name_of(transfer_->end_reason) : "complete");
    const std::unique_ptr<Transfer> done = std::move(transfer_);
    if (!done->keep_alive) {
        // A reset would destroy the answer on its way if the client still sends; one that announced
        // its end does not.
        const bool nothing_follows =
            done->client_closes && (!exchange_ || exchange_->begin == exchange_->end);
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
        exchange_->end = done->leftover.size();
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
    poll_for(UV_READABLE);
    return false;
}

bool Connection::next_request() {
    if (exchange_) exchange_->parser.reset();
    if (exchange_ && exchange_->begin < exchange_->end) {
        set_state(State::reading_head);
        return true;
    }
    drop_exchange();
    set_state(State::idle);
    poll_for(UV_READABLE);
    if (worker_.draining()) on_drain();
    return false;
}

void Connection::log_answer(std::string_view end) {
    if (!worker_.logs_access()) return;
    std::string& line = worker_.scratch_line();
    line.clear();
    append_log_line(line, worker_.options().log_format, transfer_->record,
                    {.peer = peer_,
                     .body_bytes = transfer_->sender.body_bytes_sent(),
                     .now_ms = worker_.now_ms(),
                     .end = end});
    worker_.log_line(line);
}

} // namespace fsrv::net
