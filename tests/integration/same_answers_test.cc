// No cache is a way round: odd requests get the same answers with and without them, the first time
// and again, from the loop and from the pool.

#include "tests/support/files.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <filesystem>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace fsrv::test {
namespace {

namespace fs = std::filesystem;

// Of what differs by rights there is nothing but the time, and multipart's delimiter.
std::string comparable(const Response& response) {
    std::string text = response.head + response.body;
    for (std::size_t at = 0; (at = text.find("\r\nDate: ", at)) != std::string::npos;)
        text.erase(at, text.find("\r\n", at + 2) - at);
    const std::string type = response.field("Content-Type").value_or("");
    if (const std::size_t mark = type.find("boundary="); mark != std::string::npos) {
        const std::string delimiter = type.substr(mark + 9);
        for (std::size_t at = 0; (at = text.find(delimiter, at)) != std::string::npos;)
            text.replace(at, delimiter.size(), "DELIMITER");
    }
    return text;
}

std::vector<std::string> odd_requests(const std::string& etag) {
    const char* targets[] = {"/small",
                             "/%73mall",
                             "//small",
                             "/small?x",
                             "/d/../small",
                             "/./small",
                             "/small/",
                             "/files?path=small",
                             "/files?path=%2Fsmall",
                             "/large",
                             "/empty",
                             "/link",
                             "/none",
                             "/d",
                             "/.hidden",
                             "/small%00",
                             "/small%2F..",
                             "/SMALL"};
    const std::string fields[] = {
        "",
        "Range: bytes=0-0\r\n",
        "Range: bytes=5-9,20-29\r\n",
        "Range: bytes=99999999-\r\n",
        "Range: bytes=-3\r\n",
        "range: Bytes = 1-2\r\n",
        "If-None-Match: " + etag + "\r\n",
        "If-None-Match: *\r\n",
        "If-Match: \"other\"\r\n",
        "If-Modified-Since: Tue, 01 Jan 2030 00:00:00 GMT\r\n",
        "If-Unmodified-Since: Tue, 01 Jan 1991 00:00:00 GMT\r\n",
        "If-Range: " + etag + "\r\nRange: bytes=1-5\r\n",
        "If-Range: \"other\"\r\nRange: bytes=1-5\r\n",
        "Accept: application/json\r\n",
        "Content-Length: 3\r\n\r\nabc",
        "Connection: close\r\n",
    };
    std::vector<std::string> requests;
    for (const char* target : targets) {
        for (const std::string& field : fields) {
            const bool body = field.ends_with("abc");
            const std::string end = body ? "" : "\r\n";
            for (const char* method : {"GET ", "HEAD "})
                requests.push_back(std::string(method) + target +
                                   " HTTP/1.1\r\nHost: localhost\r\n" + field + end);
        }
        requests.push_back(std::string("GET ") + target + " HTTP/1.0\r\n\r\n");
        requests.push_back(std::string("DELETE ") + target +
                           " HTTP/1.1\r\nHost: localhost\r\n\r\n");
        requests.push_back(std::string("GET http://localhost") + target +
                           " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    return requests;
}

TEST(SameAnswers, ComeFromEveryCacheAndFromNone) {
    const TempDir root;
    fs::create_directory(root / "d");
    for (const auto& [name, size] : {std::pair{"small", 3'000}, {"large", 700'000}, {"empty", 0}}) {
        write_pattern(root / name, static_cast<std::uint64_t>(size));
        set_mtime(root / name);
    }
    write_file(root / ".hidden", "secret");
    fs::create_symlink("small", root / "link");
    const Server with(root.path(), {"--workers", "1"});
    const Server without(root.path(), {"--workers", "1", "--cache-files", "0"});
    const Server threads(root.path(), {"--workers", "1", "--io", "threads"});
    const std::string etag = fetch(with.port(), "/small").field("ETag").value_or("no tag");
    const std::vector<std::string> requests = odd_requests(etag);
    ASSERT_GE(requests.size(), 200U);
    const auto answer = [](const Server& server, const std::string& request) {
        RawClient client(server.port());
        return client.ask(request, request.starts_with("HEAD "));
    };
    unsigned bodies = 0;
    for (const std::string& request : requests) {
        const Response expected = answer(threads, request);
        EXPECT_TRUE(expected.complete()) << request;
        bodies += expected.status == 200 && !expected.body.empty() ? 1 : 0;
        for (const Server* server : {&with, &without}) {
            for (int time = 0; time < 2; ++time) {
                EXPECT_EQ(comparable(answer(*server, request)), comparable(expected))
                    << request << (server == &with ? "with caches" : "without");
            }
        }
    }
    EXPECT_GT(bodies, 50U) << "most of it was no answer at all";
}

} // namespace
} // namespace fsrv::test
