// PageArena: copies of files in pages that nobody writes to again and that the system, not this
// process, reuses once nobody refers to them: neither a copy's owner nor a socket. So PageLender
// may lend them: what is queued stays as it is, whatever becomes of the file and of the copy.
//
// In large pages where the system has them: to lend many of those is less work for it.
#pragma once

#include "worker/disk/whole_read.h"

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>

namespace fsrv::disk {

class PageArena final {
  public:
    // Room for about so many bytes of copies; nothing is taken of the system before the first.
    explicit PageArena(std::size_t bytes);
    PageArena(const PageArena&) = delete;
    PageArena& operator=(const PageArena&) = delete;

    // The first `length` bytes of the file, not 0. Nothing when it has fewer, or the arena or the
    // system no room, or `read` fails. May outlive the arena. Any thread, and so may be its end.
    std::shared_ptr<const char> copy_of(int fd, std::size_t length, ReadFile read = read_whole);

    // What a copy of so many bytes takes.
    static std::size_t in_whole_pages(std::size_t bytes);

  private:
    class Pages;
    std::shared_ptr<Pages> pages_;
};

} // namespace fsrv::disk
