#include "worker/exchange/client_limits.h"

#include "common/limits.h"

#include <algorithm>

namespace fsrv::exchange {
namespace {

// What is under way may end any moment.
constexpr std::uint64_t kRetryBusyS = 1;

bool is_nobody(const in6_addr& address) {
    return IN6_IS_ADDR_UNSPECIFIED(&address);
}

} // namespace

ClientLimits::ClientLimits(ClientTable& clients, const Options& options, const Iteration& iteration,
                           MetricWords& score, bool rules_have_rates, std::uint64_t chance)
    : clients_(clients), options_(options), iteration_(iteration), score_(score) {
    const Rates rates{.client = options.client_rate, .total = options.total_rate};
    if (rates.client > 0 || rates.total > 0 || rules_have_rates)
        throttle_.emplace(clients, rates, iteration, chance);
}

Payer ClientLimits::payer_of(const in6_addr& address) const {
    return {.client = clients_.key_of(address), .is_client = !is_nobody(address)};
}

Payer ClientLimits::payer_of_user(std::string_view name) const {
    return {.client = clients_.key_of_user(name)};
}

std::optional<http::Plan> ClientLimits::admit(const http::Request& request, const Payer& payer,
                                              ClientTable::Place& place) {
    if (!payer.is_client) return std::nullopt;
    const std::uint64_t now_ms = iteration_.now_ms();
    if (options_.client_connections > 0) {
        auto taken = clients_.take_place(payer.client, options_.client_connections, now_ms);
        if (!taken) {
            score_.count(Metric::limited_requests, ClientLimit::connections);
            return http::plan_too_many(request, "too many requests at a time", kRetryBusyS);
        }
        place = *std::move(taken);
    }
    if (options_.client_requests.count == 0) return std::nullopt;
    ClientEntry* const entry = clients_.find(payer.client, now_ms);
    if (!entry) return std::nullopt;
    const std::uint64_t now_ns = now_ms * 1'000'000;
    const std::uint64_t cost = cost_ns(1'000, options_.client_requests.count);
    const std::uint64_t burst_ns = std::max(limits::kRequestBurstNs, cost);
    if (entry->requests.take(cost, now_ns, burst_ns)) return std::nullopt;
    place.leave();
    score_.count(Metric::limited_requests, ClientLimit::requests);
    const std::uint64_t until_ns = entry->requests.paid_ns(now_ns, burst_ns) + cost;
    const std::uint64_t wait_ns = until_ns > now_ns ? until_ns - now_ns : 1;
    return http::plan_too_many(request, "too many requests",
                               (wait_ns + 999'999'999) / 1'000'000'000);
}

ClientTable::Place ClientLimits::hold(const in6_addr& address) {
    if (is_nobody(address)) return {};
    return clients_.hold_place(clients_.key_of(address), iteration_.now_ms());
}

} // namespace fsrv::exchange
