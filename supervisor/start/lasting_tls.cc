#include "supervisor/start/lasting_tls.h"

#include "common/log.h"

#include <utility>

namespace fsrv {

LastingTls::LastingTls(const UniqueFd& inherited) {
    if (!inherited) return;
    auto legacy = unpack_legacy(inherited);
    if (!legacy) {
        log_warn("the server of before has handed over its ticket keys in another form: sessions "
                 "do not resume");
        return;
    }
    made_ = std::move(legacy->made);
    inherited_tickets_ = legacy->tickets;
}

Result<void, std::string> LastingTls::complete(const Options& options, LoadedTls& tls,
                                               std::int64_t now, std::uint64_t now_ms) {
    tickets_.open(now_ms, inherited_tickets_.all());
    inherited_tickets_ = {};
    if (!options.makes_certificate()) return {};
    if (!made_ || !is_worth_keeping(*made_, now)) {
        auto made = make_own_certificate(subject_(options), now);
        if (!made) return unexpected(std::move(made.error()));
        made_ = std::move(*made);
    }
    tls.material.pairs.clear();
    tls.material.pairs.push_back(made_->copy());
    return {};
}

UniqueFd LastingTls::for_successor() const {
    if (!made_ && !tickets_.is_open()) return {};
    TlsLegacy legacy{.tickets = tickets_.keys()};
    if (made_) legacy.made = made_->copy();
    auto parcel = pack(legacy);
    if (parcel) return std::move(*parcel);
    log_warn("the next server gets no ticket keys, and makes its own certificate if it has to: {}",
             errno_text(parcel.error().code));
    return {};
}

} // namespace fsrv
