#include "worker/exchange/name_check.h"

#include "common/limits.h"
#include "common/log.h"

namespace fsrv::exchange {

bool NameCheck::passes(std::string_view host) {
    if (names_.answer(host)) return true;
    const std::uint64_t now_ms = iteration_.now_ms();
    if (told_ms_ != 0 && now_ms - told_ms_ < limits::kTroubleReportMs) return false;
    told_ms_ = now_ms;
    log_warn(
        "421 on a loopback address for the name {}, which a stranger's page could have given "
        "it: if it is this server's, start it with --server-name {}, or with --trusted-proxies "
        "and the address of the proxy that sends it",
        host, host);
    return false;
}

} // namespace fsrv::exchange
