#include "tests/support/files.h"
#include "worker/content/mime.h"

#include <gtest/gtest.h>
#include <string>
#include <sys/stat.h>

namespace fsrv::content {
namespace {

TEST(MimeTypes, KnowWhatPeopleDownloadWithoutTheSystemsTable) {
    struct Row {
        std::string_view name, type;
    };
    const Row rows[] = {
        {"a.html", "text/html; charset=utf-8"},
        {"a.txt", "text/plain; charset=utf-8"},
        {"a.js", "text/javascript; charset=utf-8"},
        {"a.mjs", "text/javascript; charset=utf-8"},
        {"a.css", "text/css; charset=utf-8"},
        {"README.md", "text/markdown; charset=utf-8"},
        {"a.json", "application/json; charset=utf-8"},
        {"a.jsonl", "application/jsonl; charset=utf-8"},
        {"a.xml", "application/xml; charset=utf-8"},
        {"a.xhtml", "application/xhtml+xml; charset=utf-8"},
        {"a.webmanifest", "application/manifest+json; charset=utf-8"},
        {"a.svg", "image/svg+xml"},
        {"a.png", "image/png"},
        {"a.JPG", "image/jpeg"},
        {"a.wasm", "application/wasm"},
        {"a.woff2", "font/woff2"},
        {"a.mp4", "video/mp4"},
        {"a.webm", "video/webm"},
        {"a.mkv", "video/matroska"},
        {"a.m3u8", "application/vnd.apple.mpegurl"},
        {"a.flac", "audio/flac"},
        {"a.opus", "audio/ogg"},
        {"a.pdf", "application/pdf"},
        {"a.tar.gz", "application/gzip"},
        {"a.tar", "application/x-tar"},
        {"a.zst", "application/zstd"},
        {"a.xz", "application/x-xz"},
        {"a.7z", "application/x-7z-compressed"},
        {"a.iso", "application/x-iso9660-image"},
        {"a.deb", "application/vnd.debian.binary-package"},
        {"a.rpm", "application/x-rpm"},
        // unknown
        {"a", "application/octet-stream"},
        {"", "application/octet-stream"},
        {".", "application/octet-stream"},
        {"a.", "application/octet-stream"},
        {".html", "application/octet-stream"},
        {"html", "application/octet-stream"},
        {"a.html~", "application/octet-stream"},
        {"a.html ", "application/octet-stream"},
        {"a.no-such-extension", "application/octet-stream"},
        {"a.html.\xff", "application/octet-stream"},
    };
    const MimeTypes types;
    for (const Row& row : rows) EXPECT_EQ(types.of(row.name), row.type) << row.name;
    EXPECT_EQ(types.of("a." + std::string(100'000, 'x')), "application/octet-stream");
}

TEST(MimeTypes, TheSystemsTableWinsAndItsOddLinesDoNoHarm) {
    const test::TempDir dir;
    test::write_file(dir / "mime.types", "# comment\n"
                                         "application/x-mine\tMINE Mine2 # rest\r\n"
                                         "text/x-replaced txt\n"
                                         "application/only-a-type\n"
                                         "no-slash nope1\n"
                                         "a/b/c nope2\n"
                                         "text/html;charset=x nope3\n"
                                         "/x nope4\n"
                                         "x/ nope5\n"
                                         "bad\"type/x nope6\n"
                                         "   TEXT/X-Upper   upper\n"
                                         "application/x-long " +
                                             std::string(1000, 'e') +
                                             "\n"
                                             "application/x-last last"); // no line feed
    MimeTypes types;
    types.load((dir / "mime.types").string());
    EXPECT_EQ(types.of("a.mine"), "application/x-mine");
    EXPECT_EQ(types.of("a.MINE2"), "application/x-mine");
    EXPECT_EQ(types.of("a.txt"), "text/x-replaced; charset=utf-8");
    EXPECT_EQ(types.of("a.upper"), "text/x-upper; charset=utf-8");
    EXPECT_EQ(types.of("a.last"), "application/x-last");
    EXPECT_EQ(types.of("a.png"), "image/png") << "the built-in table stays below";
    for (const char* name :
         {"a.nope1", "a.nope2", "a.nope3", "a.nope4", "a.nope5", "a.nope6", "a.rest", "a.#"})
        EXPECT_EQ(types.of(name), "application/octet-stream") << name;
    EXPECT_EQ(types.of("a." + std::string(1000, 'e')), "application/octet-stream");
}

struct Browsers {
    std::string_view name, type;
};
constexpr Browsers kForBrowsers[] = {
    {"a.html", "text/html; charset=utf-8"},
    {"a.xhtml", "application/xhtml+xml; charset=utf-8"},
    {"a.css", "text/css; charset=utf-8"},
    {"a.js", "text/javascript; charset=utf-8"},
    {"a.mjs", "text/javascript; charset=utf-8"},
    {"a.json", "application/json; charset=utf-8"},
    {"a.webmanifest", "application/manifest+json; charset=utf-8"},
    {"a.wasm", "application/wasm"},
    {"a.pdf", "application/pdf"},
    {"a.svg", "image/svg+xml"},
    {"a.png", "image/png"},
    {"a.jpeg", "image/jpeg"},
    {"a.gif", "image/gif"},
    {"a.webp", "image/webp"},
    {"a.AVIF", "image/avif"},
    {"a.jxl", "image/jxl"},
    {"a.ico", "image/vnd.microsoft.icon"},
    {"a.mp3", "audio/mpeg"},
    {"a.m4a", "audio/mp4"},
    {"a.cmfa", "audio/mp4"},
    {"a.opus", "audio/ogg"},
    {"a.ogg", "audio/ogg"},
    {"a.flac", "audio/flac"},
    {"a.wav", "audio/wav"},
    {"a.weba", "audio/webm"},
    {"a.mp4", "video/mp4"},
    {"a.cmaf", "video/mp4"},
    {"a.cmfv", "video/mp4"},
    {"a.m4s", "video/iso.segment"},
    {"a.webm", "video/webm"},
    {"a.ogv", "video/ogg"},
    {"a.mov", "video/quicktime"},
    {"segment1.ts", "video/mp2t"},
    {"a.m2ts", "video/mp2t"},
    {"a.m3u8", "application/vnd.apple.mpegurl"},
    {"a.mpd", "application/dash+xml; charset=utf-8"},
    {"a.vtt", "text/vtt; charset=utf-8"},
    {"a.woff", "font/woff"},
    {"a.woff2", "font/woff2"},
    {"a.ttf", "font/ttf"},
    {"a.otf", "font/otf"},
};

TEST(MimeTypes, WhatBrowsersPlayOrRunIsNotTheSystemsToSay) {
    const test::TempDir dir;
    std::string table = "application/x-mine mine\n";
    for (const Browsers& row : kForBrowsers)
        table.append("text/x-linguist ").append(row.name.substr(row.name.find('.') + 1)) += '\n';
    test::write_file(dir / "mime.types", table);
    MimeTypes types;
    types.load((dir / "mime.types").string());
    types.load(); // the machine's own: Debian's has .ts for a linguist
    for (const Browsers& row : kForBrowsers) EXPECT_EQ(types.of(row.name), row.type) << row.name;
    EXPECT_EQ(types.of("a.mine"), "application/x-mine");
}

TEST(MimeTypes, ATableThatCannotBeReadIsNoError) {
    const test::TempDir dir;
    test::write_file(dir / "big", "application/x-big big\n" + std::string(1024 * 1024, '\n'));
    test::write_file(dir / "limit",
                     "application/x-limit limit\n" + std::string(1024 * 1024 - 26, '\n'));
    ASSERT_EQ(::mkfifo((dir / "fifo").c_str(), 0644), 0);
    MimeTypes types;
    for (const char* name : {"missing", "big", "fifo", ".", "limit"})
        types.load((dir / name).string());
    EXPECT_EQ(types.of("a.big"), "application/octet-stream");
    EXPECT_EQ(types.of("a.limit"), "application/x-limit");
    EXPECT_EQ(types.of("a.html"), "text/html; charset=utf-8");
}

TEST(MimeTypes, TheMachinesOwnTableCanBeLoaded) {
    MimeTypes types;
    types.load();
    EXPECT_EQ(types.of("a.html"), "text/html; charset=utf-8");
    EXPECT_EQ(types.of("a.js"), "text/javascript; charset=utf-8");
    EXPECT_EQ(types.of("a.mp4"), "video/mp4");
}

} // namespace
} // namespace fsrv::content
