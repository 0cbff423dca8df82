// Http2Stream: a request and its answer on an HTTP/2 connection (RFC 9113 8.1), without its
// framing. The head of the request is written down as HTTP/1 would send it, while it comes, and
// read by the same parser, so that it means the same and is refused for the same reasons; the head
// of the answer is made of the text that HTTP/1 would send. Ready answers (ready.h) need no plan.
//
// Lifetime: the connection's, until the stream is closed. Thread: the loop's.
#pragma once

#include "worker/exchange/exchange.h"
#include "worker/http/head_fields.h"
#include "worker/session/http1_inquiry.h"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace fsrv::session {

struct SessionServices;
class Http2Stream;

// The connection, as its streams see it.
class Http2Streams {
  public:
    // The head of its answer is to be sent, of which nothing is needed afterwards: then its body,
    // as read() gives it.
    virtual void submit(Http2Stream& stream, const http::HeadFields& head) = 0;
    // read() has more, after it said that it had not.
    virtual void resume(Http2Stream& stream) = 0;
    // Nothing more is sent of it; what was sent must not look whole.
    virtual void cut(Http2Stream& stream, CloseReason reason) = 0;
    virtual std::optional<log::TlsNote> tls_note() const = 0;
    virtual const exchange::Client& client() const = 0;

  protected:
    ~Http2Streams() = default;
};

class Http2Stream final : public exchange::ExchangeHome {
  public:
    Http2Stream(SessionServices& services, Http2Streams& home, std::int32_t id);
    ~Http2Stream(); // end() was called, or there was no answer

    std::int32_t id() const { return id_; }

    // Of the request's head. False: it is many times what is allowed.
    bool add_field(std::string_view name, std::string_view value);
    // The head is whole: it is answered now or later.
    void ask();
    bool is_asking() const { return is_asking_; } // it is not whole yet

    bool has_body() const { // the answer has
        const exchange::BodyReader& body = exchange_.answer()->body;
        return !body.has_known_size() || body.size() > 0;
    }

    // What can be sent of the body now, `most` bytes at most.
    struct Part {
        enum class Kind { bytes, wait, failed };
        Kind kind = Kind::bytes;
        std::size_t bytes = 0;
        bool last = false;
    };
    Part read(std::size_t most); // of its ration, if it has one
    // Those bytes go to the end of `out`.
    void take(std::size_t bytes, std::string& out);
    bool has_unsent_part() const { return part_ > 0; }

    // The look-up takes too long, or there is no room for who waits.
    void give_up_look_up(std::string_view why);
    bool is_finding() const { return inquiry_ != nullptr && !is_asking_ && !exchange_.answer(); }
    bool is_throttled() const {
        return answer() && answer()->ration && answer()->ration->is_waiting();
    }
    bool is_following() const { return answer() && answer()->body.awaits_growth(); } // no more yet
    bool is_reading() const { return answer() && answer()->body.read_under_way(); }
    // Nothing was taken for --stall-timeout: its buffer is given back.
    void pause();
    std::uint64_t moved_ms() const { return moved_ms_; } // when it began, or went on last
    bool is_too_slow(std::uint64_t now_ms);
    std::uint64_t listing_bytes() const;
    const exchange::Answer* answer() const { return exchange_.answer(); }

    // It is over; "complete", or why not, gets into the log.
    void end(std::optional<CloseReason> cut_by);

  private:
    struct Pseudo { // the fields of that name, which come before the others
        std::string method, path, authority;
    };

    // ExchangeHome
    void on_planned(http::Plan plan) override { respond(std::move(plan)); }
    void on_unavailable(http::Plan plan) override { respond(std::move(plan)); }
    void on_body() override;
    void on_body_given_up() override { on_body(); }
    void on_ration() override;
    void on_disk_ill() override {}
    void on_listings_full() override;
    std::optional<log::TlsNote> tls_note() const override { return home_.tls_note(); }

    void begin_head();
    void write(std::string_view part);
    bool respond_out_of_memory(const exchange::CachedFile& file,
                               const exchange::CachedCoding* coded);
    void respond(http::Plan plan);
    void refuse(const http::Refusal& refusal);
    void begin(exchange::Answer& answer, const http::Plan& plan);
    void submit_when_ready();
    bool load();
    void drop_inquiry();

    SessionServices& services_;
    Http2Streams& home_;
    const std::int32_t id_;
    exchange::Exchange exchange_;
    std::unique_ptr<Http1Inquiry> inquiry_; // from the first field that is no pseudo-field
    Pseudo pseudo_;
    std::size_t head_bytes_ = 0; // of the request's, as RFC 9113 6.5.2 counts
    bool is_asking_ = true;
    bool is_too_large_ = false; // the inquiry has not all of it
    std::string head_;          // of the answer, until it was submitted
    std::uint64_t moved_ms_ = 0;
    exchange::Piece piece_; // that was handed out, while is_loaded_
    std::array<iovec, 4> vectors_{};
    std::size_t part_ = 0; // of it, that read() has told of
    bool is_loaded_ = false;
    bool is_submitted_ = false;
};

} // namespace fsrv::session
