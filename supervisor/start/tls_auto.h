// --tls-cert auto: a certificate that is made for this start, and signs itself. Who connects cannot
// know it but by its fingerprint; it keeps out who only listens.
#pragma once

#include "common/result.h"
#include "common/tls_material.h"

#include <cstdint>
#include <string>
#include <vector>

namespace fsrv {

// What it is for. Names that are no names of DNS, and addresses that are none, are left out.
struct CertificateSubject {
    std::vector<std::string> names;     // the first is also its common name; at least one
    std::vector<std::string> addresses; // numeric, without brackets; a scope (%eth0) is left out
};

// ECDSA over P-256, good for kAutoDays. `now`: seconds since the epoch. The memory of this process
// is private afterwards (key_memory.h). The error is one line.
inline constexpr int kAutoDays = 825; // some clients take none for longer, whoever is trusted
Result<TlsPair, std::string> make_own_certificate(const CertificateSubject& subject,
                                                  std::int64_t now);

// Good for another month: one that is not is made anew by the next reload or upgrade.
bool is_worth_keeping(const TlsPair& made, std::int64_t now);

// "AB:CD:...", as browsers and openssl show it.
std::string fingerprint_text(const TlsPair& pair);

} // namespace fsrv
