// What TLS is spoken with: certificates, their keys, and who clients may be. Plain data, made and
// checked by the supervisor (supervisor/start/tls_files.h), which alone can open the files; it
// crosses fork() in Heritage. A generation of workers has one for life: what is renewed is a new
// generation's.
//
// Lifetime: a worker's copy is the memory that it has from the fork, and lives as long as the
// process.
// Thread: nobody writes to it after the fork, so any may read, but for the ticket keys, which have
// a reader of their own (ticket_keys.h). Bytes of keys are to go nowhere else: no log, no message.
#pragma once

#include "common/options.h"
#include "common/secret.h"

#include <cstdint>
#include <string>
#include <vector>

namespace fsrv {

class TicketKeyRing;

struct TlsPair {
    std::string chain;          // certificates in PEM, the server's own first, as in its file
    Secret key;                 // its private key: PKCS #8 in PEM, without a pass phrase
    std::string name;           // of the certificate's file, as given; "auto" for one that was made
    std::int64_t not_after = 0; // of the server's own certificate, seconds since the epoch
    std::string fingerprint;    // SHA-256 of it: 64 lower-case hexadecimal digits

    TlsPair copy() const {
        return {.chain = chain,
                .key = key.copy(),
                .name = name,
                .not_after = not_after,
                .fingerprint = fingerprint};
    }
    friend bool operator==(const TlsPair&, const TlsPair&) = default;
};

struct TlsMaterial {
    std::vector<TlsPair> pairs; // in the order of --tls-cert; at least one
    std::string client_ca;      // certificates in PEM; empty: clients need none
    TlsVersion least = TlsVersion::tls_1_2;
    const TicketKeyRing* tickets = nullptr; // a worker has it always

    friend bool operator==(const TlsMaterial& a, const TlsMaterial& b) { // of the same content
        return a.pairs == b.pairs && a.client_ca == b.client_ca && a.least == b.least;
    }
};

} // namespace fsrv
