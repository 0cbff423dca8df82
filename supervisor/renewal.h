// Certificates that are renewed while the server runs. Every limits::kTlsLookMs an errand looks at
// the files (a name may hang); a good change of them starts a generation as a reload does, with all
// else as it is; a bad one is looked at twice, since files are written one after the other, then
// logged once and counted, and changes nothing. A look that fails says nothing of the files.
//
// Also what else TLS needs now and then: new ticket keys, a word when a certificate is about to
// expire, and its place in the figures.
#pragma once

#include "common/scoreboard.h"
#include "common/ticket_keys.h"
#include "supervisor/crew.h"
#include "supervisor/errand.h"
#include "supervisor/look_again.h"
#include "supervisor/phase.h"
#include "supervisor/reload.h"
#include "supervisor/stuck_errands.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <poll.h>
#include <string>
#include <utility>
#include <vector>

namespace fsrv {

class Renewal final {
  public:
    // `known`: as TlsLook has it.
    using Look = std::function<Pending<TlsLook>(const Options& running, const std::string& known)>;

    // All outlive this. `look`: none, or `tickets` null: TLS is never spoken.
    Renewal(Look look, TicketKeys* tickets, const Phase& phase, Crew& crew, Reload& reload,
            Scoreboard& scoreboard, StuckErrands& stuck)
        : look_for_(std::move(look)),
          tickets_(tickets),
          phase_(phase),
          crew_(crew),
          reload_(reload),
          scoreboard_(scoreboard),
          stuck_(stuck) {}

    void turn(bool is_upgrading, std::uint64_t now); // of the loop: in every one

    bool on_ended(pid_t pid); // true: it was its errand
    std::uint64_t next_deadline() const;
    void append_fds(std::vector<pollfd>& fds) const;
    void close_in_child();

  private:
    enum class Age { fresh, old, expired };

    bool speaks_tls() const { return crew_.current().config.tls.has_value(); }
    const std::string& taken() const { return crew_.current().config.tls->stamp; }
    void publish_certificates();
    void warn_of_age();
    void begin_to_look(std::uint64_t now);
    void see_what_was_found(bool is_upgrading, std::uint64_t now);
    void on_bad(const TlsLook& found, std::uint64_t now);
    void on_good(TlsLook found, bool is_upgrading, std::uint64_t now);
    void see_how_it_went();
    void refuse(const std::string& stamp, std::string_view why);
    void tell_once(const std::string& trouble);
    Errand* errand() const { return looking_ ? looking_->errand() : nullptr; }

    Look look_for_;
    TicketKeys* tickets_;
    const Phase& phase_;
    Crew& crew_;
    Reload& reload_;
    Scoreboard& scoreboard_;
    StuckErrands& stuck_;

    std::optional<Pending<TlsLook>> looking_;
    std::uint64_t due_ = 0; // for the next look
    // Stamps of files (tls_files.h).
    std::string doubtful_; // were bad, and will be looked at once more; empty: none
    std::string refused_;  // are bad, and told of; empty: none
    std::string begun_;    // a generation gets ready with them; empty: none
    std::string told_;     // what kept it from looking
    std::vector<CertificateRow> published_;
    std::map<std::string, Age> ages_; // of certificates, by fingerprint
};

} // namespace fsrv
