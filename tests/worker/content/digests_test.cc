// What a store makes of digests: of open files, lists for folders, metalinks. That other programs
// read them is tests/integration/digests_test.cc.
#include "common/crypto/base64.h"
#include "common/limits.h"
#include "tests/worker/content/support.h"
#include "worker/content/digest_sums.h"
#include "worker/content/file_hash.h"
#include "worker/content/metalink.h"

#include <algorithm>
#include <filesystem>
#include <gtest/gtest.h>

namespace fsrv::content {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;

std::string hex_of(std::string_view bytes) {
    return crypto::encode_hex(crypto::sha256(bytes).view());
}

std::string line_of(std::string_view bytes, const std::string& name) {
    return hex_of(bytes) + "  " + name + "\n";
}

// All that a stream makes, in rooms of that size.
std::string made_by(http::Producer& producer, std::size_t room,
                    http::Producer::State expected = http::Producer::State::end) {
    std::string all;
    std::string piece(room, 0);
    for (;;) {
        const http::Producer::Made made = producer.produce(piece);
        all.append(piece, 0, made.bytes);
        if (made.state == http::Producer::State::more) continue;
        EXPECT_EQ(made.state, expected);
        return all;
    }
}

http::Producer* stream_of(const http::FindResult& found) {
    if (!found || found->body.segments.size() != 1) return nullptr;
    const auto* const stream = std::get_if<http::Stream>(&found->body.segments.front());
    return stream ? stream->producer.get() : nullptr;
}

class Digests : public testing::Test {
  protected:
    Digests() { tree_.folder("d/sub"); }
    http::FindResult find(const std::string& origin, const Ask& ask) const {
        return store_.find(*http::parse_target(origin), ask);
    }
    http::FindResult find(const std::string& origin) const {
        return find(origin, Ask{.scheme = "https", .host = "h:1"});
    }
    std::string sums(const std::string& origin, std::size_t room = 4'096) const {
        const http::FindResult found = find(origin);
        http::Producer* const stream = stream_of(found);
        EXPECT_NE(stream, nullptr) << origin;
        return stream ? made_by(*stream, room) : "";
    }
    std::shared_ptr<const http::OpenFile> open(const std::string& name) const {
        const http::FindResult found = find("/" + name);
        return std::get<http::FileExtent>(found->body.segments.front()).file;
    }

