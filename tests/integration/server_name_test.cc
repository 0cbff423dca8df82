// Which names a server answers to: a stranger's page can give its own name the address 127.0.0.1,
// and read with it what a browser of this machine may see. Also --api off.

#include "tests/integration/admin_support.h"
#include "tests/support/files.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <gtest/gtest.h>

namespace fsrv::test {
namespace {

class ServerName : public testing::Test {
  protected:
    ServerName() {
        write_pattern(root_ / "t.bin", 1000);
        set_mtime(root_ / "t.bin");
        write_pattern(root_ / "big.bin", 1'000'000);
    }
    // The harness would take any name.
    void start(std::vector<std::string> more = {}) {
        ServerSetup setup{.args = {"--host", "127.0.0.1", "--port", "0", "--workers", "1"}};
        setup.args.insert(setup.args.end(), more.begin(), more.end());
        setup.loopback = false;
        setup.trouble = {"421 on a loopback address"};
        server_.emplace(root_.path(), setup);
    }
    static std::string request(const std::string& line, const std::string& host,
                               const std::string& fields = "") {
        return line + " HTTP/1.1\r\nHost: " + host + "\r\n" + fields + "\r\n";
    }
    int status(const std::string& host, const std::string& line = "GET /t.bin") {
        RawClient client(server_->port());
        return client.ask(request(line, host)).status;
    }

