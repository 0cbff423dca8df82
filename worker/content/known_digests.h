// What is known of the digests of files, by their versions: in a worker, bounded. Any thread.
#pragma once

#include "common/crypto/digest.h"
#include "common/limits.h"
#include "worker/content/version_store.h"

#include <memory>
#include <string>
#include <vector>

namespace fsrv::content {

using Pieces = std::vector<crypto::Digest>; // of a file, by pieces of one length

struct KnownDigests {
    VersionStore<crypto::Digest> whole{limits::kKeptDigests};
    VersionStore<std::shared_ptr<const Pieces>> pieces{limits::kKeptPieceLists};
};

// The value of Repr-Digest (RFC 9530 3).
std::string repr_digest(const crypto::Digest& sha256);

} // namespace fsrv::content
