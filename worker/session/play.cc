#include "worker/session/play.h"

#include "common/limits.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <string_view>

namespace fsrv::session {
namespace {

using exchange::BodyReader;
using exchange::Piece;

constexpr unsigned kVectors = 17;
constexpr unsigned kBefore = 2; // of them, before those of the body

Played played(BodyReader::Refused refused) {
    switch (refused) {
    case BodyReader::Refused::again: return Played::yield;
    case BodyReader::Refused::wait: return Played::wait_writable;
    case BodyReader::Refused::failed: break;
    }
    return Played::failed;
}

class Turn final {
  public:
    Turn(exchange::Answer& answer, wire::Transport& transport, const SessionServices& services,
         ChunkFraming* chunks)
        : answer_(answer),
          transport_(transport),
          services_(services),
          chunks_(chunks),
          joins_head_(services.joins_head(answer.body.size())) {}

    Played run() {
        while (spent_ < limits::kTurnBytes || answer_.body.at_end()) {
            const std::uint64_t most = rationed();
            if (most == 0) return Played::wait_ration;
            const bool lends = transport_.lends() && chunks_ == nullptr;
            const exchange::Ways ways{.file = lends,
                                      .pages = lends && services_.lender.able(),
                                      .window = lends,
                                      .tail = services_.most_queued_bytes,
                                      .read_bytes =
                                          lends ? limits::kChunkBytes : limits::kCodedBytes};
            Piece piece = answer_.body.next(ways, std::min(limits::kTurnBytes - spent_, most),
                                            std::span(vectors_).subspan(kBefore));
            if (answer_.ration) shorten(piece, most);
            const Played played = chunks_ ? send_in_chunks(piece) : send(piece);
            if (played != Played::yield) return played;
        }
        return Played::yield;
    }

  private:
    Played send(const Piece& piece) {
        const bool has_head = !answer_.head_left().empty();
        switch (piece.kind) {
        case Piece::Kind::wait: return Played::wait_disk;
        case Piece::Kind::none_yet: // has no length, so it goes in chunks
        case Piece::Kind::failed: return Played::failed;
        case Piece::Kind::end: return has_head ? send_bytes(piece) : finish();
        case Piece::Kind::bytes: return send_bytes(piece);
        case Piece::Kind::window: return has_head && !joins_head_ ? send_head() : send_bytes(piece);
        case Piece::Kind::file: return has_head ? send_head() : send_file(piece);
        case Piece::Kind::pages: return has_head ? send_head() : send_pages(piece);
        }
        return Played::failed;
    }

    Played finish() {
        if (transport_.flush()) return Played::complete;
        return played(answer_.body.refused_by_client(errno));
    }

    // With what is left of the head.
    Played send_bytes(const Piece& piece) {
        const std::string_view head = answer_.head_left();
        vectors_[kBefore - 1] = wire::to_vector(head);
        const std::span<iovec> all = std::span(vectors_).subspan(
            head.empty() ? kBefore : kBefore - 1, piece.vectors + (head.empty() ? 0 : 1));
        const ssize_t n =
            transport_.write(all, piece.more_follows && (head.empty() || joins_head_));
        if (n < 0) return played(answer_.body.refused(piece, errno));
        const std::size_t of_head = std::min(static_cast<std::size_t>(n), head.size());
        answer_.advance_head(of_head);
        return took(piece, static_cast<std::size_t>(n) - of_head);
    }

    Played send_in_chunks(const Piece& piece) {
        if (piece.kind == Piece::Kind::wait) return Played::wait_disk;
        if (piece.kind == Piece::Kind::none_yet) return rest();
        if (piece.kind != Piece::Kind::bytes && piece.kind != Piece::Kind::end)
            return Played::failed;
        if (piece.kind == Piece::Kind::end && chunks_->is_complete()) return finish();
        const std::span<iovec> offered = std::span(vectors_).subspan(kBefore, piece.vectors);
        std::size_t bytes = 0;
        for (const iovec& vector : offered) bytes += vector.iov_len;
        const std::string_view head = answer_.head_left();
        const std::string_view framing = chunks_->before(bytes);
        vectors_[0] = wire::to_vector(head);
        vectors_[1] = wire::to_vector(framing);
        cut(offered, chunks_->of_chunk(bytes));
        const ssize_t n = transport_.write(std::span(vectors_).first(kBefore + piece.vectors),
                                           piece.more_follows);
        if (n < 0) return played(answer_.body.refused(piece, errno));
        auto left = static_cast<std::size_t>(n);
        const std::size_t of_head = std::min(left, head.size());
        left -= of_head;
        const std::size_t of_framing = std::min(left, framing.size());
        left -= of_framing;
        if (of_head > 0) answer_.advance_head(of_head);
        chunks_->sent(of_framing, left);
        return took(piece, left);
    }

