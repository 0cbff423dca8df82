#include "worker/content/archive_zip.h"

#include "common/escape.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

namespace fsrv::content {
namespace {

constexpr std::uint32_t kHeadSignature = 0x04034B50;
constexpr std::uint32_t kEntrySignature = 0x02014B50;
constexpr std::uint32_t kEndSignature = 0x06054B50;
constexpr std::uint32_t kEnd64Signature = 0x06064B50;
constexpr std::uint32_t kLocatorSignature = 0x07064B50;

constexpr std::uint64_t kHeadBytes = 30;
constexpr std::uint64_t kEntryBytes = 46;
constexpr std::uint64_t kEndBytes = 22;
constexpr std::uint64_t kEnd64Bytes = 56;
constexpr std::uint64_t kLocatorBytes = 20;
constexpr std::uint64_t kTimeBytes = 9;  // the extra field of the time
constexpr std::uint64_t kExtraBytes = 4; // of any: kind and length

// From these on the number stands elsewhere.
constexpr std::uint64_t kSee64 = 0xFFFFFFFF;
constexpr std::uint64_t kSee64Count = 0xFFFF;

constexpr std::uint16_t kVersion = 20;   // 2.0: folders
constexpr std::uint16_t kVersion64 = 45; // 4.5: zip64
constexpr std::uint16_t kUnix = 3 << 8;
constexpr std::uint16_t kUtf8Name = 1 << 11;

template <typename Number>
void put(std::string& out, Number number) {
    for (unsigned i = 0; i < sizeof number; ++i)
        out.push_back(static_cast<char>(number >> (8 * i) & 0xFF));
}

void put_32(std::string& out, std::uint64_t number) {
    put(out, static_cast<std::uint32_t>(std::min(number, kSee64)));
}

std::uint16_t name_flags(std::string_view name) {
    const bool ascii = std::all_of(name.begin(), name.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    return !ascii && is_utf8(name) ? kUtf8Name : 0;
}

// Two numbers of 16 bits: the time, in steps of two seconds, and the date, of 1980 to 2107.
std::uint32_t dos_time(std::int64_t seconds) {
    constexpr std::int64_t kFirst = 315'532'800;  // 1980-01-01
    constexpr std::int64_t kLast = 4'354'819'198; // 2107-12-31 23:59:58
    const std::chrono::sys_seconds time{std::chrono::seconds(std::clamp(seconds, kFirst, kLast))};
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(time - day);
    const auto year = static_cast<unsigned>(static_cast<int>(date.year()) - 1980);
    const auto days =
        year << 9 | static_cast<unsigned>(date.month()) << 5 | static_cast<unsigned>(date.day());
    const auto of_day = static_cast<unsigned>(clock.hours().count()) << 11 |
                        static_cast<unsigned>(clock.minutes().count()) << 5 |
                        static_cast<unsigned>(clock.seconds().count()) / 2;
    return days << 16 | of_day;
}

// "UT", Info-ZIP's: seconds since 1970, of 32 bits with a sign. Dos has no zone.
bool has_time(const ArchiveMember& member) {
    return member.mtime.seconds >= INT32_MIN && member.mtime.seconds <= INT32_MAX;
}

void put_time(std::string& out, const ArchiveMember& member) {
    if (!has_time(member)) return;
    put(out, std::uint16_t{0x5455});
    put(out, std::uint16_t{5});
    out.push_back(1); // the time of modification
    put(out, static_cast<std::uint32_t>(member.mtime.seconds));
}

// The numbers of a member that do not fit into its entry, in their order.
std::uint64_t wide_numbers(const ArchiveMember& member, std::uint64_t place) {
    return (member.size >= kSee64 ? 2 : 0) + (place >= kSee64 ? 1 : 0);
}

std::uint64_t extra_size(const ArchiveMember& member, std::uint64_t place) {
    const std::uint64_t wide = wide_numbers(member, place);
    return (wide > 0 ? kExtraBytes + 8 * wide : 0) + (has_time(member) ? kTimeBytes : 0);
}

void put_extra(std::string& out, const ArchiveMember& member, std::uint64_t place) {
    if (const std::uint64_t wide = wide_numbers(member, place); wide > 0) {
        put(out, std::uint16_t{1});
        put(out, static_cast<std::uint16_t>(8 * wide));
        if (member.size >= kSee64) {
            put(out, member.size); // as it is
            put(out, member.size); // as it is stored
        }
        if (place >= kSee64) put(out, place);
    }
    put_time(out, member);
}

// What head and entry have in common.
void put_common(std::string& out, const ArchiveMember& member, std::uint32_t crc,
                std::uint64_t place) {
    put(out, wide_numbers(member, place) > 0 ? kVersion64 : kVersion);
    put(out, name_flags(member.name));
    put(out, std::uint16_t{0}); // stored
    put(out, dos_time(member.mtime.seconds));
    put(out, crc);
    put_32(out, member.size);
    put_32(out, member.size);
    put(out, static_cast<std::uint16_t>(member.name.size()));
    put(out, static_cast<std::uint16_t>(extra_size(member, place)));
}

// Tables for eight bytes at a time: what a byte becomes with so many bytes behind it.
using CrcTables = std::array<std::array<std::uint32_t, 256>, 8>;
constexpr CrcTables make_crc_tables() {
    constexpr std::uint32_t kPolynomial = 0xEDB88320;
    CrcTables tables{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? kPolynomial : 0);
        tables[0][byte] = crc;
    }
    for (std::size_t behind = 1; behind < tables.size(); ++behind)
        for (std::size_t byte = 0; byte < 256; ++byte) {
            const std::uint32_t crc = tables[behind - 1][byte];
            tables[behind][byte] = crc >> 8 ^ tables[0][crc & 0xFF];
        }
    return tables;
}
constexpr CrcTables kCrc = make_crc_tables();

} // namespace

void append_zip_head(std::string& out, const ArchiveMember& member, std::uint32_t crc) {
    put(out, kHeadSignature);
    put_common(out, member, crc, 0);
    out.append(member.name);
    put_extra(out, member, 0);
}

std::uint64_t zip_head_size(const ArchiveMember& member) {
    return kHeadBytes + member.name.size() + extra_size(member, 0);
}

void append_zip_entry(std::string& out, const ArchiveMember& member, std::uint32_t crc,
                      std::uint64_t place) {
    constexpr std::uint32_t kDosFolder = 0x10;
    constexpr std::uint32_t kFolder = 0040000;
    constexpr std::uint32_t kFile = 0100000;
    put(out, kEntrySignature);
    put(out, static_cast<std::uint16_t>(kUnix | kVersion64));
    put_common(out, member, crc, place);
    put(out, std::uint16_t{0}); // no comment
    put(out, std::uint16_t{0}); // on the first disk
    put(out, std::uint16_t{0});
    const std::uint32_t mode = (member.folder ? kFolder : kFile) | member.mode();
    put(out, mode << 16 | (member.folder ? kDosFolder : 0));
    put_32(out, place);
    out.append(member.name);
    put_extra(out, member, place);
}

std::uint64_t zip_entry_size(const ArchiveMember& member, std::uint64_t place) {
    return kEntryBytes + member.name.size() + extra_size(member, place);
}

void append_zip_end(std::string& out, const ZipDirectory& directory) {
    if (zip_end_size(directory) > kEndBytes) {
        put(out, kEnd64Signature);
        put(out, kEnd64Bytes - 12); // of what follows
        put(out, static_cast<std::uint16_t>(kUnix | kVersion64));
        put(out, kVersion64);
        put(out, std::uint32_t{0}); // disks
        put(out, std::uint32_t{0});
        put(out, directory.entries);
        put(out, directory.entries);
        put(out, directory.size);
        put(out, directory.place);
        put(out, kLocatorSignature);
        put(out, std::uint32_t{0});
        put(out, directory.place + directory.size);
        put(out, std::uint32_t{1});
    }
    const auto count = static_cast<std::uint16_t>(std::min(directory.entries, kSee64Count));
    put(out, kEndSignature);
    put(out, std::uint32_t{0}); // disks
    put(out, count);
    put(out, count);
    put_32(out, directory.size);
    put_32(out, directory.place);
    put(out, std::uint16_t{0}); // no comment
}

std::uint64_t zip_end_size(const ZipDirectory& directory) {
    const bool wide =
        directory.entries >= kSee64Count || directory.size >= kSee64 || directory.place >= kSee64;
    return kEndBytes + (wide ? kEnd64Bytes + kLocatorBytes : 0);
}

std::uint32_t crc32(std::uint32_t before, std::string_view bytes) {
    std::uint32_t crc = ~before;
    const char* at = bytes.data();
    std::size_t left = bytes.size();
    for (; left >= 8; left -= 8, at += 8) {
        std::uint32_t low = 0;
        std::uint32_t high = 0;
        std::memcpy(&low, at, 4);
        std::memcpy(&high, at + 4, 4);
        low ^= crc;
        crc = kCrc[7][low & 0xFF] ^ kCrc[6][low >> 8 & 0xFF] ^ kCrc[5][low >> 16 & 0xFF] ^
              kCrc[4][low >> 24] ^ kCrc[3][high & 0xFF] ^ kCrc[2][high >> 8 & 0xFF] ^
              kCrc[1][high >> 16 & 0xFF] ^ kCrc[0][high >> 24];
    }
    for (; left > 0; --left, ++at)
        crc = crc >> 8 ^ kCrc[0][(crc ^ static_cast<unsigned char>(*at)) & 0xFF];
    return ~crc;
}

} // namespace fsrv::content
