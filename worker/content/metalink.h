// A file's Metalink (RFC 5854): its size, its SHA-256 and that of its pieces, and where it is. Made
// at once where the digests are known, else while it is sent, in one pass over the file.
#pragma once

#include "worker/content/byte_budget.h"
#include "worker/content/file_hash.h"
#include "worker/content/known_digests.h"
#include "worker/http/body.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace fsrv::content {

// A power of two, so large that a file has limits::kMostPieces at most.
std::uint64_t piece_bytes_of(std::uint64_t size);

struct MetalinkFacts {
    std::string name; // any bytes
    std::string url;
};

std::string metalink_of(const http::OpenFile& file, const MetalinkFacts& facts,
                        const crypto::Digest& whole, const Pieces& pieces);

// `place`: among those that are under way. Ends with `changed` if the file does.
class MetalinkStream final : public http::Producer {
  public:
    MetalinkStream(std::shared_ptr<const http::OpenFile> file, MetalinkFacts facts,
                   std::shared_ptr<KnownDigests> known, Reservation place);

    Made produce(std::span<char> room) override;

  private:
    std::shared_ptr<const http::OpenFile> file_;
    MetalinkFacts facts_;
    std::shared_ptr<KnownDigests> known_;
    Reservation place_;
    FileHash hash_;
    bool begun_ = false;
    bool hashed_ = false;
    std::string text_; // that is not taken yet, from taken_ on
    std::size_t taken_ = 0;
};

} // namespace fsrv::content