    // Nothing of what was told stays here.
    Played rest() {
        if (!answer_.head_left().empty()) return send_head();
        if (transport_.flush()) return Played::wait_growth;
        return played(answer_.body.refused_by_client(errno));
    }

    // Of the body; what it does not need costs nothing.
    std::uint64_t rationed() {
        constexpr std::uint64_t kAll = ~std::uint64_t{0};
        const exchange::BodyReader& body = answer_.body;
        return answer_.ration && !body.at_end() && !body.awaits_growth() ? answer_.ration->ask()
                                                                         : kAll;
    }

    void shorten(Piece& piece, std::uint64_t most) {
        const std::span<iovec> offered = std::span(vectors_).subspan(kBefore, piece.vectors);
        std::uint64_t bytes = piece.length;
        if (piece.kind == Piece::Kind::bytes)
            for (const iovec& vector : offered) bytes += vector.iov_len;
        if (bytes <= most) return;
        cut(offered, static_cast<std::size_t>(most));
        piece.length = std::min(piece.length, most);
        piece.pages = piece.pages.substr(0, static_cast<std::size_t>(most));
        piece.more_follows = false; // not for a while
    }

    static void cut(std::span<iovec> vectors, std::size_t bytes) {
        for (iovec& vector : vectors) {
            vector.iov_len = std::min(vector.iov_len, bytes);
            bytes -= vector.iov_len;
        }
    }

    // By itself, before what goes to the socket without a buffer of ours.
    Played send_head() {
        vectors_[0] = wire::to_vector(answer_.head_left());
        const ssize_t n = transport_.write(std::span(vectors_).first(1), joins_head_);
        if (n < 0) return played(answer_.body.refused_by_client(errno));
        answer_.advance_head(static_cast<std::size_t>(n));
        return Played::yield;
    }

    Played send_file(const Piece& piece) {
        const ssize_t n = transport_.write_file(piece.fd, piece.offset, piece.length);
        if (n <= 0) return played(answer_.body.refused(piece, n == 0 ? 0 : errno));
        return took(piece, static_cast<std::size_t>(n));
    }

    Played send_pages(const Piece& piece) {
        const ssize_t n = transport_.lend(services_.lender, {}, piece.pages, piece.more_follows);
        if (n < 0) {
            const int error = errno;
            if (!services_.lender.able()) return Played::yield; // to be copied, then
            return played(answer_.body.refused(piece, error));
        }
        took(piece, static_cast<std::size_t>(n));
        // To ask once more costs more than an event.
        return services_.lender.socket_was_full() ? Played::wait_writable : Played::yield;
    }

    Played took(const Piece& piece, std::size_t bytes) {
        answer_.body.advance(piece, bytes);
        if (answer_.ration) answer_.ration->spent(bytes);
        spent_ += static_cast<std::uint64_t>(bytes) * piece.weight();
        return Played::yield;
    }

    exchange::Answer& answer_;
    wire::Transport& transport_;
    const SessionServices& services_;
    ChunkFraming* const chunks_;
    const bool joins_head_;
    std::uint64_t spent_ = 0;             // of limits::kTurnBytes
    std::array<iovec, kVectors> vectors_; // the first are for the head, and what frames a chunk
};

} // namespace

Played play(exchange::Answer& answer, wire::Transport& transport, const SessionServices& services,
            ChunkFraming* chunks) {
    return Turn(answer, transport, services, chunks).run();
}

} // namespace fsrv::session
