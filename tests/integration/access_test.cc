// Who may have what: rules by path, whatever way leads to a file.

#include "common/crypto/base64.h"
#include "tests/support/await.h"
#include "tests/support/files.h"
#include "tests/support/http2_client.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <gtest/gtest.h>

namespace fsrv::test {
namespace {

namespace fs = std::filesystem;

// Of "sesame".
constexpr const char* kHash = "$2b$05$abcdefghijklmnopqrstuuKcS.CYWVYVaLiiCKrrc0A5s3mGesJ9O";
constexpr const char* kAnn = "Authorization: Basic YW5uOnNlc2FtZQ==\r\n";
constexpr const char* kBob = "Authorization: Basic Ym9iOnNlc2FtZQ==\r\n";
constexpr const char* kWrong = "Authorization: Basic YW5uOndyb25n\r\n";
constexpr const char* kToken = "Authorization: Bearer opensesame\r\n";
constexpr std::string_view kSecret = "TOP-SECRET-CONTENT";

class Access : public testing::Test {
  protected:
    Access() {
        fs::create_directories(root_ / "private/deep");
        fs::create_directories(root_ / "pub");
        write_file(root_ / "private/s.txt", std::string(kSecret));
        write_file(root_ / "private/deep/d.txt", std::string(kSecret));
        write_file(root_ / "private/index.html", std::string(kSecret));
        write_file(root_ / "pub/a.txt", "for all");
        write_file(root_ / "pub/long.txt", std::string(5'000, 'x'));
        fs::create_symlink("../private/s.txt", root_ / "pub/link.txt");
        fs::create_directory_symlink("../private", root_ / "pub/folder");
        fs::create_directory_symlink("private", root_ / "alias");
        for (const auto& entry : fs::recursive_directory_iterator(root_.path()))
            if (entry.is_regular_file() && !entry.is_symlink()) set_mtime(entry.path());
        configure(kRules);
    }
    void configure(std::string_view rules) {
        write_file(conf_ / "fsrv.toml",
                   fmt::format("{}[[login]]\nname = \"ann\"\npassword = \"{}\"\ngroups = "
                               "[\"staff\"]\n[[login]]\nname = \"bob\"\npassword = \"{}\"\n",
                               rules, kHash, kHash));
    }
    std::vector<std::string> args(std::vector<std::string> more = {}) {
        more.insert(more.end(), {"--config", (conf_ / "fsrv.toml").string(), "--control",
                                 (conf_ / "control.sock").string()});
        return more;
    }
    static Response fetch(const Server& server, std::string_view target,
                          std::string_view fields = "") {
        return RawClient(server.port()).ask(get(target, fields));
    }
    static std::string json(const Server& server, std::string_view target,
                            std::string_view fields = "") {
        return fetch(server, target, fmt::format("Accept: application/json\r\n{}", fields)).body;
    }

    static constexpr std::string_view kRules = "[[path]]\n"
                                               "prefix = \"/private\"\n"
                                               "allow = [\"group:staff\"]\n";
    TempDir root_, conf_;
};

struct Way {
    const char* target;
    const char* fields = "";
};
// To what is in /private, as somebody tries who may not have it.
constexpr Way kWays[] = {
    {"/private"},
    {"/private/"},
    {"/private/s.txt"},
    {"/private/none"},
    {"//private/s.txt"},
    {"/private//s.txt"},
    {"/./private/s.txt"},
    {"/pub/../private/s.txt"},
    {"/pub/%2e%2e/private/s.txt"},
    {"/%70rivate/s.txt"},
    {"/p%72ivate/s%2etxt"},
    {"/private/./s.txt"},
    {"/private/deep/../s.txt"},
    {"/private/deep/d.txt"},
    {"/private%2Fs.txt"},
    {"/private%2fs.txt"},
    {"/private\\s.txt"},
    {"/private%5Cs.txt"},
    {"/private/s.txt/"},
    {"/private/s.txt%00"},
    {"/private;x/s.txt"},
    {"/private/s.txt;x"},
    {"/private/s.txt?"},
    {"/private/s.txt?x=y"},
    {"/private/s.txt#f"},
    {"/PRIVATE/s.txt"},
    {"/Private/S.TXT"},
    {"/private./s.txt"},
    {"/private%20/s.txt"},
    {"/files?path=private/s.txt"},
    {"/files?path=/private/s.txt"},
    {"/files?path=pub/../private/s.txt"},
    {"/files?path=private%2Fs.txt"},
    {"/files?path=%2e/private/s.txt"},
    {"/files?path=pub/link.txt"},
    {"/files?path=pub/folder/s.txt"},
    {"/pub/link.txt"},
    {"/pub/folder"},
    {"/pub/folder/"},
    {"/pub/folder/s.txt"},
    {"/pub/folder/deep/d.txt"},
    {"/alias/s.txt"},
    {"/alias/"},
    {"/private/?archive=tar"},
    {"/private/?archive=zip"},
    {"/pub/folder/?archive=tar"},
    {"/alias/?archive=tar.gz"},
    {"/private/?digests=sha256"},
    {"/pub/folder/?digests=sha256"},
    {"/private/s.txt?metalink"},
    {"/pub/link.txt?metalink"},
    {"/private/s.txt", "Want-Repr-Digest: sha-256=1\r\n"},
    {"/private/?format=json"},
    {"/private/s.txt", "Range: bytes=0-3\r\n"},
    {"/private/s.txt", "If-None-Match: *\r\n"},
    {"/private/s.txt", "If-Modified-Since: Fri, 01 Jan 2038 00:00:00 GMT\r\n"},
    {"/private/s.txt", "Accept-Encoding: gzip, br, zstd\r\n"},
    {"/private/s.txt", "X-Original-URL: /pub/a.txt\r\n"},
    {"/private/s.txt", "X-Forwarded-For: 127.0.0.1\r\n"},
    {"/private/s.txt", "Remote-User: ann\r\nRemote-Groups: staff\r\n"},
    {"/private/s.txt", "Authorization: Basic\r\n"},
    {"/private/s.txt", "Authorization: Basic YW5u\r\n"},
    {"/private/s.txt", "Authorization: Basic YW5uOg==\r\n"},
    {"/private/s.txt", "Authorization: Basic OnNlc2FtZQ==\r\n"},
    {"/private/s.txt", "Authorization: Bearer x\r\n"},
    {"/private/s.txt", "Authorization: Digest username=\"ann\"\r\n"},
    {"/private/s.txt", "Authorization: Basic YW5uOndyb25n\r\n"},
    {"/private/s.txt?sig=x&expires=9999999999&key=k"},
    {"/private/s.txt?user=ann&password=sesame"},
    {"http://localhost/private/s.txt"},
};

TEST_F(Access, NoWayLeadsToWhatSomebodyMayNotHave) {
    Server server(root_.path(), args({"--auth-failures", "0", "--server-name", "*"}));
    // What is kept for one who may have it answers nobody else.
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(fetch(server, "/private/s.txt", kAnn).status, 200);
        EXPECT_EQ(fetch(server, "/private/", kAnn).status, 200);
        EXPECT_EQ(fetch(server, "/pub/link.txt", kAnn).status, 200);
    }
    for (const Way& way : kWays) {
        for (const std::string_view method : {"GET", "HEAD"}) {
            RawClient client(server.port());
            const bool is_head = method == "HEAD";
            const Response response = client.ask(fmt::format("{} {} HTTP/1.1\r\nHost: "
                                                             "localhost\r\n{}\r\n",
                                                             method, way.target, way.fields),
                                                 is_head);
            EXPECT_TRUE(response.status >= 400 && response.status < 500)
                << method << ' ' << way.target << ' ' << way.fields << ": " << response.status;
            EXPECT_EQ(response.body.find(kSecret), std::string::npos) << way.target;
            EXPECT_FALSE(response.field("ETag")) << way.target;
            EXPECT_FALSE(response.field("Last-Modified")) << way.target;
        }
    }
}

TEST_F(Access, WhatIsThereAndWhatIsNotGetTheSameAnswer) {
    Server server(root_.path(), args());
    const Response there = fetch(server, "/private/s.txt");
    const Response none = fetch(server, "/private/none");
    EXPECT_EQ(there.status, 401);
    EXPECT_EQ(there.body, none.body);
    EXPECT_EQ(there.fields.size(), none.fields.size());
    EXPECT_EQ(there.field("WWW-Authenticate"), "Basic realm=\"fsrv\", charset=\"UTF-8\"");
    EXPECT_EQ(fetch(server, "/private").status, 401) << "no telling 301";
    EXPECT_EQ(fetch(server, "/private/s.txt", kBob).status, 403);
    EXPECT_EQ(fetch(server, "/private/none", kBob).status, 403);
    EXPECT_EQ(fetch(server, "/private/s.txt", kWrong).status, 401);
    EXPECT_EQ(fetch(server, "/private/s.txt", std::string(kAnn) + kAnn).status, 400);
    EXPECT_EQ(fetch(server, "/-/health").status, 200);
}

TEST_F(Access, WhoMayHaveItGetsItAndNoSharedCacheKeepsIt) {
    Server server(root_.path(), args());
    const Response file = fetch(server, "/private/s.txt", kAnn);
    EXPECT_EQ(file.status, 200);
    EXPECT_EQ(file.body, kSecret);
    EXPECT_EQ(file.field("Cache-Control"), "private");
    EXPECT_NE(file.head.find("Vary: Authorization\r\n"), std::string::npos) << file.head;
    const std::string tag = file.field("ETag").value_or("none");
    const Response fresh =
        fetch(server, "/private/s.txt", fmt::format("{}If-None-Match: {}\r\n", kAnn, tag));
    EXPECT_EQ(fresh.status, 304);
    EXPECT_EQ(fresh.field("Cache-Control"), "private");
    EXPECT_EQ(fetch(server, "/private", kAnn).status, 301);
    EXPECT_EQ(fetch(server, "/private/none", kAnn).status, 404);
    EXPECT_TRUE(server.access().await_line(" - ann ["));
    EXPECT_FALSE(fetch(server, "/pub/a.txt").field("Cache-Control"));
}

TEST_F(Access, TheNextRequestOfAConnectionIsNobodysBefore) {
    Server server(root_.path(), args({"--workers", "1"}));
    for (int i = 0; i < 3; ++i) EXPECT_EQ(fetch(server, "/pub/a.txt").status, 200); // it is kept
    RawClient client(server.port());
    client.send(get("/private/s.txt", kAnn) + get("/pub/a.txt?next") + get("/private/s.txt"));
    EXPECT_EQ(client.read_response().status, 200);
    EXPECT_EQ(client.read_response().status, 200);
    EXPECT_EQ(client.read_response().status, 401);
    const auto line = server.access().await_line("/pub/a.txt?next");
    ASSERT_TRUE(line);
    EXPECT_NE(line->find(" - - ["), std::string::npos) << *line;
}

TEST_F(Access, AListingShowsWhatTheAskerMayHave) {
    Server server(root_.path(), args());
    EXPECT_EQ(json(server, "/").find("private"), std::string::npos);
    EXPECT_EQ(json(server, "/").find("alias"), std::string::npos);
    EXPECT_NE(json(server, "/", kAnn).find("private"), std::string::npos);
    EXPECT_NE(json(server, "/", kAnn).find("alias"), std::string::npos);
    EXPECT_EQ(json(server, "/", kBob).find("private"), std::string::npos);
    EXPECT_EQ(json(server, "/pub/").find("link.txt"), std::string::npos);
    EXPECT_NE(json(server, "/pub/", kAnn).find("link.txt"), std::string::npos);
    const Response root = fetch(server, "/");
    EXPECT_EQ(root.field("Cache-Control"), "private, no-cache");
    EXPECT_EQ(root.field("Vary"), "Accept, Authorization");
}

TEST_F(Access, AnArchiveHasWhatTheAskerMayHave) {
    Server server(root_.path(), args());
    const Response all = fetch(server, "/?archive=tar");
    EXPECT_EQ(all.status, 200);
    EXPECT_NE(all.body.find("for all"), std::string::npos);
    EXPECT_EQ(all.body.find(kSecret), std::string::npos);
    EXPECT_EQ(all.body.find("private"), std::string::npos) << "nor is it named";
    const Response hers = fetch(server, "/?archive=tar", kAnn);
    EXPECT_NE(hers.body.find(kSecret), std::string::npos);
    EXPECT_NE(all.field("ETag"), hers.field("ETag"));
    EXPECT_EQ(hers.field("Cache-Control"), "private, no-cache");
    EXPECT_EQ(fetch(server, "/?archive=tar").body, all.body) << "once more, after hers";
}

TEST_F(Access, RulesChangeHowAPathIsServed) {
    write_file(root_ / "pub/x.foo", "foo");
    set_mtime(root_ / "pub/x.foo");
    fs::create_directories(root_ / "pub/inner");
    write_file(root_ / "pub/inner/home.html", "home");
    fs::create_directories(root_ / "pub/.shown");
    write_file(root_ / "pub/.shown/f", "f");
    fs::create_directories(root_ / "pub/plain");
    configure("[[path]]\nprefix = \"/pub\"\n"
              "headers = { Access-Control-Allow-Origin = \"*\" }\n"
              "cache-control = \"public, max-age=60\"\n"
              "disposition = \"attachment\"\n"
              "types = { \".foo\" = \"application/x-foo\" }\n"
              "[[path]]\nprefix = \"/pub/inner\"\nindex = \"home.html\"\nheaders = {}\n"
              "[[path]]\nprefix = \"/pub/.shown\"\nhidden = \"on\"\nlisting = \"off\"\n"
              "archive = \"off\"\n"
              "[[path]]\nprefix = \"/office\"\nrequire = [\"ip:10.0.0.0/8\"]\n");
    Server server(root_.path(), args());
    const Response foo = fetch(server, "/pub/x.foo");
    EXPECT_EQ(foo.field("Content-Type"), "application/x-foo");
    EXPECT_EQ(foo.field("Access-Control-Allow-Origin"), "*");
    EXPECT_EQ(foo.field("Cache-Control"), "public, max-age=60");
    EXPECT_EQ(foo.field("Content-Disposition"), "attachment; filename=\"x.foo\"");
    const Response fresh =
        fetch(server, "/pub/x.foo",
              fmt::format("If-None-Match: {}\r\n", foo.field("ETag").value_or("none")));
    EXPECT_EQ(fresh.status, 304);
    EXPECT_EQ(fresh.field("Access-Control-Allow-Origin"), "*");
    EXPECT_EQ(fresh.field("Cache-Control"), "public, max-age=60");
    const Response archive = fetch(server, "/pub/plain/?archive=tar");
    EXPECT_EQ(archive.status, 200);
    EXPECT_EQ(archive.field("Cache-Control"), "public, max-age=60");
    EXPECT_EQ(archive.field("Access-Control-Allow-Origin"), "*");
    EXPECT_EQ(fetch(server, "/pub/inner/").body, "home");
    EXPECT_FALSE(fetch(server, "/pub/inner/").field("Access-Control-Allow-Origin"));
    EXPECT_EQ(fetch(server, "/pub/.shown/f").status, 200);
    EXPECT_EQ(fetch(server, "/pub/.shown/").status, 403);
    EXPECT_EQ(fetch(server, "/pub/.shown/?archive=tar").status, 403);
    EXPECT_FALSE(fetch(server, "/pub/none").field("Access-Control-Allow-Origin")) << "of 2xx, 304";
    EXPECT_EQ(fetch(server, "/office/x").status, 403) << "no proof would help";
}

TEST_F(Access, ATokenIsAProof) {
    const RunResult hashed = run({"sh", "-c", "printf %s opensesame | sha256sum"});
    configure(fmt::format("[[path]]\nprefix = \"/private\"\nallow = [\"user:ci\"]\n"
                          "[[token]]\nname = \"ci\"\nsha256 = \"{}\"\n",
                          hashed.out.substr(0, 64)));
    Server server(root_.path(), args());
    EXPECT_EQ(fetch(server, "/private/s.txt", kToken).body, kSecret);
    EXPECT_EQ(fetch(server, "/private/s.txt", kAnn).status, 403);
    const Response none = fetch(server, "/private/s.txt", "Authorization: Bearer opensesam\r\n");
    EXPECT_EQ(none.status, 401);
    EXPECT_NE(none.head.find("WWW-Authenticate: Bearer realm=\"fsrv\"\r\n"), std::string::npos);
}

TEST_F(Access, WhatATrustedProxySaysOfAUserCounts) {
    Server server(root_.path(), args({"--trusted-proxies", "127.0.0.1"}));
    EXPECT_EQ(
        fetch(server, "/private/s.txt", "Remote-User: eve\r\nRemote-Groups: a, staff\r\n").status,
        200);
    EXPECT_EQ(fetch(server, "/private/s.txt", "Remote-User: eve\r\n").status, 403);
    EXPECT_EQ(fetch(server, "/private/s.txt").status, 401);
}

TEST_F(Access, GuessesRunOutAndWhoKnowsThePasswordIsLetIn) {
    // Each worker keeps what it has hashed itself.
    Server server(root_.path(), args({"--auth-failures", "3", "--workers", "1"}));
    EXPECT_EQ(fetch(server, "/private/s.txt", kAnn).status, 200);
    int tried = 0;
    Response response;
    while (tried < 50 && (response = fetch(server, "/private/s.txt",
                                           fmt::format("Authorization: Bearer guess{}\r\n", tried)))
                                 .status == 401)
        ++tried;
    EXPECT_EQ(response.status, 429) << tried;
    EXPECT_TRUE(response.field("Retry-After"));
    EXPECT_LE(tried, 5);
    EXPECT_EQ(fetch(server, "/private/s.txt", kAnn).status, 200) << "proven before";
    EXPECT_EQ(fetch(server, "/private/s.txt").status, 401) << "no proof is no failure";
    EXPECT_EQ(fetch(server, "/pub/a.txt").status, 200);
}

TEST_F(Access, ManyGuessesAtATimeAreNotMoreThanOneByOne) {
    Server server(root_.path(), args({"--auth-failures", "3", "--workers", "1"}));
    std::vector<RawClient> clients;
    for (int i = 0; i < 30; ++i) {
        clients.emplace_back(server.port());
        clients.back().send(
            get("/private/s.txt", fmt::format("Authorization: Basic {}\r\n",
                                              crypto::encode_base64(fmt::format("ann:guess {}", i),
                                                                    crypto::Base64::standard))));
    }
    int hashed = 0, refused = 0;
    for (RawClient& client : clients) {
        const int status = client.read_response().status;
        hashed += status == 401 ? 1 : 0;
        refused += status == 429 ? 1 : 0;
    }
    EXPECT_EQ(hashed + refused, 30);
    EXPECT_GE(hashed, 3);
    EXPECT_LE(hashed, 5);
    EXPECT_EQ(fetch(server, "/pub/a.txt").status, 200);
}

TEST_F(Access, ALinkLetsInUntilItExpires) {
    configure("[[path]]\nprefix = \"/private\"\nallow = [\"signed\"]\n"
              "[[path]]\nprefix = \"/other\"\nallow = [\"signed\"]\n");
    fs::create_directories(root_ / "other");
    write_file(root_ / "other/o.txt", "of others");
    fs::create_symlink("../other/o.txt", root_ / "private/to-other");
    write_file(conf_ / "keys", "k1:0123456789abcdef0123456789abcdef\n");
    fs::permissions(conf_ / "keys", fs::perms::owner_read | fs::perms::owner_write);
    const std::vector<std::string> key{"--signing-key", (conf_ / "keys").string()};
    Server server(root_.path(), args(key));
    const auto sign = [&](const std::string& path, std::vector<std::string> more) {
        std::vector<std::string> command{fsrv_binary(), "--sign", server.url(path)};
        command.insert(command.end(), key.begin(), key.end());
        command.insert(command.end(), more.begin(), more.end());
        std::string link = run(command).out;
        return link.substr(link.find('/', 8), link.find('\n') - link.find('/', 8));
    };
    const std::string link = sign("/private/s.txt", {});
    EXPECT_EQ(fetch(server, link).body, kSecret);
    EXPECT_EQ(fetch(server, "/private/deep/d.txt" + link.substr(link.find('?'))).status, 403);
    EXPECT_EQ(fetch(server, "/private/s.txt").status, 403) << "no proof would help but a link";
    std::string bent = link;
    bent[bent.find("expires=") + 8] = '8';
    EXPECT_EQ(fetch(server, bent).status, 403);
    const std::string folder = sign("/private/", {"--prefix"});
    EXPECT_EQ(fetch(server, "/private/deep/d.txt" + folder.substr(folder.find('?'))).status, 200);
    EXPECT_EQ(fetch(server, "/private/to-other" + folder.substr(folder.find('?'))).status, 403)
        << "what it leads to wants a link of its own";
    // What has begun may go on, by what proves that.
    const std::string late = sign("/private/s.txt", {"--expires", "1s", "--resume", "1h"});
    ASSERT_TRUE(await([&] { return fetch(server, late).status == 403; }));
    const std::string tag = fetch(server, link).field("ETag").value_or("");
    const std::string range = "Range: bytes=4-\r\n";
    EXPECT_EQ(fetch(server, late, range).status, 403);
    EXPECT_EQ(fetch(server, late, range + "If-Range: \"x\"\r\n").status, 403);
    EXPECT_EQ(fetch(server, late, range + "If-Range: " + tag + "\r\n").body, kSecret.substr(4));
    EXPECT_EQ(fetch(server, sign("/private/s.txt", {"--client", "192.0.2.0/24"})).status, 403);
    // Nothing of it is told.
    const std::string sig = link.substr(link.find("sig=") + 4, 20);
    EXPECT_TRUE(server.access().await_line("sig=..."));
    EXPECT_EQ(server.access().text().find(sig), std::string::npos);
    EXPECT_EQ(server.log().text().find(sig), std::string::npos);
}

TEST_F(Access, AReloadHoldsOnConnectionsThatAreKept) {
    configure("");
    Server server(root_.path(), args());
    RawClient kept(server.port());
    EXPECT_EQ(kept.ask(get("/private/s.txt")).status, 200);
    configure(kRules);
    const RunResult reload =
        run({fsrv_binary(), "--control", (conf_ / "control.sock").string(), "--ctl", "reload"});
    ASSERT_EQ(reload.exit_status, 0) << reload.err;
    if (kept.send(get("/private/s.txt"))) {
        const Response response = kept.read_response();
        EXPECT_NE(response.status, 200);
    }
    EXPECT_EQ(fetch(server, "/private/s.txt").status, 401);
}

TEST_F(Access, AReloadHoldsForStreamsOfAConnectionThatIsKept) {
    configure("");
    Server server(root_.path(), args());
    Http2Client kept(server.port(), {.window = 1'000}), half(server.port());
    RawClient half_a_head(server.port());
    EXPECT_EQ(kept.ask("/private/s.txt").status, 200);
    EXPECT_EQ(half.ask("/pub/a.txt").status, 200);
    EXPECT_EQ(half_a_head.ask(get("/pub/a.txt")).status, 200);
    // A download keeps the first one; of the others the next request is on its way.
    const std::uint32_t download = kept.get("/pub/long.txt");
    while (kept.received(download) < 1'000) ASSERT_TRUE(kept.read());
    const std::uint32_t stream = half.next_stream();
    const std::string block = h2::block(h2::request_fields("GET", "/private/s.txt"));
    ASSERT_TRUE(half.send(h2::frame(h2::kPing, 0, 0, "12345678") +
                          h2::frame(h2::kHeaders, h2::kEndStream, stream, block.substr(0, 9))));
    const std::string head = get("/private/s.txt");
    ASSERT_TRUE(half_a_head.send(head.substr(0, head.size() - 2)));
    while (half.pings() == 0) ASSERT_TRUE(half.read());
    configure(kRules);
    const RunResult reload =
        run({fsrv_binary(), "--control", (conf_ / "control.sock").string(), "--ctl", "reload"});
    ASSERT_EQ(reload.exit_status, 0) << reload.err;
    const std::uint32_t late[] = {kept.get("/private/s.txt"),
                                  kept.get("/files?path=private/s.txt")};
    kept.send(h2::window_update(download, 10'000));
    EXPECT_TRUE(kept.await(download));
    EXPECT_EQ(kept.of(download).body, std::string(5'000, 'x')) << "it began before";
    for (const std::uint32_t each : late) { // if it is answered at all
        kept.await(each);
        EXPECT_NE(kept.of(each).status, 200);
        EXPECT_EQ(kept.of(each).body.find(kSecret), std::string::npos);
    }
    half.send(h2::frame(h2::kContinuation, h2::kEndHeaders, stream, block.substr(9)));
    half.await(stream);
    EXPECT_NE(half.of(stream).status, 200);
    EXPECT_EQ(half.of(stream).body.find(kSecret), std::string::npos);
    if (half_a_head.send(head.substr(head.size() - 2))) {
        EXPECT_NE(half_a_head.read_response().status, 200);
    }
    Http2Client next(server.port());
    EXPECT_EQ(next.ask("/private/s.txt").status, 401);
    EXPECT_EQ(next.ask("/private/s.txt", {{"authorization", "Basic YW5uOnNlc2FtZQ=="}}).status,
              200);
    EXPECT_EQ(next.ask("/private/s.txt").status, 401) << "each stream proves it itself";
}

TEST_F(Access, ABadRuleIsRefusedByAReloadAndChangesNothing) {
    Server server(root_.path(), args());
    configure("[[path]]\nprefix = \"/private\"\nallow = [\"group:nobody\"]\n");
    const RunResult reload =
        run({fsrv_binary(), "--control", (conf_ / "control.sock").string(), "--ctl", "reload"});
    server.expect_trouble("nobody is in the group");
    EXPECT_NE(reload.exit_status, 0);
    EXPECT_NE(reload.err.find("nobody is in the group \"nobody\""), std::string::npos)
        << reload.err;
    EXPECT_EQ(fetch(server, "/private/s.txt", kAnn).status, 200);
}

} // namespace
} // namespace fsrv::test
