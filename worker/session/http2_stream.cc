#include "worker/session/http2_stream.h"

#include "common/check.h"
#include "common/limits.h"
#include "worker/http/response_head.h"
#include "worker/session/ready.h"
#include "worker/session/services.h"

#include <algorithm>
#include <utility>

namespace fsrv::session {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

} // namespace

Http2Stream::Http2Stream(SessionServices& services, Http2Streams& home, std::int32_t id)
    : services_(services),
      home_(home),
      id_(id),
      exchange_(services.exchanges, *this),
      moved_ms_(services.exchanges.iteration.now_ms()) {}

Http2Stream::~Http2Stream() {
    FSRV_CHECK(!exchange_.answer(), "an answer without its line");
    drop_inquiry();
}

// The library has seen to it that pseudo-fields come first, each once, and that what they and the
// others have is sound (RFC 9113 8.2, 8.3).
bool Http2Stream::add_field(std::string_view name, std::string_view value) {
    const auto most = static_cast<std::size_t>(services_.options.max_header_size);
    head_bytes_ += name.size() + value.size() + 32;
    if (head_bytes_ > 4 * most) return false;
    if (is_too_large_) return true; // it is refused already
    if (name == ":method") {
        pseudo_.method = value;
    } else if (name == ":path") {
        pseudo_.path = value;
    } else if (name == ":authority") {
        pseudo_.authority = value;
    } else if (!name.starts_with(':')) {
        if (!inquiry_) begin_head();
        // Two that differ are two hosts (RFC 9113 8.3.1), which is refused as in HTTP/1.
        if (name == "host" && value == pseudo_.authority) return true;
        for (const std::string_view part : {name, std::string_view(": "), value, kLineEnd})
            write(part);
    }
    return true;
}

void Http2Stream::begin_head() {
    inquiry_ = services_.inquiries.take();
    for (const std::string_view part :
         {std::string_view(pseudo_.method), std::string_view(" "), std::string_view(pseudo_.path),
          std::string_view(" HTTP/1.1\r\n")})
        write(part);
    if (pseudo_.authority.empty()) return;
    for (const std::string_view part :
         {std::string_view("host: "), std::string_view(pseudo_.authority), kLineEnd})
        write(part);
}

void Http2Stream::write(std::string_view part) {
    const std::span<char> room = inquiry_->room();
    is_too_large_ = is_too_large_ || part.size() > room.size();
    inquiry_->received(part.copy(room.data(), room.size()));
}

void Http2Stream::ask() {
    if (!inquiry_) begin_head();
    write(kLineEnd);
    is_asking_ = false;
    Http1Inquiry& q = *inquiry_;
    if (is_too_large_) {
        refuse({.status = 431, .what = "the head is too large"});
        return;
    }
    const http::HeadResult result = q.parser.parse_head(q.unparsed(), q.request);
    if (result.status != http::HeadStatus::complete) {
        refuse(result.status == http::HeadStatus::refused
                   ? result.refusal
                   : http::Refusal{.status = 400, .what = "the head is not sound"});
        return;
    }
    // The line that is logged tells what was spoken.
    std::copy_n("HTTP/2.0", 8, q.buffer.get() + pseudo_.method.size() + pseudo_.path.size() + 2);
    pseudo_ = {};
    exchange::Exchange::Outcome outcome = exchange_.ask(q, home_.client());
    if (outcome.ready) {
        if (respond_out_of_memory(*outcome.ready, outcome.coded)) return;
        outcome.plan = exchange_.plan_for(q, *outcome.ready);
    }
    if (outcome.plan) respond(*std::move(outcome.plan));
}

// False: not this way.
bool Http2Stream::respond_out_of_memory(const exchange::CachedFile& file,
                                        const exchange::CachedCoding* coded) {
    const std::optional<ReadyAnswer> ready =
        ready_answer(inquiry_->request, file, coded, false, services_);
    if (!ready) return false;
    const http::Body& whole = coded ? coded->body : file.resource.body;
    exchange_.begin(*inquiry_, home_.client(), ready->status,
                    ready->content.empty() ? http::Body() : whole);
    drop_inquiry();
    is_submitted_ = true;
    home_.submit(*this, services_.split_heads.split(ready->head));
    return true;
}

void Http2Stream::respond(http::Plan plan) {
    begin(exchange_.begin(*inquiry_, home_.client(), plan.status, std::move(plan.body)), plan);
}

void Http2Stream::refuse(const http::Refusal& refusal) {
    const std::string_view request = inquiry_->unparsed();
    http::Plan plan = http::plan_refusal(refusal, request);
    exchange::Answer& answer =
        exchange_.begin_refusal(request, home_.client(), plan.status, std::move(plan.body));
    answer.end_reason = CloseReason::done;
    begin(answer, plan);
}

