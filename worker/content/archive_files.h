// ArchiveFiles: the files of an archive's list, opened when their turn comes, each only if it still
// is what the list says: by device, inode, size and times (with --in-place-writes off, which some
// file systems date at each look, without these; with append it may have grown). Any thread.
#pragma once

#include "common/options.h"
#include "worker/content/archive_list.h"
#include "worker/content/resolver.h"
#include "worker/content/version_store.h"
#include "worker/http/body.h"

#include <cstdint>
#include <memory>
#include <string>
#include <sys/stat.h>

namespace fsrv::content {

// What outlives the archives: in the store.
struct ArchiveServices {
    const Resolver& resolver;
    InPlaceWrites writes = InPlaceWrites::on;
    std::shared_ptr<CrcStore> crcs;
    const Account* account = nullptr; // by whose rights files are opened; none: the worker's
};

class ArchiveFiles final {
  public:
    using Had = http::Parts::Had;
    using Entry = ArchiveList::Entry;

    ArchiveFiles(const ArchiveServices& services, std::shared_ptr<const ArchiveList> list)
        : services_(services), list_(std::move(list)) {}

    const ArchiveList& list() const { return *list_; }
    CrcStore& crcs() const { return *services_.crcs; }

    // In `file`, if it says `some`. `in_memory`: nobody is asked.
    Had open(const Entry& entry, bool in_memory, std::shared_ptr<const http::OpenFile>& file) const;
    // All of a small one, appended; of the note too. It was unchanged when all was read.
    Had read(const Entry& entry, bool in_memory, std::string& to) const;
    // `length` bytes, as of open(): `some`, or why not.
    static Had read_part(const http::OpenFile& file, std::uint64_t offset, std::size_t length,
                         bool in_memory, char* to);

  private:
    bool is_the_same(const Entry& entry, const struct stat& status) const;

    ArchiveServices services_;
    std::shared_ptr<const ArchiveList> list_;
};

} // namespace fsrv::content
