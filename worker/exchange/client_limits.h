// ClientLimits: what a client may have at a time and per second, over all its connections and
// workers: whether a request is answered at all (--client-connections, --client-requests), and what
// its answer may send (throttle.h). Only where something is limited there is one.
//
// A client is the address that a request comes from, as PROXY and trusted proxies say. A peer on a
// Unix socket of whom nobody says more is none. Thread: the loop's.
#pragma once

#include "common/client_table.h"
#include "common/options.h"
#include "common/scoreboard.h"
#include "worker/exchange/throttle.h"
#include "worker/http/plan.h"
#include "worker/log/access_log.h"

#include <optional>

namespace fsrv::exchange {

class ClientLimits final {
  public:
    // `rules_have_rates`: some Payer will have one. `chance`: as Throttle wants it.
    ClientLimits(ClientTable& clients, const Options& options, const Iteration& iteration,
                 MetricWords& score, bool rules_have_rates = false, std::uint64_t chance = 1);

    Payer payer_of(const in6_addr& address) const;
    Payer payer_of_user(std::string_view name) const;

    // Of a request that is to be answered: it is under way while `place` lives. Or what is answered
    // instead, a 429, which is charged to nobody.
    std::optional<http::Plan> admit(const http::Request& request, const Payer& payer,
                                    ClientTable::Place& place);
    // A connection that has not asked for anything yet counts as well, but for a proxy's.
    bool counts_connections() const { return options_.client_connections > 0; }
    ClientTable::Place hold(const in6_addr& address);

    Throttle* throttle() { return throttle_ ? &*throttle_ : nullptr; } // null: no rate is limited

  private:
    ClientTable& clients_;
    const Options& options_;
    const Iteration& iteration_;
    MetricWords& score_;
    std::optional<Throttle> throttle_;
};

} // namespace fsrv::exchange
