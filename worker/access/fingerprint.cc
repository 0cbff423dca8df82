#include "worker/access/fingerprint.h"

#include "common/crypto/digest.h"

#include <cstring>

namespace fsrv::access {

Fingerprints::Fingerprints() {
    const std::string random = crypto::random_bytes(sizeof low_ + sizeof high_);
    std::memcpy(&low_, random.data(), sizeof low_);
    std::memcpy(&high_, random.data() + sizeof low_, sizeof high_);
}

} // namespace fsrv::access
