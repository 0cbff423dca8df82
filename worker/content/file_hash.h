// FileHash: the SHA-256 of an open file, and of its pieces where these are wanted, computed a part
// at a time. It is told only if the file is, when all of it was read, what it was when it was
// opened: size, time of modification and ctime. Blocking; any thread, one at a time.
#pragma once

#include "common/clock.h"
#include "common/crypto/digest.h"
#include "worker/content/version_store.h"
#include "worker/http/body.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace fsrv::content {

FileVersion version_of(const http::OpenFile& file);

// How many nanoseconds it takes from `now` on until a change of the file would show in its times; 0
// or less: it would. Until then no digest is told, for the next version might have the same times.
std::int64_t settles_in_ns(const http::OpenFile& file, FileTime now);

class FileHash final {
  public:
    // `piece_bytes`: 0: no pieces.
    explicit FileHash(std::shared_ptr<const http::OpenFile> file, std::uint64_t piece_bytes = 0);

    enum class State : std::uint8_t { more, done, changed, unreadable };
    // Reads `most` bytes, or to the end. Of a file that has not settled it reads nothing, and waits
    // a little. Not after it said anything but more.
    State go_on(std::uint64_t most);

    const http::OpenFile& file() const { return *file_; }
    const crypto::Digest& whole() const { return whole_; }                // once it is done
    const std::vector<crypto::Digest>& pieces() const { return pieces_; } // those that are complete
    // The file is the caller's, who may close it. Not to go on after that.
    std::shared_ptr<const http::OpenFile> let_go() { return std::move(file_); }

  private:
    bool wait_until_settled() const;
    void add(std::string_view bytes);
    bool is_as_opened() const;

    std::shared_ptr<const http::OpenFile> file_;
    const std::uint64_t piece_bytes_;
    std::uint64_t offset_ = 0;
    crypto::Sha256 hash_;
    crypto::Sha256 piece_hash_;
    crypto::Digest whole_;
    std::vector<crypto::Digest> pieces_;
};

} // namespace fsrv::content
