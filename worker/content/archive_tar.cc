#include "worker/content/archive_tar.h"

#include "common/escape.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace fsrv::content {
namespace {

// POSIX.1-2017, pax, "ustar Interchange Format": offset and length of a field.
struct TarField {
    std::size_t at;
    std::size_t length;
};
constexpr TarField kName{0, 100};
constexpr TarField kMode{100, 8};
constexpr TarField kUser{108, 8};
constexpr TarField kGroup{116, 8};
constexpr TarField kSize{124, 12};
constexpr TarField kTime{136, 12};
constexpr TarField kSum{148, 8};
constexpr TarField kType{156, 1};
constexpr TarField kMagic{257, 8};
constexpr TarField kPrefix{345, 155};

constexpr std::uint64_t kMostOctal = 077777777777; // eleven digits

using TarHeader = std::array<char, kTarBlock>;

void put_text(TarHeader& header, TarField field, std::string_view text) {
    text.substr(0, field.length).copy(header.data() + field.at, field.length);
}

void put_octal(TarHeader& header, TarField field, std::uint64_t number) {
    put_text(header, field, fmt::format("{:0{}o}", number, field.length - 1));
}

struct SplitName {
    std::string_view prefix;
    std::string_view name;
    bool fits = true;
};

SplitName split_name(std::string_view name) {
    if (name.size() <= kName.length) return {.name = name};
    for (std::size_t slash = name.find('/'); slash <= kPrefix.length && slash + 1 < name.size();
         slash = name.find('/', slash + 1)) {
        if (name.size() - slash - 1 <= kName.length && slash > 0)
            return {.prefix = name.substr(0, slash), .name = name.substr(slash + 1)};
    }
    return {.name = name.substr(0, kName.length), .fits = false};
}

void append_tar_header(std::string& out, const SplitName& name, char type, unsigned mode,
                       std::uint64_t size, std::uint64_t time) {
    TarHeader header{};
    put_text(header, kName, name.name);
    put_text(header, kPrefix, name.prefix);
    put_octal(header, kMode, mode);
    put_octal(header, kUser, 0);
    put_octal(header, kGroup, 0);
    put_octal(header, kSize, size);
    put_octal(header, kTime, time);
    header[kType.at] = type;
    put_text(header, kMagic, std::string_view("ustar\00000", kMagic.length));
    put_text(header, kSum, "        ");
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    put_text(header, kSum, fmt::format("{:06o}", sum));
    header[kSum.at + 6] = '\0';
    out.append(header.data(), header.size());
}

// "LENGTH key=value\n", where the length counts itself.
void append_record(std::string& out, std::string_view key, std::string_view value) {
    const std::size_t rest = key.size() + value.size() + 3;
    std::size_t length = rest + 1;
    while (length != rest + fmt::formatted_size("{}", length)) ++length;
    fmt::format_to(std::back_inserter(out), "{} {}={}\n", length, key, value);
}

std::string decimal_time(FileTime time) {
    const bool negative = time.seconds < 0;
    auto seconds = static_cast<std::uint64_t>(negative ? -time.seconds : time.seconds);
    auto nanoseconds = time.nanoseconds;
    if (negative && nanoseconds > 0) {
        --seconds;
        nanoseconds = 1'000'000'000 - nanoseconds;
    }
    std::string text = fmt::format("{}{}", negative ? "-" : "", seconds);
    if (nanoseconds > 0) fmt::format_to(std::back_inserter(text), ".{:09}", nanoseconds);
    return text;
}

bool is_ascii(std::string_view name) {
    return std::all_of(name.begin(), name.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool is_octal_time(FileTime time) {
    return time.nanoseconds == 0 && time.seconds >= 0 &&
           static_cast<std::uint64_t>(time.seconds) <= kMostOctal;
}

std::string records_of(const ArchiveMember& member, bool fits) {
    std::string records;
    const bool utf8 = is_utf8(member.name);
    if (!fits && !utf8) append_record(records, "hdrcharset", "BINARY");
    if (!fits || (utf8 && !is_ascii(member.name))) append_record(records, "path", member.name);
    if (member.size > kMostOctal) append_record(records, "size", fmt::format("{}", member.size));
    if (!is_octal_time(member.mtime)) append_record(records, "mtime", decimal_time(member.mtime));
    return records;
}

} // namespace

void append_tar_head(std::string& out, const ArchiveMember& member) {
    const SplitName name = split_name(member.name);
    std::string records = records_of(member, name.fits);
    if (!records.empty()) {
        append_tar_header(out, {.name = "PaxHeaders/member"}, 'x', 0644, records.size(), 0);
        records.append(tar_padding(records.size()), '\0');
        out.append(records);
    }
    const auto seconds = std::clamp<std::int64_t>(member.mtime.seconds, 0, kMostOctal);
    append_tar_header(out, name, member.folder ? '5' : '0', member.mode(),
                      member.size > kMostOctal ? 0 : member.size,
                      static_cast<std::uint64_t>(seconds));
}

std::uint64_t tar_head_size(const ArchiveMember& member) {
    const std::uint64_t records = records_of(member, split_name(member.name).fits).size();
    return kTarBlock + (records > 0 ? kTarBlock + records + tar_padding(records) : 0);
}

} // namespace fsrv::content
