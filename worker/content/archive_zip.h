// Zip, with members that are stored as they are (APPNOTE 6.3.10): zip64 where a size, a place or
// the count of members needs it, names in UTF-8 where they are (else as they are), times in UTC to
// the second. The CRC of a member stands in its head, and no descriptor behind it, so that
// everything reads it that reads zip at all, also from a pipe. Pure.
#pragma once

#include "worker/content/archive_member.h"

#include <string>

namespace fsrv::content {

// Names that do not fit: longer.
inline constexpr std::size_t kMostZipName = 0xFFFF;

// What goes before the member's bytes. `crc`: of them.
void append_zip_head(std::string& out, const ArchiveMember& member, std::uint32_t crc);
std::uint64_t zip_head_size(const ArchiveMember& member);

// Its entry in the directory, which comes behind all members. `place`: of its head.
void append_zip_entry(std::string& out, const ArchiveMember& member, std::uint32_t crc,
                      std::uint64_t place);
std::uint64_t zip_entry_size(const ArchiveMember& member, std::uint64_t place);

// What comes behind the directory.
struct ZipDirectory {
    std::uint64_t entries = 0;
    std::uint64_t place = 0;
    std::uint64_t size = 0;
};
void append_zip_end(std::string& out, const ZipDirectory& directory);
std::uint64_t zip_end_size(const ZipDirectory& directory);

// CRC-32 (ISO 3309) of bytes that come after those whose CRC is `before`; 0: after none.
std::uint32_t crc32(std::uint32_t before, std::string_view bytes);

} // namespace fsrv::content
