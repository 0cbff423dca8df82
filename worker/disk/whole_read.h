// A read that goes on after a short one. A signal may cut a read, and some file systems answer with
// less than was asked for though more is there (9p, FUSE with direct_io, some of the network): only
// a read of nothing tells that a file has ended.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fsrv::disk {

// Bytes read at `offset`, fewer than `length` only where the file ends; or minus errno. Blocking;
// any thread. O_NONBLOCK does not matter: it means nothing to a regular file.
std::int64_t read_whole(int fd, char* buffer, std::size_t length, std::uint64_t offset);

// The same of what is in the page cache: -EAGAIN when a disk would have to be asked. Never blocks.
std::int64_t read_in_memory(int fd, char* buffer, std::size_t length, std::uint64_t offset);

using ReadFile = decltype(&read_whole);

} // namespace fsrv::disk