    TempDir root_;
    std::optional<Server> server_;
};

TEST_F(ServerName, OnLoopbackOnlyThoseThatNobodyElseCanPointHere) {
    for (const char* io : {"auto", "inline"}) {
        start({"--io", io});
        for (int i = 0; i < 3; ++i) { // by the pool, and out of the cache
            for (const char* good : {"localhost", "LOCALHOST:8080", "a.localhost", "127.0.0.1",
                                     "127.0.0.1:1", "[::1]:8080", "192.0.2.1", ""})
                EXPECT_EQ(status(good), 200) << good;
            for (const char* bad : {"evil.example", "evil.example:8080", "t",
                                    "localhost.evil.example", "127.0.0.1.evil.example"})
                EXPECT_EQ(status(bad), 421) << bad;
        }
        for (const char* line :
             {"GET /t.bin", "GET /big.bin", "GET /", "GET /none", "OPTIONS /t.bin", "OPTIONS *",
              "PUT /t.bin", "GET /-/health", "GET /%zz", "GET http://evil.example/t.bin",
              "GET /files?path=t.bin"})
            EXPECT_EQ(status("evil.example", line), 421) << line;
        EXPECT_EQ(status("localhost", "GET http://evil.example/t.bin"), 421) << "it wins over Host";
        EXPECT_EQ(status("evil.example", "GET http://localhost/t.bin"), 200);
        server_.reset();
    }
}

TEST_F(ServerName, IsLookedAtInEveryRequestOfAConnection) {
    start();
    RawClient client(server_->port());
    std::string tag;
    for (int i = 0; i < 3; ++i) {
        const Response good = client.ask(request("GET /t.bin", "localhost"));
        EXPECT_EQ(good.status, 200);
        tag = good.field("ETag").value_or("");
        const Response bad =
            client.ask(request("GET /t.bin", "evil.example", "Accept: application/json\r\n"));
        EXPECT_EQ(bad.status, 421);
        EXPECT_EQ(bad.field("Content-Type"), "application/problem+json");
        EXPECT_NE(bad.body.find("--server-name"), std::string::npos) << bad.body;
        expect_sound(bad);
        EXPECT_EQ(
            client.ask(request("GET /t.bin", "evil.example", "If-None-Match: " + tag + "\r\n"))
                .status,
            421);
        const Response head = client.ask(request("HEAD /t.bin", "evil.example"), true);
        EXPECT_EQ(head.status, 421);
        EXPECT_EQ(head.count("ETag"), 0U);
    }
    ASSERT_TRUE(client.send(request("GET /t.bin", "localhost") +
                            request("GET /t.bin", "evil.example") +
                            request("GET /t.bin", "localhost")));
    EXPECT_EQ(client.read_response().status, 200);
    EXPECT_EQ(client.read_response().status, 421);
    EXPECT_EQ(client.read_response().status, 200);
    EXPECT_EQ(client.ask("GET /t.bin HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").status, 200);
    // Told once in a while, with what helps.
    EXPECT_TRUE(server_->log().await_line("--server-name evil.example, or with --trusted-proxies"));
    EXPECT_EQ(server_->log().count("421 on a loopback address"), 1U);
}

TEST_F(ServerName, MayBeConfigured) {
    start({"--server-name", "files.example.org", "--server-name", "*.pool.example"});
    EXPECT_EQ(status("files.example.org"), 200);
    EXPECT_EQ(status("Files.Example.org.:443"), 200);
    EXPECT_EQ(status("a.pool.example"), 200);
    EXPECT_EQ(status("localhost"), 200);
    EXPECT_EQ(status("example.org"), 421);
    server_.reset();
    start({"--server-name", "*"});
    EXPECT_EQ(status("evil.example"), 200);
}

TEST_F(ServerName, IsATrustedProxysToSay) {
    start({"--trusted-proxies", "127.0.0.1"});
    EXPECT_EQ(status("files.example.org"), 200);
    server_.reset();
    start({"--trusted-proxies", "192.0.2.0/24"});
    EXPECT_EQ(status("files.example.org"), 421);
    server_.reset();
    start({"--trusted-proxies", "127.0.0.1", "--proxy-protocol", "on"});
    RawClient proxied(server_->port());
    EXPECT_EQ(proxied
                  .ask("PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n" +
                       request("GET /t.bin", "files.example.org"))
                  .status,
              200);
}

TEST_F(ServerName, MayBeAnyOnTheUnixSocket) {
    const std::string path = root_ / "s.sock";
    start({"--unix", path});
    RawClient client(path);
    EXPECT_EQ(client.ask(request("GET /t.bin", "evil.example")).status, 200);
}

// No proxy stands before it to be trusted.
TEST_F(ServerName, HoldsForTheAdminPage) {
    start({"--admin", "127.0.0.1:0", "--trusted-proxies", "127.0.0.1", "--server-name",
           "status.example.org"});
    const std::uint16_t port = Admin(*server_).port();
    RawClient client(port);
    for (const char* path : {"/status", "/metrics", "/healthz", "/"}) {
        const std::string line = std::string("GET ") + path;
        EXPECT_EQ(client.ask(request(line, "evil.example")).status, 421) << path;
        EXPECT_NE(client.ask(request(line, "localhost")).status, 421) << path;
        EXPECT_NE(client.ask(request(line, "127.0.0.1:9090")).status, 421) << path;
        EXPECT_NE(client.ask(request(line, "status.example.org")).status, 421) << path;
    }
    RawClient agent(port);
    ASSERT_TRUE(agent.send("state\n"));
    EXPECT_NE(agent.read_to_end().find("up "), std::string::npos);
}

// What a proxy in front allows by path would not hold for ?path=.
TEST_F(ServerName, TheApiCanBeOff) {
    std::filesystem::create_directory(root_ / "files");
    write_file(root_ / "files/inner.txt", "inner");
    Server server(root_.path(), {"--workers", "1", "--api", "off"});
    for (int i = 0; i < 3; ++i) {
        const Response folder = fetch(server.port(), "/files?path=t.bin");
        EXPECT_EQ(folder.status, 301);
        EXPECT_EQ(folder.field("Location"), "files/?path=t.bin");
        const Response listing = fetch(server.port(), "/files/?path=t.bin");
        EXPECT_EQ(listing.status, 200);
        EXPECT_EQ(listing.count("Content-Disposition"), 0U);
        EXPECT_EQ(fetch(server.port(), "/files/inner.txt").body, "inner");
        EXPECT_EQ(fetch(server.port(), "/x/..//f%69les?path=t.bin").status, 301);
        EXPECT_EQ(fetch(server.port(), "/-/health").status, 200);
    }
    std::filesystem::remove_all(root_ / "files");
    EXPECT_EQ(fetch(server.port(), "/files?path=t.bin").status, 404);
    EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
}

} // namespace
} // namespace fsrv::test
