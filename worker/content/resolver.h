// From a path to a descriptor that is allowed to be served. The kernel confines: openat2() with
// RESOLVE_BENEATH and RESOLVE_NO_MAGICLINKS decides, strings only propose (an absolute link into
// the root is rewritten to a path without links, and that is opened under RESOLVE_BENEATH again).
// Where the kernel has no openat2() the walk of link_walk.h takes its place, with the same answers.
// Blocking; any thread; holds no state that changes.
#pragma once

#include "common/options.h"
#include "common/result.h"
#include "common/unique_fd.h"
#include "worker/content/link_walk.h"
#include "worker/content/pseudo_fs.h"

#include <optional>
#include <string>
#include <sys/stat.h>

namespace fsrv::content {

// How paths are resolved. `automatic` asks the kernel once, in the constructor.
enum class ResolveForm { automatic, openat2, walk };

enum class EntryKind {
    file, // regular
    folder,
    special, // FIFO, socket, device
};

struct Entry {
    EntryKind kind = EntryKind::special;
    // file: open for reading after open(), O_PATH after look(). folder: O_PATH, openat(fd, ".")
    // reads it. special: O_PATH.
    UniqueFd fd;
    struct stat status {};       // of `fd`
    LocalFs local = LocalFs::no; // file: pseudo_fs.h
    // Where links led to, as a path below the root; none: there were none, or nobody judges them.
    std::optional<std::string> led_to;
};

class Resolver final {
  public:
    // `root_fd`: O_PATH will do; not owned, outlives the resolver. `root_path`: absolute, for
    // absolute links only. `hidden`: false: links that lead by a hidden name below the root, and
    // short names of hidden files, are ENOENT; the caller judges the path itself. `tells`:
    // Entry::led_to is told.
    Resolver(int root_fd, std::string root_path, Symlinks symlinks,
             ResolveForm form = ResolveForm::automatic, bool hidden = true, bool tells = false);

    // `path`: relative to the root, without "." and ".." segments (Target::path); "" is the root.
    // What is on a pseudo file system (pseudo_fs.def) is ENOENT. EAGAIN: the tree changed under all
    // of limits::kMaxResolveRetries attempts. Never opens a FIFO, socket or device, so it neither
    // blocks nor has a side effect.
    // kOtherDevice: `reach` says which. kNotInMemory: so it says, and it may be called on the loop.
    Result<Entry, Errno> open(const std::string& path, Reach& reach) const;

    // The same without opening a file for reading: what is there. Of a folder out of reach it tells
    // what is in memory.
    Result<Entry, Errno> look(const std::string& path, Reach& reach) const;

    // Is `path` still the file `inode` on `device`? False also when the kernel cannot tell at once:
    // this one never waits for a disk (RESOLVE_CACHED, Linux 5.12).
    bool surely_still(const std::string& path, std::uint64_t device, std::uint64_t inode) const;

    ResolveForm form() const { return form_; }
    dev_t root_device() const { return root_device_; }

  private:
    // Where something was found, and how to open exactly that for reading.
    struct Place {
        UniqueFd object; // O_PATH
        struct stat status {};
        UniqueFd parent; // found by a walk: `name` is in there. None: in the root
        std::string name;
        bool without_links = false;
        std::optional<std::string> led_to;
    };
    struct Attempt { // of the kernel alone
        Result<Place, Errno> place;
        bool walk = false; // it needs the walk's help
    };

    Result<Entry, Errno> try_again(const std::string& path, Reach& reach, bool for_reading) const;
    Result<Entry, Errno> open_once(const std::string& path, Reach& reach, bool for_reading) const;
    Result<Entry, Errno> open_within(const std::string& path, Reach& reach, bool for_reading) const;
    Result<Entry, Errno> open_in_memory(const std::string& path, Reach& reach) const;
    Result<Entry, Errno> entry_of(Place place, bool for_reading,
                                  std::uint64_t more_flags = 0) const;
    bool is_pseudo(int fd, dev_t device) const;
    Result<Place, Errno> find(const std::string& path) const;
    Attempt find_by_kernel(const std::string& path, std::uint64_t more_flags) const;
    Result<Place, Errno> place_of(WalkEnd end) const;
    Result<UniqueFd, Errno> reopen(const Place& place, std::uint64_t more_flags) const;
    WalkPolicy walk_policy(Reach* reach = nullptr) const {
        return {root_fd_, root_path_, symlinks_, reach, hidden_};
    }

    int root_fd_;
    std::string root_path_;
    Symlinks symlinks_;
    ResolveForm form_;
    bool hidden_;
    bool sees_links_; // where they lead is told, or judged
    dev_t root_device_ = 0;
    bool root_is_plain_ = false; // files on that device need no look at their file system
    LocalFs root_local_ = LocalFs::no;
};

} // namespace fsrv::content
