// What of TLS is the server's rather than a generation's, and goes to the server that replaces this
// one: the certificate that --tls-cert auto has made, and the keys of session tickets.
#pragma once

#include "common/options.h"
#include "common/result.h"
#include "common/ticket_keys.h"
#include "common/tls_material.h"
#include "common/unique_fd.h"
#include "supervisor/start/tls_auto.h"
#include "supervisor/start/tls_files.h"
#include "supervisor/start/tls_parcel.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace fsrv {

class LastingTls final {
  public:
    // `inherited`: what a predecessor has packed; none: there is nothing of it.
    explicit LastingTls(const UniqueFd& inherited);

    // For the certificate that may have to be made: asked for when it is.
    using Subject = std::function<CertificateSubject(const Options& options)>;
    void set_subject(Subject subject) { subject_ = std::move(subject); }

    // Of a configuration that is to be served with: with `auto` the certificate, and the keys of
    // tickets are open from then on. The error is one line.
    Result<void, std::string> complete(const Options& options, LoadedTls& tls, std::int64_t now,
                                       std::uint64_t now_ms);

    // "AB:CD:..." of the certificate that was made; empty: there is none.
    std::string made_fingerprint() const { return made_ ? fingerprint_text(*made_) : ""; }
    TicketKeys& tickets() { return tickets_; }

    // For the server that is to replace this one; no descriptor: there is nothing to hand over, or
    // no memory to do it in, which is logged.
    UniqueFd for_successor() const;

    // In a child, which has what it needs in its configuration.
    void forget_made() { made_.reset(); }

  private:
    Subject subject_ = [](const Options&) {
        return CertificateSubject{.names = {"localhost"}, .addresses = {}};
    };
    std::optional<TlsPair> made_;
    TicketKeySet inherited_tickets_;
    TicketKeys tickets_;
};

} // namespace fsrv
