// The writers of archives, read back by hand.
#include "worker/content/archive_tar.h"
#include "worker/content/archive_zip.h"

#include <cstring>
#include <gtest/gtest.h>
#include <map>

namespace fsrv::content {
namespace {

constexpr FileTime kPlain{1'700'000'000, 0};
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

std::string repeated(std::string_view part, std::size_t times) {
    std::string out;
    for (std::size_t i = 0; i < times; ++i) out += part;
    return out;
}

// A head of tar as a reader takes it: pax records, then ustar.
struct TarRead {
    std::map<std::string, std::string> records;
    std::string name; // of ustar
    std::uint64_t size = 0;
    std::uint64_t time = 0;
    unsigned mode = 0;
    char type = 0;
    bool sound = true;

    std::string path() const { return records.contains("path") ? records.at("path") : name; }
};

std::string text_of(const char* at, std::size_t length) {
    return {at, ::strnlen(at, length)};
}

TarRead read_tar(const std::string& bytes) {
    TarRead read;
    std::size_t at = 0;
    while (true) {
        if (at + kTarBlock > bytes.size()) return {.sound = false};
        const char* header = bytes.data() + at;
        at += kTarBlock;
        const auto octal = [&](std::size_t from, std::size_t length) {
            return std::stoull(text_of(header + from, length), nullptr, 8);
        };
        unsigned sum = 0;
        for (std::size_t i = 0; i < kTarBlock; ++i)
            sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(header[i]);
        read.sound &= sum == octal(148, 8) && std::memcmp(header + 257, "ustar\00000", 8) == 0;
        read.type = header[156];
        read.size = octal(124, 12);
        if (read.type == 'x') {
            std::string_view records(bytes.data() + at, read.size);
            while (!records.empty()) {
                std::size_t used = 0;
                const std::size_t length = std::stoul(std::string(records), &used);
                const std::string_view record = records.substr(used + 1, length - used - 2);
                read.sound &= records[length - 1] == '\n';
                const auto equals = record.find('=');
                read.records[std::string(record.substr(0, equals))] = record.substr(equals + 1);
                records.remove_prefix(length);
            }
            at += read.size + tar_padding(read.size);
            continue;
        }
        const std::string prefix = text_of(header + 345, 155);
        read.name = (prefix.empty() ? "" : prefix + "/") + text_of(header, 100);
        read.time = octal(136, 12);
        read.mode = static_cast<unsigned>(octal(100, 8));
        read.sound &= at == bytes.size();
        return read;
    }
}

TEST(Tar, SaysByItsHeadWhatAMemberIs) {
    struct Row {
        std::string name;
        std::uint64_t size = 5;
        FileTime mtime = kPlain;
        bool folder = false;
        std::map<std::string, std::string> records = {};
    };
    const std::string umlaut = "\xC3\xBC";
    const std::string deep = repeated("folder/", 20); // 140
    const std::string ninety = std::string(90, 'n');
    const std::string far = std::string(200, 'x') + "/" + std::string(120, 'y');
    const Row rows[] = {
        {.name = "a"},
        {.name = "folder/", .size = 0, .folder = true},
        {.name = std::string(100, 'n')},
        {.name = deep + ninety},
        {.name = std::string(155, 'p') + "/" + std::string(100, 'n')},
        {.name = std::string(156, 'p') + "/" + ninety,
         .records = {{"path", std::string(156, 'p') + "/" + ninety}}},
        {.name = std::string(101, 'n'), .records = {{"path", std::string(101, 'n')}}},
        {.name = std::string(100, 'n') + "/",
         .size = 0,
         .folder = true,
         .records = {{"path", std::string(100, 'n') + "/"}}},
        {.name = far, .records = {{"path", far}}},
        {.name = umlaut, .records = {{"path", umlaut}}},
        {.name = "no UTF-8 \xFF"},
        {.name = std::string(200, '\xFF'),
         .records = {{"hdrcharset", "BINARY"}, {"path", std::string(200, '\xFF')}}},
        {.name = "big", .size = 8 * kGiB - 1},
        {.name = "bigger", .size = 8 * kGiB, .records = {{"size", "8589934592"}}},
        {.name = "fraction",
         .mtime = {1'700'000'000, 5},
         .records = {{"mtime", "1700000000.000000005"}}},
        {.name = "early", .mtime = {-2, 500'000'000}, .records = {{"mtime", "-1.500000000"}}},
        {.name = "earlier", .mtime = {-7, 0}, .records = {{"mtime", "-7"}}},
        {.name = "late", .mtime = {077777777777, 0}},
        {.name = "later", .mtime = {077777777777 + 1, 0}, .records = {{"mtime", "8589934592"}}},
        // Records whose length counts itself: 99 and 100 bytes, and around.
        {.name = umlaut + std::string(88, 'r'),
         .records = {{"path", umlaut + std::string(88, 'r')}}},
        {.name = umlaut + std::string(89, 'r'),
         .records = {{"path", umlaut + std::string(89, 'r')}}},
        {.name = umlaut + std::string(90, 'r'),
         .records = {{"path", umlaut + std::string(90, 'r')}}},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.name.substr(0, 40));
        const ArchiveMember member{
            .name = row.name, .size = row.size, .mtime = row.mtime, .folder = row.folder};
        std::string head;
        append_tar_head(head, member);
        EXPECT_EQ(head.size(), tar_head_size(member));
        EXPECT_EQ(head.size() % kTarBlock, 0U);
        const TarRead read = read_tar(head);
        ASSERT_TRUE(read.sound);
        EXPECT_EQ(read.records, row.records);
        EXPECT_EQ(read.path(), row.name);
        EXPECT_EQ(read.type, row.folder ? '5' : '0');
        EXPECT_EQ(read.mode, row.folder ? 0755U : 0644U);
        if (!row.records.contains("size")) {
            EXPECT_EQ(read.size, row.size);
        }
        if (!row.records.contains("mtime")) {
            EXPECT_EQ(read.time, static_cast<std::uint64_t>(row.mtime.seconds));
        }
    }
}

TEST(Tar, PadsToBlocks) {
    EXPECT_EQ(tar_padding(0), 0U);
    EXPECT_EQ(tar_padding(1), 511U);
    EXPECT_EQ(tar_padding(511), 1U);
    EXPECT_EQ(tar_padding(512), 0U);
    EXPECT_EQ(tar_padding(513), 511U);
}

TEST(Tar, ProgramsStayPrograms) {
    std::string head;
    append_tar_head(head, {.name = "run", .mtime = kPlain, .executable = true});
    EXPECT_EQ(read_tar(head).mode, 0755U);
}

std::uint64_t number_at(std::string_view bytes, std::size_t at, std::size_t length) {
    std::uint64_t number = 0;
    for (std::size_t i = length; i-- > 0;)
        number = number << 8 | static_cast<unsigned char>(bytes[at + i]);
    return number;
}

struct ZipRow {
    std::string name = "f";
    std::uint64_t size = 5;
    std::uint64_t place = 0;
    FileTime mtime = kPlain;
    bool folder = false;
    bool utf8 = false;
    unsigned wide_in_head = 0; // numbers that stand elsewhere
    unsigned wide_in_entry = 0;
    std::uint32_t dos = 0x576EB1AA; // 2023-11-14 22:13:20
};

TEST(Zip, SaysByHeadAndEntryWhatAMemberIs) {
    const std::uint64_t edge = 0xFFFFFFFF;
    const ZipRow rows[] = {
        {},
        {.name = "folder/", .size = 0, .folder = true},
        {.name = "\xC3\xBC", .utf8 = true},
        {.name = "no UTF-8 \xFF"},
        {.size = edge - 1, .place = edge - 1},
        {.size = edge, .wide_in_head = 2, .wide_in_entry = 2},
        {.size = 5 * kGiB, .place = 6 * kGiB, .wide_in_head = 2, .wide_in_entry = 3},
        {.place = edge, .wide_in_entry = 1},
        {.mtime = {0, 0}, .dos = 0x00210000},
        {.mtime = {10'000'000'000, 0}, .dos = 0xFF9FBF7D},
    };
    for (const ZipRow& row : rows) {
        SCOPED_TRACE(row.name + " " + std::to_string(row.size) + " " + std::to_string(row.place));
        const ArchiveMember member{
            .name = row.name, .size = row.size, .mtime = row.mtime, .folder = row.folder};
        std::string head;
        append_zip_head(head, member, 0x12345678);
        EXPECT_EQ(head.size(), zip_head_size(member));
        std::string entry;
        append_zip_entry(entry, member, 0x12345678, row.place);
        EXPECT_EQ(entry.size(), zip_entry_size(member, row.place));
        struct Part {
            std::string_view bytes;
            std::uint64_t signature;
            std::size_t common; // where what both have begins
            std::size_t name;
            unsigned wide;
        };
        for (const Part& part : {Part{head, 0x04034B50, 4, 30, row.wide_in_head},
                                 Part{entry, 0x02014B50, 6, 46, row.wide_in_entry}}) {
            EXPECT_EQ(number_at(part.bytes, 0, 4), part.signature);
            EXPECT_EQ(number_at(part.bytes, part.common, 2), part.wide > 0 ? 45U : 20U);
            EXPECT_EQ(number_at(part.bytes, part.common + 2, 2), row.utf8 ? 0x800U : 0U)
                << "no descriptor follows";
            EXPECT_EQ(number_at(part.bytes, part.common + 4, 2), 0U);
            EXPECT_EQ(number_at(part.bytes, part.common + 6, 4), row.dos);
            EXPECT_EQ(number_at(part.bytes, part.common + 10, 4), 0x12345678U);
            EXPECT_EQ(number_at(part.bytes, part.common + 14, 4), std::min(row.size, edge));
            EXPECT_EQ(number_at(part.bytes, part.common + 18, 4), std::min(row.size, edge));
            EXPECT_EQ(number_at(part.bytes, part.common + 22, 2), row.name.size());
            EXPECT_EQ(part.bytes.substr(part.name, row.name.size()), row.name);
            std::string_view extra = part.bytes.substr(part.name + row.name.size());
            EXPECT_EQ(number_at(part.bytes, part.common + 24, 2), extra.size());
            if (part.wide > 0) {
                EXPECT_EQ(number_at(extra, 0, 2), 1U);
                EXPECT_EQ(number_at(extra, 2, 2), 8U * part.wide);
                std::size_t at = 4;
                if (row.size >= edge) {
                    EXPECT_EQ(number_at(extra, at, 8), row.size);
                    EXPECT_EQ(number_at(extra, at + 8, 8), row.size);
                    at += 16;
                }
                if (part.wide % 2 == 1) {
                    EXPECT_EQ(number_at(extra, at, 8), row.place);
                }
                extra.remove_prefix(4 + 8 * part.wide);
            }
            if (row.mtime.seconds > INT32_MAX) {
                EXPECT_TRUE(extra.empty());
            } else {
                ASSERT_EQ(extra.size(), 9U);
                EXPECT_EQ(number_at(extra, 0, 2), 0x5455U);
                EXPECT_EQ(number_at(extra, 5, 4), static_cast<std::uint64_t>(row.mtime.seconds));
            }
        }
        EXPECT_EQ(number_at(entry, 42, 4), std::min(row.place, edge));
        EXPECT_EQ(number_at(entry, 38, 4) >> 16, row.folder ? 040755U : 0100644U);
    }
}

TEST(Zip, EndsWideWhereItMust) {
    const std::uint64_t edge = 0xFFFFFFFF;
    for (const auto& [directory, wide] : {std::pair{ZipDirectory{0, 0, 0}, false},
                                          {{0xFFFE, edge - 1, edge - 1}, false},
                                          {{0xFFFF, 7, 8}, true},
                                          {{1, edge, 8}, true},
                                          {{1, 8, edge}, true}}) {
        std::string end;
        append_zip_end(end, directory);
        EXPECT_EQ(end.size(), zip_end_size(directory));
        EXPECT_EQ(end.size(), wide ? 98U : 22U);
        const std::string_view last = std::string_view(end).substr(end.size() - 22);
        EXPECT_EQ(number_at(last, 0, 4), 0x06054B50U);
        EXPECT_EQ(number_at(last, 10, 2), std::min<std::uint64_t>(directory.entries, 0xFFFF));
        EXPECT_EQ(number_at(last, 12, 4), std::min(directory.size, edge));
        EXPECT_EQ(number_at(last, 16, 4), std::min(directory.place, edge));
        if (!wide) continue;
        EXPECT_EQ(number_at(end, 0, 4), 0x06064B50U);
        EXPECT_EQ(number_at(end, 4, 8), 44U);
        EXPECT_EQ(number_at(end, 32, 8), directory.entries);
        EXPECT_EQ(number_at(end, 40, 8), directory.size);
        EXPECT_EQ(number_at(end, 48, 8), directory.place);
        EXPECT_EQ(number_at(end, 56 + 8, 8), directory.place + directory.size);
    }
}

TEST(Zip, CountsAsEverybody) {
    EXPECT_EQ(crc32(0, ""), 0U);
    EXPECT_EQ(crc32(0, "123456789"), 0xCBF43926U);
    const std::string text = repeated("The quick brown fox jumps over the lazy dog", 9);
    const std::uint32_t whole = crc32(0, text);
    for (std::size_t cut = 0; cut <= text.size(); ++cut)
        EXPECT_EQ(crc32(crc32(0, text.substr(0, cut)), text.substr(cut)), whole);
}

} // namespace
} // namespace fsrv::content