    Tree tree_;
    LocalStore store_{tree_.config(), MimeTypes()};
};

TEST_F(Digests, AFileSettlesASecondAfterItsLastChange) {
    const FileTime now{.seconds = 1'000'000, .nanoseconds = 0};
    const FileTime old{.seconds = 900'000, .nanoseconds = 0};
    const auto before = [&](std::int64_t ns) {
        const std::int64_t at = now.seconds * kSecondNs - ns;
        return FileTime{.seconds = at / kSecondNs, .nanoseconds = at % kSecondNs};
    };
    const struct {
        FileTime mtime, ctime;
        bool local;
        std::int64_t settles_in_ns;
    } rows[] = {
        {old, old, true, 0},
        {before(kSecondNs), old, true, 0},
        {before(kSecondNs - 1), old, true, 1},
        {before(0), old, true, kSecondNs},
        {old, before(kSecondNs / 2), true, kSecondNs / 2},
        {before(kSecondNs / 4), before(kSecondNs / 2), true, kSecondNs / 4 * 3},
        {before(-kSecondNs / 2), old, true, kSecondNs / 2 * 3}, // a little in the future
        {before(-kSecondNs), old, true, 0},                     // a clock was set
        {before(2 * kSecondNs), old, true, 0},
        {before(2 * kSecondNs), old, false, kSecondNs},
        {before(3 * kSecondNs), old, false, 0},
    };
    for (const auto& row : rows) {
        http::OpenFile file;
        file.mtime = row.mtime;
        file.ctime = row.ctime;
        file.local = row.local;
        EXPECT_EQ(settles_in_ns(file, now), row.settles_in_ns)
            << row.mtime.seconds << " " << row.ctime.seconds;
    }
}

TEST_F(Digests, OfAFileAreComputedAPartAtATime) {
    const std::string bytes = test::pattern(0, 1'000'000);
    tree_.file("f", bytes);
    for (const std::uint64_t piece : {0ULL, 1ULL << 18, 1'000'000ULL, 1ULL << 20}) {
        for (const std::uint64_t most : {100'000ULL, 1'000'000ULL, 1ULL << 30}) {
            SCOPED_TRACE(std::to_string(piece) + " " + std::to_string(most));
            FileHash hash(open("f"), piece);
            auto state = FileHash::State::more;
            while (state == FileHash::State::more) state = hash.go_on(most);
            ASSERT_EQ(state, FileHash::State::done);
            EXPECT_EQ(hash.whole(), crypto::sha256(bytes));
            std::vector<crypto::Digest> pieces;
            for (std::size_t at = 0; piece > 0 && at < bytes.size(); at += piece)
                pieces.push_back(crypto::sha256(std::string_view(bytes).substr(at, piece)));
            EXPECT_EQ(hash.pieces(), pieces);
        }
    }
}

TEST_F(Digests, OfAFileThatChangesUnderWayAreNotTold) {
    using Change = void (*)(const std::string&);
    const std::pair<const char*, Change> changes[] = {
        {"written", [](const std::string& path) { test::write_at(path, 0, "X"); }},
        {"grown", [](const std::string& path) { test::append_file(path, "X"); }},
        {"cut", [](const std::string& path) { std::filesystem::resize_file(path, 5); }},
        {"dated back",
         [](const std::string& path) {
             test::write_at(path, 0, "X");
             test::set_mtime(path);
         }},
        {"chmod", [](const std::string& path) { ASSERT_EQ(::chmod(path.c_str(), 0600), 0); }},
    };
    std::vector<std::unique_ptr<FileHash>> begun;
    for (const auto& [what, change] : changes) {
        tree_.file(what, std::string(100'000, 'f'));
        test::set_mtime(tree_.at(what));
        begun.push_back(std::make_unique<FileHash>(open(what)));
    }
    std::size_t i = 0;
    for (const auto& [what, change] : changes) {
        SCOPED_TRACE(what);
        FileHash& hash = *begun[i++];
        while (hash.go_on(1) == FileHash::State::more &&
               settles_in_ns(hash.file(), wall_now()) > 0) {
        }
        change(tree_.at(what));
        auto state = FileHash::State::more;
        while (state == FileHash::State::more) state = hash.go_on(1'000);
        EXPECT_EQ(state, FileHash::State::changed);
    }
}

TEST_F(Digests, NamesAreEscapedAsSha256sumDoes) {
    const std::string hex = hex_of("x");
    const std::pair<const char*, std::string> rows[] = {
        {"a", hex + "  a\n"},
        {"a b  c*", hex + "  a b  c*\n"},
        {"sub/a", hex + "  sub/a\n"},
        {"a\\b", "\\" + hex + "  a\\\\b\n"},
        {"a\nb", "\\" + hex + "  a\\nb\n"},
        {"a\rb", "\\" + hex + "  a\\rb\n"},
        {"\xff", hex + "  \xff\n"},
        {"#a", hex + "  #a\n"},
        {"-", hex + "  ./-\n"}, // else standard input
    };
    for (const auto& [name, line] : rows) {
        std::string out;
        append_sum(out, crypto::sha256("x"), name);
        EXPECT_EQ(out, line);
    }
}

TEST_F(Digests, OfAFolderAreAListOfWhatAListingShows) {
    tree_.file("d/b", "B");
    tree_.file("d/a", "A");
    tree_.file("d/empty", "");
    tree_.file("d/sub/c", "C");
    tree_.file("d/.hidden", "H");
    tree_.fifo("d/fifo");
    tree_.link("a", "d/link");
    tree_.link("../../outside/secret.txt", "d/out");
    const std::string expected = line_of("A", "a") + line_of("B", "b") + line_of("", "empty") +
                                 line_of("A", "link") + line_of("C", "sub/c");
    for (const std::size_t room : {4'096U, 64U, 7U})
        EXPECT_EQ(sums("/d/?digests=sha256", room), expected);
    EXPECT_EQ(store_.known_digests().whole.count(), 4U);
    EXPECT_EQ(sums("/?digests=sha256").substr(64, 5), "  d/a") << "of the root, names begin at it";
    const http::FindResult found = find("/d/?digests=sha256");
    EXPECT_EQ(found->content_type, "text/plain; charset=utf-8");
    EXPECT_FALSE(found->validators);
}

TEST_F(Digests, WhatIsKnownIsNotReadAgain) {
    tree_.file("d/a", "A");
    EXPECT_EQ(sums("/d/?digests=sha256"), line_of("A", "a"));
    const auto file = open("d/a");
    ASSERT_TRUE(store_.known_digests().whole.find(version_of(*file)));
    tree_.file("d/b", "B");
    FileVersion version = version_of(*open("d/b"));
    store_.known_digests().whole.keep(version, crypto::sha256("told"));
    EXPECT_EQ(sums("/d/?digests=sha256"), line_of("A", "a") + line_of("told", "b"));
}

TEST_F(Digests, WhatChangesBeforeItsTurnIsLeftOut) {
    for (const char* name : {"d/a", "d/b", "d/c"}) tree_.file(name, name);
    const http::FindResult found = find("/d/?digests=sha256");
    ASSERT_NE(stream_of(found), nullptr);
    std::filesystem::remove(tree_.at("d/a"));
    tree_.file("d/b", "another");
    EXPECT_EQ(made_by(*stream_of(found), 4'096),
              "# left out, as it has changed: a\n# left out, as it has changed: b\n" +
                  line_of("d/c", "c"));
}

TEST_F(Digests, WhatIsNoFolderOrNoFileHasNone) {
    tree_.file("d/a", "A");
    const std::pair<const char*, int> rows[] = {
        {"/d?digests=sha256", 301}, {"/d/a?digests=sha256", 404}, {"/none/?digests=sha256", 404},
        {"/d/?metalink", 404},      {"/none?metalink", 404},      {"/d/a/?metalink", 404}};
    for (const auto& [origin, status] : rows) {
        const http::FindResult found = find(origin);
        ASSERT_FALSE(found) << origin;
        EXPECT_EQ(found.error().status, status) << origin;
    }
    const http::FindResult nowhere = find("/d/a?metalink", Ask{});
    ASSERT_FALSE(nowhere);
    EXPECT_EQ(nowhere.error().status, 400) << "no host";
    StoreConfig config = tree_.config();
    config.listing = false;
    const LocalStore unlisted(config, MimeTypes());
    EXPECT_EQ(unlisted.find(*http::parse_target("/d/?digests=sha256"), {}).error().status, 403);
}

TEST_F(Digests, FewStreamsAreMadeAtATime) {
    tree_.file("d/a", "A");
    std::vector<http::FindResult> under_way;
    for (unsigned i = 0; i < limits::kMostDigestStreams; ++i)
        under_way.push_back(find(i % 2 == 0 ? "/d/?digests=sha256" : "/d/a?metalink"));
    const http::FindResult refused = find("/d/?digests=sha256");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().status, 503);
    under_way.pop_back();
    EXPECT_TRUE(find("/d/?digests=sha256"));
}

TEST(MetalinkPieces, AreAPowerOfTwoAndNotTooMany) {
    constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
    const std::pair<std::uint64_t, std::uint64_t> rows[] = {
        {0, kMiB},
        {1, kMiB},
        {2'048 * kMiB, kMiB},
        {2'048 * kMiB + 1, 2 * kMiB},
        {4'096 * kMiB, 2 * kMiB},
        {100'000 * kMiB, 64 * kMiB},
        {(std::uint64_t{1} << 63) - 1, std::uint64_t{1} << 52},
    };
    for (const auto& [size, piece] : rows) EXPECT_EQ(piece_bytes_of(size), piece) << size;
}

TEST_F(Digests, AMetalinkIsTheSameMadeAtOnceAndAsAStream) {
    const std::string bytes = test::pattern(0, (3 << 20) + 5);
    tree_.file("d/a&\"<'\x01\xff.iso", bytes);
    const std::string origin = "/d/a%26%22%3C%27%01%FF.iso?x=1&metalink";
    http::FindResult found = find(origin);
    ASSERT_NE(stream_of(found), nullptr);
    const std::string streamed = made_by(*stream_of(found), 100);
    found = find(origin);
    ASSERT_TRUE(found && found->body.has_known_size()) << "known by now";
    EXPECT_EQ(read_body(found->body), streamed);
    EXPECT_EQ(found->content_type, "application/metalink4+xml");
    EXPECT_TRUE(found->content_disposition.find(".iso.meta4") != std::string::npos);
    std::string pieces;
    for (std::size_t at = 0; at < bytes.size(); at += 1 << 20)
        pieces +=
            "      <hash>" + hex_of(std::string_view(bytes).substr(at, 1 << 20)) + "</hash>\n";
    EXPECT_EQ(streamed, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                        "<metalink xmlns=\"urn:ietf:params:xml:ns:metalink\">\n"
                        "  <file name=\"a&amp;&quot;&lt;&#39;\xEF\xBF\xBD\xEF\xBF\xBD.iso\">\n"
                        "    <size>3145733</size>\n"
                        "    <url>https://h:1/d/a%26%22%3C%27%01%FF.iso?x=1</url>\n"
                        "    <hash type=\"sha-256\">" +
                            hex_of(bytes) +
                            "</hash>\n"
                            "    <pieces length=\"1048576\" type=\"sha-256\">\n" +
                            pieces + "    </pieces>\n  </file>\n</metalink>\n");
}

TEST_F(Digests, AMetalinkOfNothingHasNoPieces) {
    tree_.file("empty", "");
    const http::FindResult found = find("/empty?metalink");
    ASSERT_NE(stream_of(found), nullptr);
    const std::string text = made_by(*stream_of(found), 4'096);
    EXPECT_NE(text.find("<size>0</size>"), std::string::npos);
    EXPECT_NE(text.find(hex_of("")), std::string::npos);
    EXPECT_EQ(text.find("pieces"), std::string::npos);
}

TEST_F(Digests, AMetalinkOfAFileThatChangesUnderWayHasNoEnd) {
    tree_.file("f", std::string(100'000, 'f'));
    const http::FindResult found = find("/f?metalink");
    ASSERT_NE(stream_of(found), nullptr);
    tree_.file("f", std::string(100'000, 'g'));
    const std::string text = made_by(*stream_of(found), 4'096, http::Producer::State::changed);
    EXPECT_EQ(text.find("</metalink>"), std::string::npos);
}

} // namespace
} // namespace fsrv::content
