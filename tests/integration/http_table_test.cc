// Product sections 3 and 4, each row through the real binary, in every mode of reading files. Rows
// that only concern the soundness of a request's bytes are in bad_input_test, paths in path_test,
// the range grid in range_test.

#include "tests/support/certificates.h"
#include "tests/support/files.h"
#include "tests/support/http2_client.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <algorithm>
#include <cctype>
#include <gtest/gtest.h>
#include <sstream>

namespace fsrv::test {
namespace {

constexpr const char* kModified = "Tue, 14 Nov 2023 22:13:20 GMT"; // set_mtime()'s default
constexpr const char* kEarlier = "Tue, 14 Nov 2023 22:13:19 GMT";
constexpr const char* kLater = "Tue, 14 Nov 2023 22:13:21 GMT";

// $E in a request or an expectation is the ETag of /t.bin, $M its Last-Modified, $- and $+ a second
// earlier and later.
struct Row {
    const char* name;
    std::string request; // "METHOD target|field|field"; HTTP/1.1 and Host are added
    int status;
    // "Name: value" equal, "Name^ value" contains, "-Name" absent, "+Name" present.
    std::vector<const char*> wants = {};
    // For 200 and 206 of /t.bin: the slice that must come. -1: not looked at.
    std::int64_t first = -1, length = 0;
};

const Row kRows[] = {
#include "tests/integration/http_table.def"
};

std::string substitute(std::string text, const std::string& etag, const std::string& root) {
    const std::pair<std::string_view, std::string_view> words[] = {
        {"$E", etag}, {"$M", kModified}, {"$-", kEarlier}, {"$+", kLater}, {"$R", root}};
    for (const auto& [word, value] : words)
        for (std::size_t at; (at = text.find(word)) != std::string::npos;)
            text.replace(at, word.size(), value);
    return text;
}

std::string request_bytes(std::string text) {
    for (std::size_t at; (at = text.find('|')) != std::string::npos;) text.replace(at, 1, "\r\n");
    const std::size_t end = text.find("\r\n");
    text.insert(end == std::string::npos ? text.size() : end, " HTTP/1.1\r\nHost: t");
    return text + "\r\n\r\n";
}

void expect_field(const Response& response, std::string want) {
    if (want[0] == '-' || want[0] == '+') {
        EXPECT_EQ(response.count(want.substr(1)), want[0] == '-' ? 0U : 1U) << want;
        return;
    }
    const std::size_t mark = want.find_first_of(":^");
    const std::string name = want.substr(0, mark), expected = want.substr(mark + 2);
    const std::string value = response.field(name).value_or("(no such field)");
    if (want[mark] == ':') {
        EXPECT_EQ(value, expected) << name;
    } else {
        EXPECT_NE(value.find(expected), std::string::npos) << name << ": " << value;
    }
}

class HttpTable : public testing::TestWithParam<const char*> {
  protected:
    void SetUp() override {
        write_pattern(root_ / "t.bin", 1000);
        write_pattern(root_ / "t.unknown-kind", 10);
        for (const char* name : {"empty.txt", "page.html", "style.css", "PHOTO.PNG", "data.json",
                                 "two words.txt", "na\xc3\xafve.txt"}) {
            write_file(root_ / name, name == std::string_view("empty.txt") ? "" : "x");
            set_mtime(root_ / name);
        }
        std::filesystem::create_directories(root_ / "sub");
        std::filesystem::create_directories(root_ / "site");
        write_pattern(root_ / "sub/deep.bin", 20);
        write_file(root_ / "site/index.html", "<title>site</title>");
        set_mtime(root_ / "site/index.html");
    }
    std::vector<std::string> args(std::vector<std::string> more = {}) const {
        more.insert(more.end(), {"--workers", "2", "--io", GetParam()});
        return more;
    }
    TempDir root_;
};

TEST_P(HttpTable, AnswersEveryRowAndStaysInStep) {
    Server server(root_.path(), args());
    const std::string etag = fetch(server.port(), "/t.bin").field("ETag").value_or("");
    ASSERT_TRUE(etag.starts_with('"')) << etag;
    for (const Row& row : kRows) {
        SCOPED_TRACE(row.name);
        const std::string request = request_bytes(substitute(row.request, etag, root_.str()));
        RawClient client(server.port());
        const Response response = client.ask(request, request.starts_with("HEAD"));
        ASSERT_TRUE(response.complete()) << got_name(response.got) << " " << response.problem;
        EXPECT_EQ(response.status, row.status) << request << response.head << response.body;
        expect_sound(response);
        for (const char* want : row.wants)
            expect_field(response, substitute(want, etag, root_.str()));
        if (row.first >= 0) {
            EXPECT_EQ(response.body.size(), static_cast<std::size_t>(row.length));
            EXPECT_EQ(pattern_mismatch(response.body, static_cast<std::uint64_t>(row.first)),
                      std::nullopt);
        }
        if (response.announces_close()) {
            EXPECT_EQ(client.await_end(), Got::fin);
        } else {
            EXPECT_TRUE(is_pattern(client.ask(get("/t.bin")).body, 0, 1000))
                << "the next answer on the connection";
        }
    }
}

// Rows that HTTP/2 has no words for: what a request has in it, and why not.
constexpr std::pair<const char*, const char*> kOnlyHttp1[] = {
    {"GET http://", "a target has no authority there: :authority is a field of its own"},
    {"|Connection:", "malformed (RFC 9113 8.2.2)"},
    {"CONNECT ", "has no :path (RFC 9113 8.5)"},
};

struct RequestParts {
    std::string method, target;
    h2::Fields fields;
};

RequestParts parts_of(const std::string& request) {
    RequestParts parts;
    std::istringstream lines(request);
    std::string line;
    std::getline(lines, line, '|');
    parts.method = line.substr(0, line.find(' '));
    parts.target = line.substr(line.find(' ') + 1);
    while (std::getline(lines, line, '|')) {
        std::string name = line.substr(0, line.find(':'));
        for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        parts.fields.emplace_back(name, line.substr(line.find(':') + 2));
    }
    return parts;
}

TEST_P(HttpTable, HttpTwoSaysTheSame) {
    const Certificate certificate = make_certificate();
    const TempDir conf;
    write_file(conf / "pair.pem", certificate.pem + certificate.key_pem);
    std::filesystem::permissions(conf / "pair.pem", std::filesystem::perms::owner_read);
    Server clear(root_.path(), args()), tls(root_.path(), args({"--tls-cert", conf / "pair.pem"}));
    const std::string etag = fetch(clear.port(), "/t.bin").field("ETag").value_or("");
    Http2Client over_clear(clear.port()), over_tls(tls.port(), {.tls = true});
    ASSERT_TRUE(over_clear.connected() && over_tls.connected());
    std::size_t left_out = 0;
    for (const Row& row : kRows) {
        SCOPED_TRACE(row.name);
        const std::string request = substitute(row.request, etag, root_.str());
        const bool only_http1 =
            std::any_of(std::begin(kOnlyHttp1), std::end(kOnlyHttp1), [&](const auto& entry) {
                return request.find(entry.first) != std::string::npos;
            });
        if (only_http1) {
            ++left_out;
            continue;
        }
        const RequestParts parts = parts_of(request);
        RawClient http1(clear.port());
        const Response one = http1.ask(request_bytes(request), parts.method == "HEAD");
        h2::Fields expected;
        for (const auto& [name, value] : one.fields) {
            std::string lower;
            for (const char c : name)
                lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
            if (lower != "connection" && lower != "date") expected.emplace_back(lower, value);
        }
        for (Http2Client* const client : {&over_clear, &over_tls}) {
            const Http2Answer two = client->ask(parts.target, parts.fields, parts.method);
            EXPECT_EQ(two.status, one.status);
            EXPECT_EQ(two.status, row.status);
            EXPECT_EQ(two.body, one.body);
            EXPECT_TRUE(two.whole);
            h2::Fields fields;
            for (const auto& field : two.fields)
                if (field.first != ":status" && field.first != "date") fields.push_back(field);
            EXPECT_EQ(fields, expected);
        }
    }
    EXPECT_EQ(left_out, 4U);
}

TEST_P(HttpTable, MultipartAnswersHoldTheRangesInOrder) {
    Server server(root_.path(), args());
    std::string many = "0-0", too_many = "0-0";
    for (int i = 1; i < 65; ++i)
        (i < 64 ? many : too_many) += "," + std::to_string(3 * i) + "-" + std::to_string(3 * i);
    too_many = many + ",500-500";
    struct Multi {
        std::string ranges;
        std::size_t parts; // 0: a plain 200
    };
    const Multi table[] = {
        {"0-9,20-29", 2},   {"20-29,0-9", 2},  {"0-9,10-19", 2},
        {"0-99,50-149", 2}, {"0-0,-1", 2},     {" 1-2 , 4-5 , ,", 2},
        {"0-499,500-", 2},  {"0-499,499-", 0}, {"0-9,5000-,-3", 2},
        {many, 64},         {too_many, 0},     {"999-,999-,999-2000", 3},
    };
    RawClient client(server.port());
    for (const Multi& row : table) {
        SCOPED_TRACE(row.ranges);
        const Response response = client.ask(get("/t.bin", "Range: bytes=" + row.ranges + "\r\n"));
        ASSERT_TRUE(response.complete()) << response.problem;
        expect_sound(response);
        if (row.parts == 0) {
            EXPECT_EQ(response.status, 200);
            EXPECT_TRUE(is_pattern(response.body, 0, 1000));
            continue;
        }
        EXPECT_EQ(response.status, 206);
        const auto parts = parse_byteranges(response);
        ASSERT_TRUE(parts.has_value()) << response.head << response.body;
        EXPECT_EQ(parts->size(), row.parts);
        std::uint64_t previous = 0;
        for (const BytesPart& part : *parts) {
            EXPECT_EQ(part.size, 1000U);
            EXPECT_EQ(part.bytes.size(), part.last - part.first + 1);
            EXPECT_EQ(pattern_mismatch(part.bytes, part.first), std::nullopt);
            EXPECT_EQ(part.content_type, "application/octet-stream");
            EXPECT_TRUE(part.first >= previous || row.ranges == "20-29,0-9");
            previous = part.first;
        }
        EXPECT_TRUE(row.ranges != "20-29,0-9" || parts->front().first == 20);
    }
}

TEST_P(HttpTable, HeadTellsWhatGetTells) {
    Server server(root_.path(), args());
    for (const char* target : {"/t.bin", "/empty.txt", "/page.html", "/sub/", "/sub", "/site/",
                               "/none", "/-/health", "/files?path=t.bin", "/files", "/"}) {
        SCOPED_TRACE(target);
        RawClient client(server.port());
        const Response whole = client.ask(get(target)), bare = client.ask(head(target), true);
        EXPECT_EQ(bare.status, whole.status);
        // A listing is not made to tell how long it is (RFC 9110 9.3.2).
        const bool is_listing = whole.body.find("<table") != std::string::npos;
        EXPECT_EQ(bare.fields.size() + (is_listing ? 1 : 0), whole.fields.size())
            << bare.head << whole.head;
        for (const auto& [name, value] : whole.fields) {
            const bool may_differ = name == "Date" || (is_listing && name == "Content-Length");
            EXPECT_TRUE(may_differ || bare.field(name) == value) << name << ": " << value;
        }
    }
}

TEST_P(HttpTable, PersistenceFollowsTheVersion) {
    Server server(root_.path(), args());
    struct Case {
        const char* request;
        bool stays;
    };
    const Case table[] = {
        {"GET /t.bin HTTP/1.0\r\n\r\n", false},
        {"GET /t.bin HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
        {"GET /t.bin HTTP/1.1\r\nHost: t\r\n\r\n", true},
        {"GET /t.bin HTTP/1.1\r\nHost: t\r\nConnection: ClOsE\r\n\r\n", false},
    };
    for (const Case& row : table) {
        SCOPED_TRACE(row.request);
        RawClient client(server.port());
        const Response response = client.ask(row.request);
        EXPECT_EQ(response.status, 200);
        EXPECT_EQ(response.announces_close(), !row.stays) << response.head;
        if (row.stays) {
            EXPECT_TRUE(is_pattern(client.ask(row.request).body, 0, 1000));
        } else {
            EXPECT_EQ(client.await_end(), Got::fin);
        }
    }
}

TEST_P(HttpTable, AFileYoungerThanItsClockHasAWeakTag) {
    Server server(root_.path(), args());
    std::string tag;
    EXPECT_TRUE(await([&] { // the answer may be late
        write_file(root_ / "young.bin", pattern(0, 1000));
        tag = fetch(server.port(), "/young.bin").field("ETag").value_or("");
        return tag.starts_with("W/\"");
    })) << tag;
    EXPECT_EQ(fetch(server.port(), "/young.bin", "If-None-Match: " + tag + "\r\n").status, 304);
    EXPECT_EQ(fetch(server.port(), "/young.bin", "If-Match: " + tag + "\r\n").status, 412);
    EXPECT_EQ(
        fetch(server.port(), "/young.bin", "Range: bytes=0-9\r\nIf-Range: " + tag + "\r\n").status,
        200);
}

TEST_P(HttpTable, AFileOfAnyAgeIsServed) {
    Server server(root_.path(), args());
    for (const std::int64_t age : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{-86'400'000},
                                   std::int64_t{4'102'444'800}, std::int64_t{15'000'000'000}}) {
        SCOPED_TRACE(age);
        set_mtime(root_ / "t.bin", age, 0);
        const Response response = fetch(server.port(), "/t.bin");
        EXPECT_EQ(response.status, 200);
        expect_sound(response);
        EXPECT_TRUE(is_pattern(response.body, 0, 1000));
        const std::string tag = response.field("ETag").value_or("");
        EXPECT_EQ(fetch(server.port(), "/t.bin", "If-None-Match: " + tag + "\r\n").status, 304);
        const auto modified = response.field("Last-Modified");
        // One of the future was modified now, whenever that is: at the next second it is newer.
        if (modified && age <= std::time(nullptr)) {
            EXPECT_EQ(
                fetch(server.port(), "/t.bin", "If-Modified-Since: " + *modified + "\r\n").status,
                304);
        }
        EXPECT_EQ(fetch(server.port(), "/").status, 200) << "the listing shows it";
    }
}

TEST_P(HttpTable, TheTagIsTheSameOnEveryWorkerAndAfterARestart) {
    write_file(root_ / "undated.bin", pattern(0, 1000));
    set_mtime(root_ / "undated.bin", 1);
    std::string tag, weak;
    for (int life = 0; life < 2; ++life) {
        Server server(root_.path(), args());
        for (int i = 0; i < 8; ++i) { // each a connection of its own, so both workers answer some
            const auto expect_same = [&](const char* target, std::string& before) {
                const std::string now =
                    fetch(server.port(), target).field("ETag").value_or("(none)");
                if (before.empty()) before = now;
                EXPECT_EQ(now, before) << target;
            };
            expect_same("/t.bin", tag);
            expect_same("/undated.bin", weak);
        }
    }
    write_file(root_ / "t.bin", pattern(0, 1000));
    set_mtime(root_ / "t.bin", 1'700'000'000, 123'456'790); // a nanosecond later
    Server server(root_.path(), args());
    EXPECT_NE(fetch(server.port(), "/t.bin").field("ETag").value_or("(none)"), tag);
}

TEST_P(HttpTable, OptionsOfTheServerChangeTheAnswer) {
    {
        Server server(root_.path(), args({"--max-ranges", "0", "--server-header", "off"}));
        const Response response = fetch(server.port(), "/t.bin", "Range: bytes=0-9\r\n");
        EXPECT_EQ(response.status, 200);
        EXPECT_EQ(response.count("Accept-Ranges"), 0U) << response.head;
        EXPECT_EQ(response.count("Server"), 0U) << response.head;
        EXPECT_TRUE(is_pattern(response.body, 0, 1000));
    }
    {
        Server server(root_.path(),
                      args({"--max-ranges", "2", "--listing", "off", "--index", "deep.bin"}));
        EXPECT_EQ(fetch(server.port(), "/t.bin", "Range: bytes=0-0,2-2\r\n").status, 206);
        EXPECT_EQ(fetch(server.port(), "/t.bin", "Range: bytes=0-0,2-2,4-4\r\n").status, 200);
        EXPECT_EQ(fetch(server.port(), "/t.bin", "Range: bytes=0-0,2-2,5000-\r\n").status, 206);
        EXPECT_EQ(fetch(server.port(), "/").status, 403);
        EXPECT_TRUE(is_pattern(fetch(server.port(), "/sub/").body, 0, 20));
    }
}

INSTANTIATE_TEST_SUITE_P(Io, HttpTable, testing::Values("threads", "inline", "auto"),
                         [](const auto& mode) { return std::string(mode.param); });

} // namespace
} // namespace fsrv::test
