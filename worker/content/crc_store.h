// CrcStore: the CRCs of files, by what identifies a version of a file, so that those of a zip are
// computed once in a worker. Bounded in number, the least recently used go first. Any thread.
#pragma once

#include "common/clock.h"

#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <unordered_map>

namespace fsrv::content {

struct FileVersion {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t size = 0;
    FileTime mtime;
    FileTime ctime;
    friend bool operator==(const FileVersion&, const FileVersion&) = default;
};

class CrcStore final {
  public:
    explicit CrcStore(std::size_t most) : most_(most) {}
    CrcStore(const CrcStore&) = delete;
    CrcStore& operator=(const CrcStore&) = delete;

    std::optional<std::uint32_t> find(const FileVersion& version);
    // Not of a file that may change again without its times changing.
    void keep(const FileVersion& version, std::uint32_t crc);
    std::size_t count() const;

  private:
    struct Hash {
        std::size_t operator()(const FileVersion& version) const;
    };
    struct Kept {
        FileVersion version;
        std::uint32_t crc;
    };

    const std::size_t most_;
    mutable std::mutex mutex_;
    std::list<Kept> kept_; // the most recently used first
    std::unordered_map<FileVersion, std::list<Kept>::iterator, Hash> by_version_;
};

} // namespace fsrv::content
