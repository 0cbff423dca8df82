// Exchange: one request and its answer, from when the request's head is complete to when the answer
// is over. It is what is logged, counted and shown. Knows no sockets and no version of HTTP: the
// session that has it frames the answer and sends its body.
//
//   asked ─► finding ─► answering ─► done      ask() skips finding what is in memory, or ready
//
// The request lies in an Inquiry, which is given back as soon as nothing of it is needed any more;
// a look-up under way keeps it, whatever becomes of the exchange. Thread: the loop's.
#pragma once

#include "common/close_reason.h"
#include "common/metrics.h"
#include "worker/exchange/admission.h"
#include "worker/exchange/body_reader.h"
#include "worker/exchange/client_limits.h"
#include "worker/exchange/followers.h"
#include "worker/exchange/iteration.h"
#include "worker/exchange/lookup.h"
#include "worker/exchange/name_check.h"
#include "worker/http/parser.h"
#include "worker/http/plan.h"
#include "worker/http/proxy_header.h"
#include "worker/log/access_log.h"
#include "worker/log/log_writer.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace fsrv::exchange {

// How far the worker has come with ending; it alone writes the first two.
struct Ending {
    bool draining = false;
    bool retiring = false;                 // draining, because others have taken over
    const SharedWord* announced = nullptr; // not 0: it is soon to begin; the supervisor's

    bool of_server() const { return draining && !retiring; }
    bool is_near() const { // for /-/health
        return of_server() ||
               (announced != nullptr && announced->load(std::memory_order_acquire) != 0);
    }
};

// What all exchanges of a worker share.
struct ExchangeServices {
    const Options& options;
    const Iteration& iteration;
    const Ending& ending;
    NameCheck& names;
    FileCache& cache;
    LookupServices lookups;
    Gate* gate = nullptr;                    // none: no rules, everybody may have everything
    std::uint64_t generation = 0;            // this worker's
    const SharedWord* rules_since = nullptr; // the first one with the rules of now

    bool has_old_rules() const {
        return rules_since && rules_since->load(std::memory_order_acquire) > generation;
    }
    BodyServices bodies;
    ScoreSlot& score;
    log::LogLines log_lines;
    log::LogWriter* log = nullptr;         // none: --access-log off
    ClientLimits* client_limits = nullptr; // none: nobody is limited
    Followers* followers = nullptr;        // none: no file is followed
    std::uint64_t next_answer_id = 1;
};

// Whom a request comes from, and what the server makes of that.
struct Client {
    log::Peer peer;          // of the connection
    bool is_trusted = false; // its word on where a client is counts
    bool is_checked = false; // its browser may have been led here: Host has to be a name of ours
    std::uint16_t redirects_to = 0; // it is only to be sent to https at this port; 0: no
    // The names of its certificate, if it has one.
    std::shared_ptr<const std::vector<std::string>> certificate;
};
// Who connects, and who it says that it is in a PROXY header that has a source.
Client client_of(const log::Peer& peer, const ExchangeServices& services);
Client client_of_proxy(const http::ProxyHeader& header, const Client& proxy,
                       const Options& options);

class Exchange;

// What a request needs until its answer is planned: the request, with what its views point into,
// and its look-up. Kept for reuse by whoever made it. Comes back there by itself if its look-up was
// under way when it was dropped.
class Inquiry : public LookupHome, public AdmissionHome {
  public:
    Inquiry() = default;
    Inquiry(const Inquiry&) = delete;
    Inquiry& operator=(const Inquiry&) = delete;
    virtual ~Inquiry() = default;

    http::Request request;
    Lookup lookup{*this, request};
    std::unique_ptr<Admission> admission; // of `request`, where there are rules

  protected:
    // The look-up is over, and nobody waits for it: all of this is free again.
    virtual void come_back() = 0;

  private:
    friend class Exchange;
    void on_planned() final;
    void on_unavailable(std::string_view why) final;
    void on_orphaned() final;
    void on_admitted() final;

    ExchangeServices* services_ = nullptr;
    Exchange* asker_ = nullptr;          // while it waits
    bool begins_ = false;                // the look-up does
    bool by_proxy_ = false;              // whose word on how its client asked counts
    std::optional<http::Target> target_; // while who asks is being found out
};

// What an answer needs while it is sent.
struct Answer {
    Answer(const BodyServices& services, disk::FileReader& reader, http::Body its_body)
        : body(services, reader, std::move(its_body)) {}

    BodyReader body;
    std::uint64_t id = 0; // of this worker's answers
    log::LogRecord record;
    int status = 0;
    Asked asked = Asked::none;
    log::Peer client;             // who asked: the peer, or whom it speaks for
    FileTime started;             // wall clock, when the head was complete
    std::uint64_t started_ms = 0; // the iteration's
    CloseReason end_reason = CloseReason::done;
    std::uint64_t window_start_ms = 0; // for --min-rate
    std::uint64_t window_bytes = 0;
    // The session's: what goes before the body and is sent with it, and what its client sent while
    // there was no Inquiry.
    std::string head; // empty when all of it was sent
    std::size_t head_sent = 0;
    std::string early;
    // What of the body may be sent now; none: all of it. Gone before what it is of.
    std::unique_ptr<Ration> ration;
    std::unique_ptr<Follower> follower; // of a file that is followed. Gone likewise

