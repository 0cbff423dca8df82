// How an answer goes to an HTTP/1 client: most of those out of the cache at once, the others piece
// by piece, the head with the first.
#include "worker/session/http1.h"

#include "common/limits.h"
#include "worker/http/response_head.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>

namespace fsrv::session {
namespace {

constexpr unsigned kVectors = 16;

// Sent so fast, a client reads: while the mark holds, far less than this waits in both kernels.
constexpr std::uint64_t kSwiftBytes = 4 * 1024 * 1024;
constexpr std::uint64_t kSwiftMs = 500;

// What to answer when all is as in most requests: 200, or 304 to who has the file with this tag.
// Nothing when the request asks for more than that.
std::optional<int> plain_status(const http::Request& request, const exchange::CachedFile& file) {
    if (request.minor_version != 1 || !request.keep_alive || request.has_body()) return {};
    int status = 200;
    bool has_date = false; // which a tag overrules
    for (unsigned i = 0; i < request.field_count; ++i) {
        const auto& [name, value] = request.fields[i];
        if (name.size() == 5 && http::equal_ignoring_case(name, "range")) return {};
        if (name.size() <= 3 || !http::equal_ignoring_case(name.substr(0, 3), "if-")) continue;
        if (http::equal_ignoring_case(name, "if-modified-since")) {
            has_date = true;
        } else if (status == 200 && value == file.resource.validators->etag &&
                   http::equal_ignoring_case(name, "if-none-match")) {
            status = 304;
        } else {
            return {};
        }
    }
    if (status == 200 && has_date) return {};
    return status;
}

ssize_t lend(const SessionServices& services, wire::Transport& transport,
             const exchange::CachedFile& file) {
    if (services.joins_head(file.content.size()))
        return transport.lend(services.lender, file.head, file.content, false);
    const ssize_t n = transport.write(file.head);
    if (n != static_cast<ssize_t>(file.head.size())) return n;
    return n + std::max<ssize_t>(0, transport.lend(services.lender, {}, file.content, false));
}

iovec to_vector(std::string_view bytes) {
    return {.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
}

void advance_head(exchange::Answer& answer, std::size_t bytes) {
    answer.head_sent += bytes;
    if (answer.head_left().empty()) answer.head = {};
}

} // namespace

// The plain answer to a small file, to HEAD, or to who has the file: out of memory, with one system
// call, or two where it is lent, and no allocation. False: not this way.
bool Http1::respond_at_once(const exchange::CachedFile& file) {
    const http::Request& request = inquiry_->request;
    const std::optional<int> status = plain_status(request, file);
    if (!status || services_.exchanges.ending.draining) return false;
    const bool has_body = *status == 200 && request.method != http::Method::head;
    if (has_body && !file.in_memory()) return false;
    const bool lends = has_body && file.lendable;
    if (lends && !services_.lender.able()) return false;
    const std::string_view head = *status == 200 ? file.head : file.head_304;
    const std::size_t body_size = has_body ? file.content.size() : 0;
    const std::size_t size = head.size() + body_size;
    const SendPath path = lends ? SendPath::zero_copy : SendPath::memory;
    // What is copied follows its head in memory.
    const ssize_t n =
        lends ? lend(services_, transport_, file) : transport_.write({head.data(), size});
    if (n == static_cast<ssize_t>(size)) {
        exchange_.answered_at_once(request, client_, *status, path, body_size);
        next_request();
        return true;
    }
    exchange::Answer& answer =
        exchange_.begin(request, client_, *status, has_body ? file.resource.body : http::Body());
    answer.head = head;
    keep_alive_ = true;
    skip_body_ = false;
    client_closes_ = false;
    // An error shows again when it is sent.
    const std::size_t taken = n > 0 ? static_cast<std::size_t>(n) : 0;
    const std::size_t of_head = std::min(taken, head.size());
    advance_head(answer, of_head);
    answer.body.assume_sent(taken - of_head, path);
    begin_sending();
    return true;
}

exchange::Ways Http1::ways() const {
    return {.pages = services_.lender.able(), .tail = services_.most_queued_bytes};
}

// A turn of it.
Http1::Step Http1::send(exchange::Answer& answer) {
    std::array<iovec, kVectors> vectors;
    std::uint64_t turn = 0;
    while (turn < limits::kTurnBytes || answer.body.at_end()) {
        const exchange::Piece piece =
            answer.body.next(ways(), limits::kTurnBytes - turn, std::span(vectors).subspan(1));
        const Step step = send_piece(answer, piece, vectors, turn);
        if (step != Step::yield) return step;
    }
    return Step::yield;
}

Http1::Step Http1::send_piece(exchange::Answer& answer, const exchange::Piece& piece,
                              std::span<iovec> vectors, std::uint64_t& turn) {
    using Kind = exchange::Piece::Kind;
    using Refused = exchange::BodyReader::Refused;
    exchange::BodyReader& body = answer.body;
    const std::string_view head = answer.head_left();
    const bool joined = services_.joins_head(body.size());
    const auto refused = [&](Refused what) {
        return what == Refused::again  ? Step::yield
               : what == Refused::wait ? Step::wait_writable
                                       : Step::failed;
    };
    switch (piece.kind) {
    case Kind::wait: return Step::wait_disk;
    case Kind::failed: return Step::failed;
    case Kind::end:
        if (head.empty()) return Step::complete;
        [[fallthrough]];
    case Kind::bytes:
    case Kind::window: {
        if (piece.kind == Kind::window && !head.empty() && !joined) return send_head(answer, turn);
        vectors[0] = to_vector(head);
        const std::span<iovec> all =
            head.empty() ? vectors.subspan(1, piece.vectors) : vectors.first(piece.vectors + 1);
        const ssize_t n = transport_.write(all, piece.more_follows && (head.empty() || joined));
        if (n < 0) return refused(body.refused(piece, errno));
        const std::size_t of_head = std::min(static_cast<std::size_t>(n), head.size());
        advance_head(answer, of_head);
        body.advance(piece, static_cast<std::size_t>(n) - of_head);
        turn += static_cast<std::uint64_t>(n) * piece.weight();
        return Step::yield;
    }
    case Kind::file: {
        if (!head.empty()) return send_head(answer, turn);
        const ssize_t n = transport_.write_file(piece.fd, piece.offset, piece.length);
        if (n <= 0) return refused(body.refused(piece, n == 0 ? 0 : errno));
        body.advance(piece, static_cast<std::uint64_t>(n));
        turn += static_cast<std::uint64_t>(n);
        return Step::yield;
    }
    case Kind::pages: {
        if (!head.empty()) return send_head(answer, turn);
        const ssize_t n = transport_.lend(services_.lender, {}, piece.pages, piece.more_follows);
        if (n < 0) {
            const int error = errno;
            return services_.lender.able() ? refused(body.refused(piece, error)) : Step::yield;
        }
        body.advance(piece, static_cast<std::uint64_t>(n));
        turn += static_cast<std::uint64_t>(n);
        // To ask once more costs more than an event.
        return services_.lender.socket_was_full() ? Step::wait_writable : Step::yield;
    }
    }
    return Step::failed;
}

// By itself, before what goes to the socket without a buffer of ours.
Http1::Step Http1::send_head(exchange::Answer& answer, std::uint64_t& turn) {
    iovec vector = to_vector(answer.head_left());
    const ssize_t n =
        transport_.write(std::span(&vector, 1), services_.joins_head(answer.body.size()));
    if (n < 0) {
        switch (answer.body.refused_by_client(errno)) {
        case exchange::BodyReader::Refused::again: return Step::yield;
        case exchange::BodyReader::Refused::wait: return Step::wait_writable;
        case exchange::BodyReader::Refused::failed: return Step::failed;
        }
    }
    advance_head(answer, static_cast<std::size_t>(n));
    turn += static_cast<std::uint64_t>(n) * limits::kCopyWeight;
    return Step::yield;
}

bool Http1::send_some() {
    exchange::Answer& answer = *exchange_.answer();
    const std::uint64_t before = answer.sent();
    const Step step = send(answer);
    const std::uint64_t sent = answer.sent();
    if (sent != before) touch();
    if (before < kSwiftBytes && sent >= kSwiftBytes && now_ms() - answer.started_ms <= kSwiftMs)
        let_queue_grow();
    switch (step) {
    case Step::complete: return finish_response();
    case Step::failed: return send_failed();
    case Step::wait_writable:
        transport_.was_full();
        wait_for(EPOLLOUT);
        break;
    case Step::wait_disk:
        wait_for_nothing();
        if (!watch()) return false;
        break;
    case Step::yield: go_on_soon(); return false;
    }
    if (inquiry_ && !skip_body_ && inquiry_->is_used_up()) drop_inquiry();
    return false;
}

void Http1::on_body() {
    if (state() == State::closing) return;
    touch(); // the stall clock runs from when the client could have taken something
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

} // namespace fsrv::session
