#include "supervisor/start/tls_parcel.h"

#include "supervisor/start/key_memory.h"

#include <cstring>

namespace fsrv {
namespace {

void put_pair(Parcel& parcel, const TlsPair& pair) {
    parcel.put(pair.chain);
    parcel.put(pair.key.view());
    parcel.put(pair.name);
    parcel.put_number(static_cast<std::uint64_t>(pair.not_after));
    parcel.put(pair.fingerprint);
}

std::optional<TlsPair> take_pair(OpenedParcel& parcel) {
    const auto chain = parcel.take(), key = parcel.take(), name = parcel.take();
    const auto not_after = parcel.take_number();
    const auto fingerprint = parcel.take();
    if (!fingerprint) return std::nullopt;
    return TlsPair{.chain = std::string(*chain),
                   .key = Secret(std::string(*key)),
                   .name = std::string(*name),
                   .not_after = static_cast<std::int64_t>(*not_after),
                   .fingerprint = std::string(*fingerprint)};
}

} // namespace

Result<UniqueFd, Errno> pack(const LoadedTls& tls) {
    Parcel parcel;
    parcel.put(tls.stamp);
    parcel.put(tls.material.client_ca);
    parcel.put_number(static_cast<std::uint64_t>(tls.material.least));
    parcel.put_number(tls.warnings.size());
    for (const std::string& warning : tls.warnings) parcel.put(warning);
    parcel.put_number(tls.material.pairs.size());
    for (const TlsPair& pair : tls.material.pairs) put_pair(parcel, pair);
    return parcel.close();
}

std::optional<LoadedTls> unpack_tls(const UniqueFd& fd) {
    keep_memory_private();
    OpenedParcel parcel(fd);
    const auto stamp = parcel.take(), client_ca = parcel.take();
    const auto least = parcel.take_number();
    if (!least) return std::nullopt;
    LoadedTls tls{.stamp = std::string(*stamp)};
    tls.material.client_ca = *client_ca;
    tls.material.least = static_cast<TlsVersion>(*least);
    for (std::uint64_t n = parcel.take_number().value_or(0); n > 0; --n) {
        const auto warning = parcel.take();
        if (!warning) return std::nullopt;
        tls.warnings.emplace_back(*warning);
    }
    const auto count = parcel.take_number();
    if (!count) return std::nullopt;
    for (std::uint64_t n = *count; n > 0; --n) {
        auto pair = take_pair(parcel);
        if (!pair) return std::nullopt;
        tls.material.pairs.push_back(std::move(*pair));
    }
    return tls;
}

Result<UniqueFd, Errno> pack(const TlsLegacy& legacy) {
    Parcel parcel;
    parcel.put_number(legacy.tickets.count);
    for (const TicketKey& key : legacy.tickets.all())
        parcel.put({reinterpret_cast<const char*>(&key), sizeof key});
    parcel.put_number(legacy.made ? 1 : 0);
    if (legacy.made) put_pair(parcel, *legacy.made);
    return parcel.close();
}

std::optional<TlsLegacy> unpack_legacy(const UniqueFd& fd) {
    keep_memory_private();
    OpenedParcel parcel(fd);
    const auto count = parcel.take_number();
    if (!count || *count > limits::kTicketKeys) return std::nullopt;
    TlsLegacy legacy;
    for (; legacy.tickets.count < *count; ++legacy.tickets.count) {
        const auto key = parcel.take();
        if (!key || key->size() != sizeof(TicketKey)) return std::nullopt;
        void* const to = &legacy.tickets.keys[legacy.tickets.count];
        std::memcpy(to, key->data(), sizeof(TicketKey));
    }
    const auto has_made = parcel.take_number();
    if (!has_made) return std::nullopt;
    if (*has_made == 0) return legacy;
    legacy.made = take_pair(parcel);
    if (!legacy.made) return std::nullopt;
    return legacy;
}

} // namespace fsrv