    std::string_view head_left() const {
        return head.empty() ? std::string_view() : std::string_view(head).substr(head_sent);
    }
    void advance_head(std::size_t bytes) {
        head_sent += bytes;
        if (head_left().empty()) head = {};
    }
    std::uint64_t sent() const { return head_sent + body.sent(); } // of head and body
};

// The session that an exchange belongs to.
class ExchangeHome {
  public:
    // After ask() said Asked::finding: there is a plan.
    virtual void on_planned(http::Plan plan) = 0;
    // Likewise, without the disk, which may happen to many at a time. The look-up may go on: the
    // Inquiry is to be dropped.
    virtual void on_unavailable(http::Plan plan) = 0;
    // A read of the body is over, or given up, or what it follows may have grown: the body's next()
    // tells more.
    virtual void on_body() = 0;
    virtual void on_body_given_up() = 0;
    // The answer's ration has something again, after it had not.
    virtual void on_ration() = 0;
    // The disk of a body that has begun does not answer. It is waited for.
    virtual void on_disk_ill() = 0;
    // What the client's TLS is, for the log; none: it is clear.
    virtual std::optional<log::TlsNote> tls_note() const = 0;
    // Listings that wait for their clients leave no room for one more.
    virtual void on_listings_full() = 0;

  protected:
    ~ExchangeHome() = default;
};

class Exchange final : public disk::FileReader, public FollowerHome {
  public:
    Exchange(ExchangeServices& services, ExchangeHome& home) : services_(services), home_(home) {}
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;

    // What becomes of a request: a file out of the cache, to be answered by the session at once, as
    // it is or coded, or by plan_for(); or a plan; or neither yet, and ExchangeHome hears of it.
    struct Outcome {
        const CachedFile* ready = nullptr;
        const CachedCoding* coded = nullptr; // of `ready`, if the request wants it
        std::optional<http::Plan> plan;
    };
    // Of the complete request in `inquiry`, which stays until drop() or the end of its look-up.
    Outcome ask(Inquiry& inquiry, const Client& client);
    http::Plan plan_for(const Inquiry& inquiry, const CachedFile& file) const;
    // While finding: who waits is told so, as after ExchangeHome::on_unavailable().
    static http::Plan plan_unavailable(const Inquiry& inquiry, std::string_view what);

    // Of a ready answer: so much may go at once, and is paid for.
    bool may_go_at_once(std::uint64_t body_bytes);

    // The answer begins. Of a request, or of bytes that are none. `is_paid`: by may_go_at_once().
    Answer& begin(const Inquiry& inquiry, const Client& client, int status, http::Body body,
                  bool is_paid = false);
    Answer& begin_refusal(std::string_view received, const Client& client, int status,
                          http::Body body);
    // A file failed the answer, of which nothing was sent: what is still to be said. Nothing: only
    // a reset.
    static std::optional<http::Refusal> honest_answer(CloseReason failure);
    // That answer instead, which tells why in the log.
    Answer& begin_again(CloseReason failure, int status, http::Body body);
    // One that was sent with one call.
    void answered_at_once(const Inquiry& inquiry, const Client& client, int status, SendPath path,
                          std::uint64_t body_bytes);

    Answer* answer() { return answer_.get(); } // none: there is nothing to send
    const Answer* answer() const { return answer_.get(); }
    // It is over, and gets its line: "complete", or why not. The answer is the caller's.
    std::unique_ptr<Answer> end(std::string_view how);
    void forget(); // its memory, at once
    // --min-rate, of what the client has taken: all that was sent but `untaken` bytes.
    bool is_too_slow(std::uint64_t now_ms, std::uint64_t untaken);

  private:
    friend class Inquiry;
    // Of a request of a client that is limited.
    struct Limited final : RationHome {
        Limited(Exchange& its_exchange, const Payer& its_payer)
            : exchange(its_exchange), payer(its_payer) {}
        void on_ration() override;
        Exchange& exchange;
        Payer payer;
        ClientTable::Place place; // until it is answered
    };

    void on_chunk_read() override;
    void on_disk_ill() override;
    void on_growth() override;
    Outcome ask_by_rules(Inquiry& inquiry, const Client& client);
    Outcome admitted(Inquiry& inquiry, http::Target target);
    void take_ration();
    void set_rate(const access::Rule& rule);
    std::optional<http::Plan> admit(const http::Request& request, const in6_addr& address,
                                    std::string_view user = {});
    Outcome find(Inquiry& inquiry, http::Target target);
    http::Plan take_plan(Inquiry& inquiry);
    bool may_follow() const { return services_.followers && services_.followers->has_room(); }
    std::string_view scheme_of(const Inquiry& inquiry) const;
    // What is kept for a request; no file: it has to be found.
    struct Kept {
        const CachedFile* file = nullptr;
        const CachedCoding* coded = nullptr;
    };
    Kept kept_for(const http::Request& request, std::string_view key);
    Kept coded_for(const http::Request& request, CachedFile& file) const;
    CachedFile* cached(std::string_view key);
    void make_answer(int status, http::Body body, log::LogRecord record);
    log::Peer client_of(const http::Request& request, const Client& client) const;
    Asking asking(const http::Request& request, const Client& client) const;
    void count(Asked asked, int status, std::uint64_t started_ms) const;

    ExchangeServices& services_;
    ExchangeHome& home_;
    std::unique_ptr<Limited> limited_; // none: of this request nothing is
    std::unique_ptr<Answer> answer_;
};

Asked to_label(http::Method method);

} // namespace fsrv::exchange
