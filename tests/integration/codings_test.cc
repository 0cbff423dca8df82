// Content codings through the real binary: what is coded, by whom it can be read, with which
// fields.

#include "common/limits.h"
#include "tests/support/decode.h"
#include "tests/support/files.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <filesystem>
#include <gtest/gtest.h>
#include <map>
#include <thread>

namespace fsrv::test {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMost = limits::kMostCodedAtOnce;

#define NEEDS(program)                                                                             \
    if (!have_program(program)) GTEST_SKIP() << program << " is not installed"

class Codings : public testing::TestWithParam<const char*> {
  protected:
    Codings() {
        for (const auto& [name, size] : kFiles) {
            texts_[name] = gaining_text(size);
            write_file(root_ / name, texts_[name]);
            set_mtime(root_ / name);
        }
        write_file(root_ / "noise.txt", noise(100'000));
        write_file(root_ / "picture.png", gaining_text(10'000));
        for (const char* name : {"noise.txt", "picture.png"}) set_mtime(root_ / name);
    }
    void start(std::vector<std::string> more = {}) {
        more.insert(more.end(), {"--workers", "1", "--io", GetParam()});
        server_.emplace(root_.path(), more);
    }
    Response ask(const std::string& target, const std::string& fields) const {
        return fetch(server_->port(), target, fields);
    }

    static inline const std::pair<const char*, std::size_t> kFiles[] = {
        {"511.txt", 511},  {"512.txt", 512},        {"100k.html", 100 << 10}, {"1m.json", 1 << 20},
        {"4m.txt", kMost}, {"more.txt", kMost + 1}, {"20m.log", 20 << 20}};
    TempDir root_;
    std::map<std::string, std::string> texts_;
    std::optional<Server> server_;
};

INSTANTIATE_TEST_SUITE_P(Modes, Codings, testing::Values("auto", "threads", "inline"));

TEST_P(Codings, EachIsSentToWhoTakesItAndDecodesToTheFile) {
    start();
    for (const auto& [name, size] : kFiles) {
        std::string identity_tag = ask("/" + std::string(name), "").field("ETag").value_or("");
        for (const char* coding : {"zstd", "br", "gzip"}) {
            for (int time = 0; time < 2; ++time) {
                SCOPED_TRACE(std::string(name) + " " + coding);
                const Response response = ask("/" + std::string(name),
                                              "Accept-Encoding: " + std::string(coding) + "\r\n");
                ASSERT_TRUE(response.complete()) << response.problem;
                expect_sound(response);
                EXPECT_EQ(response.status, 200);
                const bool is_coded = size >= limits::kLeastCoded;
                const bool is_stream = size > kMost;
                EXPECT_EQ(response.field("Content-Encoding").value_or(""), is_coded ? coding : "");
                EXPECT_TRUE(decoded(is_coded ? coding : "", response.body) == texts_[name]);
                EXPECT_EQ(response.field("Vary"), "Accept-Encoding");
                EXPECT_EQ(response.count("Accept-Ranges"), is_coded ? 0U : 1U);
                EXPECT_EQ(response.count("Transfer-Encoding"), is_stream ? 1U : 0U);
                const std::string tag = response.field("ETag").value_or("");
                EXPECT_EQ(tag == identity_tag, !is_coded) << tag;
                EXPECT_EQ(tag.starts_with("W/"), is_stream) << tag;
                EXPECT_EQ(response.count("Last-Modified"), 1U);
            }
        }
    }
}

TEST_P(Codings, HeadSaysWhatGetWould) {
    start();
    for (const auto& [name, size] : kFiles) {
        SCOPED_TRACE(name);
        const std::string fields = "Accept-Encoding: gzip\r\n";
        RawClient client(server_->port());
        const Response asked = client.ask(head("/" + std::string(name), fields), true);
        const Response got = client.ask(get("/" + std::string(name), fields));
        for (const char* field : {"ETag", "Content-Encoding", "Content-Length", "Vary",
                                  "Last-Modified", "Accept-Ranges", "Content-Type"})
            EXPECT_EQ(asked.field(field), got.field(field)) << field;
    }
}

TEST_P(Codings, ConditionsAreOfTheRepresentationThatIsSent) {
    start();
    for (const char* name : {"/100k.html", "/20m.log"}) {
        SCOPED_TRACE(name);
        const std::string identity = ask(name, "").field("ETag").value_or("");
        const std::string coded = ask(name, "Accept-Encoding: br\r\n").field("ETag").value_or("");
        const struct {
            std::string fields;
            int status;
        } rows[] = {{"Accept-Encoding: br\r\nIf-None-Match: " + coded, 304},
                    {"Accept-Encoding: br\r\nIf-None-Match: " + identity, 200},
                    {"Accept-Encoding: gzip\r\nIf-None-Match: " + coded, 200},
                    {"If-None-Match: " + coded, 200},
                    {"If-None-Match: " + identity, 304},
                    {"Accept-Encoding: br\r\nIf-Match: " + identity, 412}};
        for (const auto& row : rows) {
            const Response response = ask(name, row.fields + "\r\n");
            EXPECT_EQ(response.status, row.status) << row.fields;
            EXPECT_NE(response.field("Vary").value_or("").find("Accept-Encoding"),
                      std::string::npos);
        }
    }
}

TEST_P(Codings, WhatIsNotCoded) {
    start();
    const struct {
        const char* name;
        std::string target;
        std::string fields;
        int status;
        bool varies;
    } rows[] = {
        {"no field", "/100k.html", "", 200, true},
        {"a picture", "/picture.png", "Accept-Encoding: gzip\r\n", 200, false},
        {"noise", "/noise.txt", "Accept-Encoding: gzip\r\n", 200, true},
        {"a range", "/100k.html", "Accept-Encoding: gzip\r\nRange: bytes=0-9\r\n", 206, true},
        {"a range that is none", "/100k.html", "Accept-Encoding: gzip\r\nRange: bytes=9-0\r\n", 416,
         true},
        {"no-transform", "/100k.html", "Accept-Encoding: gzip\r\nCache-Control: no-transform\r\n",
         200, true},
        {"q=0", "/100k.html", "Accept-Encoding: gzip;q=0\r\n", 200, true},
        {"unknown codings", "/100k.html", "Accept-Encoding: deflate, compress\r\n", 200, true},
        {"a listing", "/", "Accept-Encoding: gzip\r\n", 200, false},
        {"nothing", "/none.html", "Accept-Encoding: gzip\r\n", 404, false},
    };
    for (const auto& row : rows) {
        for (int time = 0; time < 2; ++time) {
            SCOPED_TRACE(row.name);
            const Response response = ask(row.target, row.fields);
            EXPECT_TRUE(response.complete());
            EXPECT_EQ(response.status, row.status);
            EXPECT_EQ(response.field("Content-Encoding"), std::nullopt);
            EXPECT_EQ(response.field("Vary").value_or("").find("Accept-Encoding") !=
                          std::string::npos,
                      row.varies);
        }
    }
    RawClient old(server_->port());
    const Response response = old.ask("GET /20m.log HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n");
    EXPECT_TRUE(response.complete());
    EXPECT_EQ(response.field("Content-Encoding"), std::nullopt) << "HTTP/1.0";
    EXPECT_TRUE(response.body == texts_["20m.log"]);
}

TEST_P(Codings, OffMeansNone) {
    start({"--compress", "off"});
    const Response response = ask("/100k.html", "Accept-Encoding: gzip\r\n");
    EXPECT_EQ(response.field("Content-Encoding"), std::nullopt);
    EXPECT_EQ(response.field("Vary"), std::nullopt);
    EXPECT_EQ(response.field("Accept-Ranges"), "bytes");
}

TEST_P(Codings, AnotherVersionIsCodedAtTheNextRequest) {
    start();
    const std::string fields = "Accept-Encoding: zstd\r\n";
    for (const std::size_t size : {30'000U, 30'001U, 400U, 50'000U}) {
        const std::string text = gaining_text(size);
        write_file(root_ / "page.html", text);
        for (int time = 0; time < 3; ++time) {
            const Response response = ask("/page.html", fields);
            EXPECT_TRUE(decoded(response.field("Content-Encoding").value_or(""), response.body) ==
                        text);
        }
        set_mtime(root_ / "page.html", 1'700'000'000 + static_cast<std::int64_t>(size));
        for (int time = 0; time < 3; ++time) {
            const Response response = ask("/page.html", fields);
            EXPECT_TRUE(decoded(response.field("Content-Encoding").value_or(""), response.body) ==
                        text);
        }
    }
}

// A change never ends with the last chunk.
TEST_P(Codings, AStreamOfAFileThatChangesIsReset) {
    start();
    server_->expect_trouble("changed");
    // More, coded, than the kernel holds for a connection.
    const std::string text = noise(40 << 20);
    std::string half;
    half.reserve(2 * text.size());
    for (std::size_t i = 0; i < text.size(); ++i)
        half.append(1, text[i]).append(1, i % 2 == 0 ? 'a' : 'b');
    for (const bool shorter : {true, false}) {
        SCOPED_TRACE(shorter);
        write_file(root_ / "growing.log", half);
        set_mtime(root_ / "growing.log");
        RawClient client(server_->port(), {.receive_buffer = 65536});
        ASSERT_TRUE(client.send(get("/growing.log", "Accept-Encoding: zstd\r\n")));
        const Response response = client.read_head();
        ASSERT_EQ(response.field("Content-Encoding"), "zstd");
        ASSERT_EQ(client.read_bytes(100'000).size(), 100'000U);
        if (shorter)
            fs::resize_file(root_ / "growing.log", half.size() / 2);
        else
            append_file(root_ / "growing.log", "more");
        const std::string rest = client.read_to_end();
        EXPECT_EQ(client.end(), Got::rst);
        EXPECT_FALSE(rest.ends_with("\r\n0\r\n\r\n"));
    }
}

TEST_P(Codings, APausedStreamGoesOnWhereItWas) {
    start({"--stall-timeout", "100ms"});
    RawClient client(server_->port(), {.receive_buffer = 65536});
    ASSERT_TRUE(client.send(get("/20m.log", "Accept-Encoding: gzip\r\nConnection: close\r\n")));
    Response response = client.read_head();
    ASSERT_EQ(response.field("Content-Encoding"), "gzip");
    // Meanwhile it has paused, or not: both must do.
    const Response other = ask("/1m.json", "Accept-Encoding: br\r\n");
    EXPECT_TRUE(decoded("br", other.body) == texts_["1m.json"]);
    const std::string wire = client.read_to_end();
    EXPECT_EQ(client.end(), Got::fin);
    std::string body;
    for (std::size_t at = 0;;) {
        const std::size_t line = wire.find("\r\n", at);
        ASSERT_NE(line, std::string::npos);
        const std::size_t length = std::stoull(wire.substr(at, line - at), nullptr, 16);
        if (length == 0) break;
        body.append(wire, line + 2, length);
        at = line + 2 + length + 2;
    }
    EXPECT_TRUE(decoded("gzip", body) == texts_["20m.log"]);
}

TEST_P(Codings, ManyAtATimeAllGetTheFile) {
    start({"--threads", "4"});
    std::vector<std::thread> clients;
    std::array<bool, 12> same{};
    for (unsigned i = 0; i < same.size(); ++i)
        clients.emplace_back([&, i] {
            const char* const name = i % 2 == 0 ? "20m.log" : "4m.txt";
            const char* const coding = i % 3 == 0 ? "zstd" : i % 3 == 1 ? "br" : "gzip";
            const Response response = fetch(server_->port(), "/" + std::string(name),
                                            "Accept-Encoding: " + std::string(coding) + "\r\n");
            same[i] = response.complete() &&
                      decoded(response.field("Content-Encoding").value_or(""), response.body) ==
                          texts_.at(name);
        });
    for (std::thread& client : clients) client.join();
    for (unsigned i = 0; i < same.size(); ++i) EXPECT_TRUE(same[i]) << i;
}

TEST_P(Codings, RealClientsReadThem) {
    if (GetParam() != std::string_view("auto")) return; // the bytes are the same
    NEEDS("curl");
    start();
    const TempDir here;
    const RunSetup setup{.environment = {"no_proxy=*", "NO_PROXY=*", "http_proxy=", "HOME=/none"},
                         .directory = here.str(),
                         .input = {}};
    const auto same = [&](const char* copy, const char* name) {
        EXPECT_EQ(sha256_of(here / copy), sha256_of(root_ / name)) << copy;
        fs::remove(here / copy);
    };
    for (const char* name : {"511.txt", "512.txt", "100k.html", "4m.txt", "20m.log"}) {
        SCOPED_TRACE(name);
        const std::string url = server_->url("/" + std::string(name));
        EXPECT_TRUE(ran_well(run({"curl", "-sS", "-f", "--compressed", "-o", "copy", url}, setup),
                             "curl --compressed"));
        same("copy", name);
        if (have_program("wget")) {
            EXPECT_TRUE(
                ran_well(run({"wget", "-q", "--compression=gzip", "-O", "copy", url}, setup),
                         "wget --compression"));
            same("copy", name);
        }
        if (have_program("aria2c")) {
            EXPECT_TRUE(ran_well(
                run({"aria2c", "-q", "-x8", "-s8", "-k1M", "-o", "copy", url}, setup), "aria2c"));
            same("copy", name);
            EXPECT_TRUE(
                ran_well(run({"aria2c", "-q", "--http-accept-gzip=true", "-o", "copy", url}, setup),
                         "aria2c that accepts gzip"));
            same("copy", name);
        }
        const std::pair<const char*, std::vector<std::string>> decoders[] = {
            {"zstd", {"zstd", "-dq", "-o", "copy", "coded"}},
            {"br", {"brotli", "-d", "-o", "copy", "coded"}},
            {"gzip", {"sh", "-c", "gzip -dc < coded > copy"}}};
        for (const auto& [coding, command] : decoders) {
            if (std::string_view(name) == "511.txt" || !have_program(command.front())) continue;
            EXPECT_TRUE(
                ran_well(run({"curl", "-sS", "-f", "-H", "Accept-Encoding: " + std::string(coding),
                              "-o", "coded", url},
                             setup),
                         "curl"));
            EXPECT_TRUE(ran_well(run(command, setup), coding));
            same("copy", name);
        }
    }
}

// What lies beside a file, coded, is sent for it as it is.
TEST_P(Codings, FilesThatAreCodedAlreadyStandForTheOneBesideThem) {
    write_file(root_ / "x.txt", "the identity");
    write_file(root_ / "x.txt.gz", "stands for gzip");
    write_file(root_ / "x.txt.br", "stands for br");
    write_file(root_ / "old.txt", "newer");
    write_file(root_ / "old.txt.gz", "older");
    for (const char* name : {"x.txt", "x.txt.gz", "x.txt.br", "old.txt"}) set_mtime(root_ / name);
    fs::last_write_time(root_ / "old.txt.gz",
                        fs::last_write_time(root_ / "old.txt") - std::chrono::seconds(1));
    start({"--precompressed", "on"});
    const struct {
        const char* target;
        const char* fields;
        const char* coding;
        const char* body;
    } table[] = {
        {"/x.txt", "", "", "the identity"},
        {"/x.txt", "Accept-Encoding: gzip\r\n", "gzip", "stands for gzip"},
        {"/x.txt", "Accept-Encoding: gzip, br, zstd\r\n", "br", "stands for br"},
        {"/x.txt", "Accept-Encoding: gzip, br;q=0.5\r\n", "gzip", "stands for gzip"},
        {"/x.txt", "Accept-Encoding: gzip;q=0.5, identity\r\n", "", "the identity"},
        {"/x.txt", "Accept-Encoding: zstd\r\n", "", "the identity"},
        {"/x.txt.gz", "Accept-Encoding: gzip\r\n", "", "stands for gzip"},
        {"/old.txt", "Accept-Encoding: gzip\r\n", "", "newer"},
        {"/files?path=x.txt", "Accept-Encoding: gzip\r\n", "gzip", "stands for gzip"},
    };
    std::map<std::string, std::string> tags;
    for (int time = 0; time < 2; ++time) {
        for (const auto& row : table) {
            SCOPED_TRACE(std::string(row.target) + " " + row.fields);
            const Response response = ask(row.target, row.fields);
            expect_sound(response);
            EXPECT_EQ(response.status, 200);
            EXPECT_EQ(response.body, row.body);
            EXPECT_EQ(response.field("Content-Encoding").value_or(""), row.coding);
            EXPECT_EQ(response.count("Accept-Ranges"), 1U);
            if (std::string_view(row.target) == "/x.txt.gz") continue;
            EXPECT_EQ(response.field("Vary"), "Accept-Encoding");
            EXPECT_EQ(response.field("Content-Type"), "text/plain; charset=utf-8");
            tags[row.body] = response.field("ETag").value_or("");
        }
    }
    EXPECT_NE(tags["the identity"], tags["stands for gzip"]);
    const Response part = ask("/x.txt", "Accept-Encoding: gzip\r\nRange: bytes=7-\r\nIf-Range: " +
                                            tags["stands for gzip"] + "\r\n");
    EXPECT_EQ(part.status, 206);
    EXPECT_EQ(part.body, "for gzip");
    EXPECT_EQ(part.field("Content-Range"), "bytes 7-14/15");
    EXPECT_EQ(part.field("Content-Encoding"), "gzip");
    const Response parts = ask("/x.txt", "Accept-Encoding: gzip\r\nRange: bytes=0-1,4-5\r\n");
    EXPECT_EQ(parts.status, 200) << "no field says that parts are of something coded";
    const Response same = ask(
        "/x.txt", "Accept-Encoding: gzip\r\nIf-None-Match: " + tags["stands for gzip"] + "\r\n");
    EXPECT_EQ(same.status, 304);
    EXPECT_EQ(same.field("Vary"), "Accept-Encoding");
    fs::remove(root_ / "x.txt.gz");
    EXPECT_EQ(ask("/x.txt", "Accept-Encoding: gzip\r\n").body, "the identity");
    write_file(root_ / "x.txt.gz", "is there again");
    EXPECT_EQ(ask("/x.txt", "Accept-Encoding: gzip\r\n").body, "is there again");
}

} // namespace
} // namespace fsrv::test
