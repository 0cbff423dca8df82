// What TLS is spoken with, on its way from one process of ours to another: in sealed memory that
// only the two have (key_memory.h).
#pragma once

#include "common/result.h"
#include "common/ticket_keys.h"
#include "common/unique_fd.h"
#include "supervisor/start/tls_files.h"

#include <optional>

namespace fsrv {

// From an errand that has looked at the files.
Result<UniqueFd, Errno> pack(const LoadedTls& tls);
// None: it is no such parcel. The memory of this process is private afterwards.
std::optional<LoadedTls> unpack_tls(const UniqueFd& parcel);

// From a server to the one that replaces it.
struct TlsLegacy {
    std::optional<TlsPair> made; // by --tls-cert auto
    TicketKeySet tickets;
};
Result<UniqueFd, Errno> pack(const TlsLegacy& legacy);
std::optional<TlsLegacy> unpack_legacy(const UniqueFd& parcel); // likewise

} // namespace fsrv