void Http2Stream::begin(exchange::Answer&, const http::Plan& plan) {
    drop_inquiry();
    head_.clear();
    http::append_response_head(head_, plan,
                               {.server_header = services_.options.server_header,
                                .date = services_.exchanges.iteration.date()});
    submit_when_ready();
}

// A file that cannot be read is still an honest answer before the head was sent.
void Http2Stream::submit_when_ready() {
    if (has_body() && !load() && !is_following()) {
        if (is_reading()) return; // on_body() comes back
        const CloseReason reason = exchange_.answer()->body.failure();
        const auto refusal = exchange::Exchange::honest_answer(reason);
        if (!refusal) {
            home_.cut(*this, reason);
            return;
        }
        http::Plan plan = http::plan_refusal(*refusal, {});
        begin(exchange_.begin_again(reason, plan.status, std::move(plan.body)), plan);
        return;
    }
    is_submitted_ = true;
    http::HeadFields fields;
    http::split_head(head_, fields);
    home_.submit(*this, fields);
    head_ = {};
}

// True: there is a piece. False: it is waited for, or the body has failed.
bool Http2Stream::load() {
    if (is_loaded_) return true;
    // What is sent goes through memory of ours, into frames.
    const exchange::Ways ways{
        .file = false, .pages = false, .window = false, .read_bytes = limits::kCodedBytes};
    piece_ = exchange_.answer()->body.next(ways, limits::kChunkBytes, vectors_);
    is_loaded_ = piece_.kind == exchange::Piece::Kind::bytes ||
                 piece_.kind == exchange::Piece::Kind::end; // of a stream, which no byte announced
    return is_loaded_;
}

Http2Stream::Part Http2Stream::read(std::size_t most) {
    exchange::Ration* const ration = exchange_.answer()->ration.get();
    if (ration && !exchange_.answer()->body.at_end() && !is_following()) {
        most = static_cast<std::size_t>(std::min<std::uint64_t>(most, ration->ask()));
        if (most == 0) return {.kind = Part::Kind::wait};
    }
    if (!load())
        return {.kind = is_reading() || is_following() ? Part::Kind::wait : Part::Kind::failed};
    std::size_t there = 0;
    for (unsigned i = 0; i < piece_.vectors; ++i) there += vectors_[i].iov_len;
    part_ = std::min(there, most);
    const exchange::BodyReader& body = exchange_.answer()->body;
    const bool last = body.has_known_size() ? body.sent() + part_ == body.size()
                                            : piece_.kind == exchange::Piece::Kind::end;
    return {.bytes = part_, .last = last};
}

void Http2Stream::take(std::size_t bytes, std::string& out) {
    std::size_t left = bytes;
    for (unsigned i = 0; i < piece_.vectors && left > 0; ++i) {
        const std::size_t some = std::min(left, vectors_[i].iov_len);
        out.append(static_cast<const char*>(vectors_[i].iov_base), some);
        left -= some;
    }
    exchange_.answer()->body.advance(piece_, bytes);
    if (exchange_.answer()->ration) exchange_.answer()->ration->spent(bytes);
    part_ = 0;
    is_loaded_ = false;
    moved_ms_ = services_.exchanges.iteration.now_ms();
}

void Http2Stream::on_body() {
    moved_ms_ = services_.exchanges.iteration.now_ms();
    if (is_submitted_)
        home_.resume(*this);
    else
        submit_when_ready();
}

void Http2Stream::on_ration() {
    moved_ms_ = services_.exchanges.iteration.now_ms();
    home_.resume(*this);
}

void Http2Stream::on_listings_full() {
    services_.connections.free_listings(services_.listing_room);
}

void Http2Stream::give_up_look_up(std::string_view why) {
    respond(exchange::Exchange::plan_unavailable(*inquiry_, why));
}

void Http2Stream::pause() {
    if (!exchange_.answer() || is_reading() || is_throttled() || has_unsent_part()) return;
    exchange_.answer()->body.release_buffer();
    if (exchange_.answer()->ration) exchange_.answer()->ration->rest();
    is_loaded_ = false;
}

bool Http2Stream::is_too_slow(std::uint64_t now_ms) {
    return exchange_.answer() && exchange_.is_too_slow(now_ms, 0);
}

std::uint64_t Http2Stream::listing_bytes() const {
    return answer() ? answer()->body.listing_bytes() : 0;
}

void Http2Stream::end(std::optional<CloseReason> cut_by) {
    if (!exchange_.answer()) return;
    const CloseReason reason = cut_by.value_or(exchange_.answer()->end_reason);
    const bool failed = exchange::Exchange::honest_answer(reason).has_value();
    exchange_.end(cut_by || failed ? name_of(reason) : "complete");
}

void Http2Stream::drop_inquiry() {
    services_.inquiries.give_back(std::move(inquiry_));
}

} // namespace fsrv::session
