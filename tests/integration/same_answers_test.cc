// No cache is a way round: odd requests get the same answers with and without them, the first time
// and again, from the loop and from the pool.

#include "tests/support/decode.h"
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

std::string coded_tag(const std::string& tag, const std::string& coding) {
    return tag.substr(0, tag.size() - 1) + "-" + coding + "\"";
}

std::vector<std::string> odd_requests(const std::string& etag, const std::string& page_tag,
                                      const std::string& log_tag) {
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
                             "/page.html",
                             "/page.html?x",
                             "/files?path=page.html",
                             "/noise.txt",
                             "/short.txt",
                             "/log.txt",
                             "/empty",
                             "/link",
                             "/none",
                             "/d",
                             "/d/?archive=tar",
                             "/small?archive=zip",
                             "/small?archive=x",
                             "/small?digests=sha256",
                             "/small?digests=x",
                             "/d/?metalink",
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
        "Accept-Encoding: gzip, deflate, br, zstd\r\n",
        "Accept-Encoding: gzip;q=0.9, br;q=0.8\r\n",
        "Accept-Encoding: identity;q=0\r\n",
        "Accept-Encoding: gzip\r\nAccept-Encoding: br\r\n",
        "Accept-Encoding: gzip\r\nRange: bytes=1-5\r\n",
        "Accept-Encoding: zstd\r\nCache-Control: no-transform\r\n",
        "Accept-Encoding: br\r\nIf-None-Match: " + page_tag + "\r\n",
        "Accept-Encoding: br\r\nIf-None-Match: " + coded_tag(page_tag, "br") + "\r\n",
        "Accept-Encoding: br\r\nIf-Match: " + coded_tag(page_tag, "br") + "\r\n",
        "Accept-Encoding: gzip\r\nIf-None-Match: W/" + coded_tag(log_tag, "gz") + "\r\n",
        "Accept-Encoding: br\r\nIf-Match: " + page_tag + "\r\n",
        "Accept-Encoding: br\r\nIf-Modified-Since: Tue, 01 Jan 2030 00:00:00 GMT\r\n",
        "Accept-Encoding: br\r\nConnection: close\r\n",
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
    write_file(root / "page.html", gaining_text(20'000));
    write_file(root / "short.txt", gaining_text(511));
    write_file(root / "log.txt", gaining_text((4 << 20) + 1));
    write_file(root / "noise.txt", noise(50'000));
    for (const char* name : {"page.html", "short.txt", "log.txt", "noise.txt"})
        set_mtime(root / name);
    fs::create_symlink("small", root / "link");
    const Server with(root.path(), {"--workers", "1"});
    const Server without(root.path(), {"--workers", "1", "--cache-files", "0"});
    const Server threads(root.path(), {"--workers", "1", "--io", "threads"});
    const auto tag_of = [&](const char* target) {
        return fetch(with.port(), target).field("ETag").value_or("no tag");
    };
    const std::vector<std::string> requests =
        odd_requests(tag_of("/small"), tag_of("/page.html"), tag_of("/log.txt"));
    ASSERT_GE(requests.size(), 200U);
    const auto answer = [](const Server& server, const std::string& request) {
        RawClient client(server.port());
        return client.ask(request, request.starts_with("HEAD "));
    };
    unsigned bodies = 0;
    unsigned coded = 0;
    for (const std::string& request : requests) {
        const Response expected = answer(threads, request);
        EXPECT_TRUE(expected.complete()) << request;
        bodies += expected.status == 200 && !expected.body.empty() ? 1 : 0;
        coded += expected.field("Content-Encoding") ? 1 : 0;
        for (const Server* server : {&with, &without}) {
            for (int time = 0; time < 2; ++time) {
                EXPECT_EQ(comparable(answer(*server, request)), comparable(expected))
                    << request << (server == &with ? "with caches" : "without");
            }
        }
    }
    EXPECT_GT(bodies, 50U) << "most of it was no answer at all";
    EXPECT_GT(coded, 20U);
}

} // namespace
} // namespace fsrv::test
