// Digests of files through the real binary: with answers of every kind, over HTTP/1.1 and HTTP/2,
// and as lists that sha256sum and aria2 check downloads with.

#include "common/crypto/base64.h"
#include "common/crypto/digest.h"
#include "tests/support/decode.h"
#include "tests/support/files.h"
#include "tests/support/http2_client.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <filesystem>
#include <fmt/format.h>
#include <gtest/gtest.h>

namespace fsrv::test {
namespace {

namespace fs = std::filesystem;

#define NEEDS(program)                                                                             \
    if (!have_program(program)) GTEST_SKIP() << program << " is not installed"

const std::string kWant = "Want-Repr-Digest: sha-512=3, sha-256=10, unixsum=0\r\n";

std::string digest_of(std::string_view bytes) {
    return "sha-256=:" +
           crypto::encode_base64(crypto::sha256(bytes).view(), crypto::Base64::standard) + ":";
}

class Digests : public testing::TestWithParam<const char*> {
  protected:
    Digests() {
        fs::create_directory(root_ / "sub");
        write_pattern(root_ / "small", 2'000, 1);
        write_pattern(root_ / "large", 20'000'000, 2);
        write_file(root_ / "page.html", gaining_text(50'000));
        write_file(root_ / "empty", "");
        write_file(root_ / "sub/-", "dash");
        write_file(root_ / "sub/new\nline\\.txt", "odd");
        write_file(root_ / "sub/.hidden", "SECRET");
        fs::create_symlink("../small", root_ / "sub/link");
        fs::create_symlink("/etc/passwd", root_ / "sub/out");
    }
    void start(std::vector<std::string> more = {}) {
        more.insert(more.end(), {"--workers", "1", "--io", GetParam()});
        server_.emplace(root_.path(), more);
    }
    Response ask(const std::string& target, const std::string& fields = kWant) const {
        return fetch(server_->port(), target, fields);
    }
    std::optional<std::string> digest(const std::string& target,
                                      const std::string& fields = kWant) const {
        return ask(target, fields).field("Repr-Digest");
    }
    // As soon as it is computed, who asks is told.
    testing::AssertionResult comes_to_be_known(const std::string& name) const {
        const std::string expected = digest_of(read_file((root_ / name).string()));
        std::string last, how;
        const bool is_known = await([&] {
            RawClient client(server_->port());
            const Response response = client.ask(head("/" + name, kWant), true);
            last = response.field("Repr-Digest").value_or("none");
            how = fmt::format("{} {}", got_name(response.got), response.status);
            return last != "none";
        });
        if (is_known && last == expected) return testing::AssertionSuccess();
        return testing::AssertionFailure()
               << name << ": " << last << ", not " << expected << "; " << how;
    }

    TempDir root_;
    TempDir here_;
    std::optional<Server> server_;
};

INSTANTIATE_TEST_SUITE_P(Modes, Digests, testing::Values("auto", "threads", "inline"));

TEST_P(Digests, AreToldWithEveryAnswerOfTheFile) {
    start();
    for (const char* name : {"small", "large", "page.html", "empty"}) {
        SCOPED_TRACE(name);
        ASSERT_TRUE(comes_to_be_known(name));
        const std::string target = "/" + std::string(name);
        const std::string expected = digest_of(read_file((root_ / name).string()));
        const Response plain = ask(target, "");
        EXPECT_EQ(plain.field("Repr-Digest"), std::nullopt) << "nobody asked";
        const std::string tag = plain.field("ETag").value_or("none");
        for (int time = 0; time < 2; ++time) {
            EXPECT_EQ(digest(target), expected);
            EXPECT_EQ(digest(target, "Want-Repr-Digest: sha-256=0\r\n"), std::nullopt);
            EXPECT_EQ(digest(target, "Want-Repr-Digest: sha-256=1,\r\n"), std::nullopt);
            RawClient client(server_->port());
            const Response to_head = client.ask(head(target, kWant), true);
            EXPECT_EQ(to_head.field("Repr-Digest"), expected);
            EXPECT_EQ(to_head.content_length(), plain.content_length());
            const Response unchanged = ask(target, kWant + "If-None-Match: " + tag + "\r\n");
            EXPECT_EQ(unchanged.status, 304);
            EXPECT_EQ(unchanged.field("Repr-Digest"), expected);
            if (plain.body.empty()) continue;
            for (const char* range : {"bytes=5-9", "bytes=0-0,10-19"}) {
                const Response part = ask(target, kWant + "Range: " + range + "\r\n");
                EXPECT_EQ(part.status, 206);
                EXPECT_EQ(part.field("Repr-Digest"), expected) << "of the whole";
            }
            const Response none = ask(target, kWant + "Range: bytes=99999999-\r\n");
            EXPECT_EQ(none.status, 416);
            EXPECT_EQ(none.field("Repr-Digest"), std::nullopt);
        }
        EXPECT_EQ(digest("/files?path=" + std::string(name)), expected);
    }
    Http2Client client(server_->port());
    ASSERT_TRUE(client.connected());
    const h2::Fields want{{"want-repr-digest", "sha-256=5"}};
    const std::string small = digest_of(read_file((root_ / "small").string()));
    EXPECT_EQ(client.ask("/small", want).field("repr-digest"), small);
    EXPECT_EQ(client.ask("/small", want, "HEAD").field("repr-digest"), small);
    EXPECT_EQ(client.ask("/small").field("repr-digest"), "");
}

TEST_P(Digests, OfACodedRepresentationAreOfItsBytes) {
    start();
    ASSERT_TRUE(comes_to_be_known("page.html")) << "so it is no longer young";
    for (const char* coding : {"zstd", "br", "gzip"}) {
        for (int time = 0; time < 2; ++time) {
            const Response coded = ask("/page.html", kWant + "Accept-Encoding: " + coding + "\r\n");
            ASSERT_EQ(coded.field("Content-Encoding"), coding);
            EXPECT_EQ(coded.field("Repr-Digest"), digest_of(coded.body));
        }
        const Response plain = ask("/page.html", fmt::format("Accept-Encoding: {}\r\n", coding));
        EXPECT_EQ(plain.field("Repr-Digest"), std::nullopt);
    }
}

TEST_P(Digests, AreNeverThoseOfAnEarlierVersion) {
    start();
    for (int round = 0; round < 2; ++round) {
        for (const char* name : {"small", "large"}) {
            SCOPED_TRACE(name);
            ASSERT_TRUE(comes_to_be_known(name));
            write_at(root_ / name, 1'000, fmt::format("changed {}", round));
            set_mtime(root_ / name, 1'700'000'000, 5); // and dated back
            EXPECT_EQ(digest("/" + std::string(name)), std::nullopt);
        }
    }
    EXPECT_TRUE(comes_to_be_known("small"));
    EXPECT_TRUE(comes_to_be_known("large"));
}

TEST_P(Digests, OfAFolderAreWhatSha256sumChecks) {
    start();
    const Response list = ask("/?digests=sha256", "");
    ASSERT_TRUE(list.complete()) << list.problem;
    expect_sound(list);
    EXPECT_EQ(list.status, 200);
    EXPECT_EQ(list.field("Content-Type"), "text/plain; charset=utf-8");
    EXPECT_EQ(list.body.find("hidden"), std::string::npos);
    EXPECT_EQ(list.body.find("  sub/out"), std::string::npos);
    EXPECT_NE(list.body.find("  sub/link\n"), std::string::npos);
    write_file(here_ / "SHA256SUMS", list.body);
    const std::vector<std::string> check{"sha256sum", "--strict", "-c",
                                         (here_ / "SHA256SUMS").string()};
    const RunResult good = run(check, {.directory = root_.str()});
    EXPECT_TRUE(ran_well(good, "sha256sum"));
    EXPECT_EQ(std::count(good.out.begin(), good.out.end(), '\n'), 7) << good.out;
    EXPECT_EQ(ask("/?digests=sha256", "").body, list.body) << "once more, of what is known";
    Http2Client client(server_->port());
    EXPECT_EQ(client.ask("/?digests=sha256").body, list.body);

    write_file(here_ / "SHA256SUMS", ask("/sub/?digests=sha256", "").body);
    EXPECT_TRUE(ran_well(run(check, {.directory = (root_ / "sub").string()}), "sha256sum"));
    EXPECT_EQ(digest("/small"), digest_of(read_file((root_ / "small").string())))
        << "known by the list";
    EXPECT_EQ(digest("/small", kWant), digest("/sub/link", kWant));

    RawClient old(server_->port());
    EXPECT_EQ(old.ask("GET /?digests=sha256 HTTP/1.0\r\n\r\n").status, 400) << "it has no length";
    RawClient to_head(server_->port());
    EXPECT_EQ(to_head.ask(head("/?digests=sha256"), true).status, 200);
}

TEST_P(Digests, AMetalinkIsWhatAria2DownloadsAndChecksBy) {
    NEEDS("aria2c");
    start();
    const auto download = [&] {
        return run({"aria2c", "--no-conf", "--no-netrc", server_->url("/large?metalink")},
                   {.environment = {"no_proxy=*"}, .directory = here_.str()});
    };
    for (int time = 0; time < 2; ++time) { // made while it is sent, and at once
        const RunResult got = download();
        EXPECT_TRUE(ran_well(got, "aria2c"));
        EXPECT_TRUE(is_pattern(read_file((here_ / "large").string()), 0, 20'000'000, 2));
        fs::remove(here_ / "large");
    }
    // By the pieces, what is broken is found, and fetched anew.
    std::string metalink = ask("/large?metalink", "").body;
    EXPECT_NE(metalink.find("<url>http://localhost/large</url>"), std::string::npos);
    metalink.replace(metalink.find("localhost"), 9, fmt::format("127.0.0.1:{}", server_->port()));
    write_file(here_ / "large.meta4", metalink);
    write_pattern(here_ / "large", 20'000'000, 2);
    write_at(here_ / "large", 7'000'000, "broken");
    const RunResult repaired =
        run({"aria2c", "--no-conf", "--no-netrc", "--check-integrity", "large.meta4"},
            {.environment = {"no_proxy=*"}, .directory = here_.str()});
    EXPECT_TRUE(ran_well(repaired, "aria2c"));
    EXPECT_TRUE(is_pattern(read_file((here_ / "large").string()), 0, 20'000'000, 2));
    EXPECT_TRUE(server_->access().await_line(" 206 1048576 ")) << "one piece";
}

TEST_P(Digests, AFileThatChangesUnderWayHasNoMetalink) {
    make_sparse(root_ / "huge", std::uint64_t{1} << 34);
    start();
    RawClient client(server_->port());
    client.send(get("/huge?metalink"));
    const Response begun = client.read_head();
    EXPECT_EQ(begun.status, 200);
    append_file(root_ / "huge", "x");
    write_at(root_ / "huge", 0, "x");
    fs::resize_file(root_ / "huge", 5);
    const std::string rest = client.read_to_end();
    EXPECT_EQ(client.end(), Got::rst);
    EXPECT_EQ(rest.find("</metalink>"), std::string::npos);
}

TEST_P(Digests, WhoMayNotHaveAFileGetsNone) {
    const TempDir conf;
    fs::create_directories(root_ / "sub/private");
    write_file(root_ / "sub/private/s.txt", "SECRET");
    fs::create_directories(root_ / "untold");
    write_file(root_ / "untold/u.txt", "u");
    write_file(conf / "fsrv.toml", "[[path]]\nprefix = \"/sub/private\"\nallow = [\"user:ann\"]\n"
                                   "[[path]]\nprefix = \"/untold\"\ndigests = \"off\"\n"
                                   "[[token]]\nname = \"ann\"\nsha256 = \"" +
                                       crypto::encode_hex(crypto::sha256("sesame").view()) +
                                       "\"\n");
    start({"--config", (conf / "fsrv.toml").string()});
    const std::string ann = "Authorization: Bearer sesame\r\n";
    EXPECT_TRUE(comes_to_be_known("small"));
    EXPECT_EQ(ask("/sub/private/s.txt").status, 401);
    EXPECT_EQ(digest("/sub/private/s.txt"), std::nullopt);
    EXPECT_EQ(ask("/sub/private/s.txt?metalink").status, 401);
    EXPECT_EQ(ask("/sub/private/?digests=sha256").status, 401);
    EXPECT_TRUE(await([&] { return digest("/sub/private/s.txt", kWant + ann).has_value(); }));
    EXPECT_EQ(digest("/sub/private/s.txt"), std::nullopt) << "now that it is known";
    const std::string all = ask("/sub/?digests=sha256", "").body;
    EXPECT_EQ(all.find("s.txt"), std::string::npos);
    const Response hers = ask("/sub/?digests=sha256", ann);
    EXPECT_NE(hers.body.find("  private/s.txt\n"), std::string::npos);
    EXPECT_EQ(hers.field("Cache-Control"), "private, no-cache");
    EXPECT_EQ(ask("/sub/?digests=sha256", "").body, all);

    EXPECT_EQ(ask("/untold/u.txt?metalink").status, 403);
    EXPECT_EQ(ask("/untold/?digests=sha256").status, 403);
    EXPECT_EQ(ask("/untold/u.txt").status, 200);
    EXPECT_EQ(digest("/untold/u.txt"), std::nullopt);
}

TEST_P(Digests, AreGivenUpWhenTheServerStops) {
    make_sparse(root_ / "huge", std::uint64_t{1} << 36);
    start();
    ASSERT_TRUE(comes_to_be_known("small")) << "so the huge file is not young either";
    RawClient client(server_->port());
    EXPECT_EQ(client.ask(head("/huge", kWant), true).status, 200);
    server_->stop(); // which fails if it takes long
}

} // namespace
} // namespace fsrv::test
