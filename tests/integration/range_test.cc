// Ranges over the wire, byte by byte: around the chunk size, the ends of files, 4 GiB and 1 TiB.

#include "tests/support/files.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include "common/limits.h"

#include <gtest/gtest.h>
#include <set>

namespace fsrv::test {
namespace {

constexpr std::uint64_t kChunk = limits::kChunkBytes;
constexpr std::uint64_t kGiB = 1024ULL * 1024 * 1024;

class Ranges : public testing::TestWithParam<const char*> {
  protected:
    Server make_server() { return Server(root_.path(), {"--workers", "1", "--io", GetParam()}); }
    TempDir root_;
};

// What fsrv answers to "bytes=FIRST-LAST" of a file of `size` bytes that holds the pattern.
void expect_slice(RawClient& client, const std::string& target, std::uint64_t size,
                  std::uint64_t first, std::uint64_t last) {
    const std::string range = std::to_string(first) + "-" + std::to_string(last);
    SCOPED_TRACE(target + " bytes=" + range);
    const Response response = client.ask(get(target, "Range: bytes=" + range + "\r\n"));
    ASSERT_TRUE(response.complete()) << got_name(response.got) << response.problem;
    if (first > last || first >= size) {
        EXPECT_EQ(response.status, 416);
        EXPECT_EQ(response.field("Content-Range").value_or(""), "bytes */" + std::to_string(size));
        return;
    }
    const std::uint64_t end = std::min(last, size - 1);
    EXPECT_EQ(response.status, 206);
    EXPECT_EQ(response.field("Content-Range").value_or(""), "bytes " + std::to_string(first) + "-" +
                                                                std::to_string(end) + "/" +
                                                                std::to_string(size));
    EXPECT_EQ(response.body.size(), end - first + 1);
    EXPECT_EQ(pattern_mismatch(response.body, first), std::nullopt);
}

TEST_P(Ranges, AreExactAroundEveryBoundary) {
    const std::uint64_t sizes[] = {1, kChunk - 1, kChunk, kChunk + 1, 3 * kChunk + 17};
    for (const std::uint64_t size : sizes) write_pattern(root_ / std::to_string(size), size);
    Server server = make_server();
    for (const std::uint64_t size : sizes) {
        std::set<std::uint64_t> edges = {0,          1,      65535,      65536,
                                         kChunk - 1, kChunk, kChunk + 1, 2 * kChunk,
                                         size - 1,   size,   size + 1};
        if (size > 1) edges.insert(size - 2);
        RawClient client(server.port());
        for (const std::uint64_t first : edges)
            for (const std::uint64_t last : edges)
                if (first <= size + 1)
                    expect_slice(client, "/" + std::to_string(size), size, first, last);
        const Response whole = client.ask(get("/" + std::to_string(size)));
        EXPECT_EQ(whole.body.size(), size);
        EXPECT_EQ(pattern_mismatch(whole.body, 0), std::nullopt);
        for (const std::uint64_t suffix :
             {std::uint64_t{1}, kChunk - 1, kChunk + 1, size, size + 1}) {
            const Response tail = client.ask(get(
                "/" + std::to_string(size), "Range: bytes=-" + std::to_string(suffix) + "\r\n"));
            const std::uint64_t length = std::min(suffix, size);
            EXPECT_EQ(tail.status, 206);
            EXPECT_EQ(tail.body.size(), length);
            EXPECT_EQ(pattern_mismatch(tail.body, size - length), std::nullopt);
        }
    }
}

TEST_P(Ranges, OfSeveralKindsComeInOneAnswer) {
    const std::uint64_t size = 3 * kChunk + 17;
    write_pattern(root_ / "f", size);
    Server server = make_server();
    const std::string last = std::to_string(size - 1), edge = std::to_string(kChunk);
    struct Multi {
        std::string ranges;
        std::vector<std::pair<std::uint64_t, std::uint64_t>> parts;
    };
    const Multi table[] = {
        {"0-0,-1", {{0, 0}, {size - 1, size - 1}}},
        {"0-" + edge + "," + edge + "-" + edge, {{0, kChunk}, {kChunk, kChunk}}},
        {last + "-,0-0,1-1", {{size - 1, size - 1}, {0, 0}, {1, 1}}},
        {"1-" + std::to_string(kChunk + 5) + ",-" + edge,
         {{1, kChunk + 5}, {size - kChunk, size - 1}}},
        {"0-9,0-9,0-9", {{0, 9}, {0, 9}, {0, 9}}},
    };
    RawClient client(server.port());
    for (const Multi& row : table) {
        SCOPED_TRACE(row.ranges);
        const Response response = client.ask(get("/f", "Range: bytes=" + row.ranges + "\r\n"));
        EXPECT_EQ(response.status, 206);
        const auto parts = parse_byteranges(response);
        ASSERT_TRUE(parts.has_value()) << response.head;
        ASSERT_EQ(parts->size(), row.parts.size());
        for (std::size_t i = 0; i < parts->size(); ++i) {
            const BytesPart& part = (*parts)[i];
            EXPECT_EQ(std::pair(part.first, part.last), row.parts[i]);
            EXPECT_EQ(pattern_mismatch(part.bytes, part.first), std::nullopt);
        }
    }
}

// 1,300 ranges that overlap (CVE-2011-3192) cost an answer, not a server.
TEST_P(Ranges, OfNoUseGetTheWholeFile) {
    write_pattern(root_ / "f", 1000);
    Server server = make_server();
    std::string bomb = "0-", tiny = "0-0";
    for (int i = 0; i < 1300; ++i) bomb += ",5-" + std::to_string(i + 5);
    for (int i = 1; i < 1500; ++i)
        tiny += "," + std::to_string(2 * i % 1000) + "-" + std::to_string(2 * i % 1000);
    RawClient client(server.port());
    for (const std::string& ranges : {bomb, tiny}) {
        const Response response = client.ask(get("/f", "Range: bytes=" + ranges + "\r\n"));
        EXPECT_EQ(response.status, 200);
        EXPECT_TRUE(is_pattern(response.body, 0, 1000));
    }
}

// Windows of the pattern in files that are holes otherwise: past 2^32, past 2^31, at the very end.
TEST_P(Ranges, AreExactInFilesOfManyGigabytes) {
    struct Giant {
        const char* name;
        std::uint64_t size;
        std::vector<std::uint64_t> windows;
    };
    constexpr std::uint64_t kWindow = 2 * kChunk;
    const Giant giants[] = {
        {"5GiB", 5 * kGiB, {2 * kGiB - kChunk, 4 * kGiB - kChunk, 5 * kGiB - kWindow}},
        {"1TiB", 1024 * kGiB, {4 * kGiB - kChunk, 512 * kGiB - 1, 1024 * kGiB - kWindow}},
    };
    for (const Giant& giant : giants) {
        make_sparse(root_ / giant.name, giant.size);
        for (const std::uint64_t at : giant.windows)
            write_at(root_ / giant.name, at, pattern(at, kWindow));
        set_mtime(root_ / giant.name);
    }
    Server server = make_server();
    for (const Giant& giant : giants) {
        RawClient client(server.port());
        const std::string target = "/" + std::string(giant.name);
        EXPECT_EQ(client.ask(head(target), true).content_length(), giant.size);
        for (const std::uint64_t at : giant.windows)
            expect_slice(client, target, giant.size, at, at + kWindow - 1);
        expect_slice(client, target, giant.size, 4 * kGiB - 1, 4 * kGiB);
        expect_slice(client, target, giant.size, giant.size - 4, giant.size + 100);
        expect_slice(client, target, giant.size, giant.size, giant.size);
        const Response last = client.ask(get(target, "Range: bytes=-1\r\n"));
        EXPECT_TRUE(is_pattern(last.body, giant.size - 1, 1));
        const Response ends = client.ask(get(target, "Range: bytes=0-0,-4\r\n"));
        const auto parts = parse_byteranges(ends);
        ASSERT_TRUE(parts && parts->size() == 2) << ends.head;
        EXPECT_EQ((*parts)[0].bytes, std::string(1, '\0'));
        EXPECT_TRUE(is_pattern((*parts)[1].bytes, giant.size - 4, 4));
        // A whole download begins, and the client leaves.
        client.send(get(target));
        EXPECT_EQ(client.read_head().content_length(), giant.size);
        EXPECT_EQ(client.read_bytes(kChunk), std::string(kChunk, '\0'));
        client.reset();
    }
}

INSTANTIATE_TEST_SUITE_P(Io, Ranges, testing::Values("threads", "inline", "auto"),
                         [](const auto& mode) { return std::string(mode.param); });

} // namespace
} // namespace fsrv::test
