// Tar, as POSIX has it: ustar, with pax records for what that cannot say: names that are long or
// not ASCII, sizes of 8 GiB and more, times with a fraction of a second, before 1970 or after 2242.
// A name that is no UTF-8 stands as it is if it fits, else in a record that says so
// (hdrcharset=BINARY). Everything belongs to user and group 0, which only root minds. No checksum
// of contents: each byte of an archive follows from its members and their bytes. Pure.
#pragma once

#include "worker/content/archive_member.h"

#include <string>

namespace fsrv::content {

inline constexpr std::uint64_t kTarBlock = 512;
inline constexpr std::uint64_t kTarEnd = 2 * kTarBlock; // of zeros

// What goes before the member's bytes.
void append_tar_head(std::string& out, const ArchiveMember& member);
std::uint64_t tar_head_size(const ArchiveMember& member);

// Zeros that go behind so many of them.
constexpr std::uint64_t tar_padding(std::uint64_t size) {
    return (kTarBlock - size % kTarBlock) % kTarBlock;
}

} // namespace fsrv::content
