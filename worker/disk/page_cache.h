// Is a slice of a file in the page cache, so that sending it cannot wait for a disk? And reads that
// answer rather than wait. What a file system cannot do is found out once per device and
// remembered. Never blocks. Thread: the loop's.
#pragma once

#include "common/ability.h"

#include <cstddef>
#include <cstdint>
#include <sys/types.h>
#include <vector>

namespace fsrv::disk {

// Whether there are pages of all these bytes, which the disk may still be filling. Any thread.
enum class Counted { all, not_all, unknown /* the system cannot tell, errno says why */ };
Counted count_cached(int fd, std::uint64_t offset, std::uint64_t length);

class PageCache final {
  public:
    // What was found out of one device (st_dev).
    struct Device {
        dev_t id = 0;
        Ability sendfile;  // EINVAL: not of some FUSE and network file systems
        Ability mapping;   // ENODEV: not of some FUSE file systems
        Ability nowait;    // RWF_NOWAIT; EOPNOTSUPP: not here
        Ability cachestat; // EPERM: not our files; EOPNOTSUPP: hugetlbfs; ENOSYS: before Linux 6.5
    };
    Device& device(dev_t id);

    // How closely to look for what the disk is still filling. Quick will do where all has been
    // cached for a while: only another reader, just ahead, could make a difference. Close finds
    // that reader, mostly: reads ahead are finished in order, but for what was there before.
    enum class Look { quick, close };

    // Bytes from `offset` on that are cached whole, at most `length`; 0 when they are not or nobody
    // can tell.
    std::uint64_t cached(Device& device, int fd, std::uint64_t offset, std::uint64_t length,
                         Look look);

    // pread that takes only what is there: bytes read, or -1 with EAGAIN when the disk would have
    // to be asked.
    ssize_t read_cached(Device& device, int fd, char* buffer, std::size_t length,
                        std::uint64_t offset);

  private:
    std::vector<Device> devices_; // few: one per mount that files were served from
};

} // namespace fsrv::disk
