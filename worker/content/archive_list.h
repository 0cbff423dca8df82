// ArchiveList: what is in a folder and below, as an archive has it: the members in their order (by
// names, folders before what is in them), with what identifies each file. Compact: some 60 bytes
// for a member, and its name. Made by a walk that sees what a listing shows, no more
// (folder_reader.h).
//
// A folder is dated by the newest file in it, and its own time counts only when it is empty: so the
// archive depends on nothing but names, sizes and times, and whether a file may be executed. What
// cannot be read, or is a link to a folder above it, is no member, but named in the last one.
#pragma once

#include "common/clock.h"
#include "common/result.h"
#include "worker/content/archive_member.h"
#include "worker/content/byte_budget.h"
#include "worker/content/folder_reader.h"
#include "worker/content/resolver.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace fsrv::content {

struct ArchiveBounds {
    std::uint64_t bytes = 0; // of all files
    std::size_t entries = 0;
};

class ArchiveList final {
  public:
    struct Entry {
        std::uint64_t size = 0;
        std::uint64_t inode = 0;
        std::int64_t mtime_s = 0;
        std::int64_t ctime_s = 0;
        std::uint32_t mtime_ns = 0;
        std::uint32_t ctime_ns = 0;
        std::uint32_t name_begin = 0; // in names_
        std::uint16_t name_length = 0;
        std::uint8_t device = 0; // in devices_
        enum class Kind : std::uint8_t { file, program, folder, note } kind = Kind::file;

        FileTime mtime() const { return {mtime_s, mtime_ns}; }
        FileTime ctime() const { return {ctime_s, ctime_ns}; }
    };

    std::size_t count() const { return entries_.size(); }
    const Entry& entry(std::size_t i) const { return entries_[i]; }
    dev_t device(const Entry& entry) const { return devices_[entry.device]; }
    std::vector<dev_t> devices() const { return devices_; }
    // Below the root of all that is served.
    std::string path(const Entry& entry) const;
    // `name` keeps the member's.
    ArchiveMember member(const Entry& entry, std::string& name) const;
    std::string_view note() const { return note_; } // the bytes of Kind::note, the last

    // Validators. Of names, sizes and times alone; empty: they tell nothing.
    const std::string& tag() const { return tag_; }
    bool is_settled() const { return settled_; } // else a file may change without its showing
    FileTime newest() const { return newest_; }  // of files and folders
    const std::string& version() const { return version_; } // of these very files

  private:
    friend class ArchiveWalk;
    explicit ArchiveList(std::shared_ptr<ByteBudget> budget) : memory_(std::move(budget)) {}

    std::string_view name(const Entry& entry) const {
        return std::string_view(names_).substr(entry.name_begin, entry.name_length);
    }

    Reservation memory_;
    std::string folder_; // its path below the root
    std::string top_;    // what it is called in the archive
    std::vector<Entry> entries_;
    std::string names_; // below the folder; of the folder itself: ""
    std::vector<dev_t> devices_;
    std::string note_;
    std::string note_name_;
    std::string tag_;
    std::string version_;
    bool settled_ = true;
    FileTime newest_{0, 0};
};

struct ArchiveAsk {
    std::string path; // of the folder, below the root
    std::string top;  // a name for it
    Sight sight;      // its led_to is of the folder
    // Of a folder that has such a file nothing else is told, as no listing does; empty: none.
    std::string index;
    ArchiveBounds bounds;
    const std::atomic<bool>* cancelled = nullptr; // true: nobody waits any more
};

// Walks. Errors: EFBIG, E2BIG: beyond the bounds in bytes, in entries; ENOMEM: over the budget;
// ECANCELED; kOtherDevice: `reach` says which; else why the folder cannot be read. Blocking; any
// thread.
Result<std::shared_ptr<const ArchiveList>, Errno>
list_archive(const Resolver& resolver, const ArchiveAsk& ask, Reach& reach,
             const std::shared_ptr<ByteBudget>& budget);

} // namespace fsrv::content
