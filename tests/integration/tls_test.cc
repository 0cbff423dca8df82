// TLS of a real server, with the clients that people have and with one that sees each byte: what is
// served in clear is served so over TLS, sessions resume wherever they may, whoever breaks off a
// handshake is only a figure, and what is cut never looks whole.

#include "tests/integration/admin_support.h"
#include "tests/support/certificates.h"
#include "tests/support/files.h"
#include "tests/support/free_port.h"
#include "tests/support/process.h"
#include "tests/support/server.h"
#include "tests/support/tls_client.h"

#include <csignal>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <set>
#include <sys/socket.h>
#include <sys/stat.h>

namespace fsrv::test {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kSize = 8 << 20;
constexpr int kSmallBuffer = 65'536;

#define NEEDS(program)                                                                             \
    if (!have_program(program)) GTEST_SKIP() << program << " is not installed"

class TlsServer : public testing::Test {
  protected:
    TlsServer() {
        write_pattern(root_ / "t.bin", 1'000);
        write_pattern(root_ / "big.bin", kSize);
        set_mtime(root_ / "t.bin");
        set_mtime(root_ / "big.bin");
        install(made_);
    }
    std::string at(std::string_view name) const { return (conf_ / name).string(); }
    void install(const Certificate& certificate) {
        write_file(conf_ / "new", certificate.pem + certificate.key_pem);
        chmod(at("new").c_str(), 0600);
        fs::rename(conf_ / "new", conf_ / "pair.pem");
        keys_.push_back(certificate.key_pem);
    }
    ServerSetup setup(std::vector<std::string> args, std::vector<std::string> trouble = {}) {
        args.insert(args.end(), {"--tls-cert", at("pair.pem")});
        return {.args = std::move(args),
                .environment = {},
                .wrapper = {},
                .before_exec = {},
                .trouble = std::move(trouble)};
    }
    std::vector<std::string> with_control(std::vector<std::string> args) {
        args.insert(args.end(), {"--control", at("control.sock")});
        return args;
    }
    RunResult ctl(const std::string& word) {
        return run({fsrv_binary(), "--control", at("control.sock"), "--ctl", word});
    }
    // A certificate that clients have reason to believe.
    static Certificate for_loopback() {
        return make_certificate({.hosts = {"DNS:localhost", "IP:127.0.0.1"}, .is_ca = true});
    }
    RunResult here(std::vector<std::string> command) {
        return run(command, {.environment = {"no_proxy=*", "NO_PROXY=*", "HOME=/nonexistent"},
                             .directory = here_.str(),
                             .input = {}});
    }
    void expect_same(const fs::path& copy, const fs::path& original) {
        EXPECT_EQ(sha256_of(copy), sha256_of(original)) << copy;
    }
    static std::unique_ptr<TlsClient> stalled(const Server& server) {
        auto client = std::make_unique<TlsClient>(
            server.port(), TlsSetup{.socket = {.receive_buffer = kSmallBuffer}});
        client->send(get("/big.bin"));
        EXPECT_EQ(client->read_head().status, 200);
        return client;
    }
    static bool answers(const Server& server) {
        TlsClient client(server.port());
        return client.ask(get("/t.bin")).body == pattern(0, 1'000);
    }
    // Of none of the certificates that there were, in what the server has said.
    void expect_no_key_in_logs(const Server& server) {
        const std::string all = server.log().text() + server.access().text();
        for (const std::string& key : keys_) {
            std::size_t lines = 0;
            for (std::size_t i = 0; i < key.size(); i = key.find('\n', i) + 1, ++lines) {
                const std::string line = key.substr(i, key.find('\n', i) - i);
                EXPECT_EQ(all.find(line), std::string::npos);
            }
            EXPECT_GT(lines, 3U);
        }
    }

    TempDir root_, conf_, here_;
    const Certificate made_ = for_loopback();
    std::vector<std::string> keys_;
};

TEST_F(TlsServer, CurlGetsFilesOfEverySizeOverEitherProtocol) {
    NEEDS("curl");
    write_file(conf_ / "ca.pem", made_.pem);
    const std::uint64_t sizes[] = {0, 1, 1 << 10, 100 << 10, 8 << 20, 64 << 20};
    std::vector<std::string> names;
    for (const std::uint64_t size : sizes) {
        names.push_back(std::to_string(size) + ".bin");
        write_pattern(root_ / names.back(), size, size);
    }
    for (const std::string io : {"auto", "threads", "inline"}) {
        Server server(root_.path(), setup({"--workers", "2", "--io", io}));
        for (const std::string protocol : {"--http1.1", "--http2"}) {
            std::vector<std::string> command{"curl",
                                             "-sS",
                                             "-f",
                                             protocol,
                                             "--cacert",
                                             at("ca.pem"),
                                             "-w",
                                             "%{num_connects} ",
                                             "--remote-name-all"};
            for (const std::string& name : names) command.push_back(server.url("/" + name));
            const RunResult result = here(command);
            ASSERT_TRUE(ran_well(result, "curl")) << io << protocol;
            EXPECT_EQ(result.out, "1 0 0 0 0 0 ") << "on one connection";
            for (const std::string& name : names) {
                expect_same(here_ / name, root_ / name);
                fs::remove(here_ / name);
            }
        }
        expect_no_key_in_logs(server);
    }
}

TEST_F(TlsServer, ADownloadIsContinuedByCurlWgetAndAria2) {
    write_file(conf_ / "ca.pem", made_.pem);
    Server server(root_.path(), setup({"--workers", "2"}));
    const std::pair<std::string, std::vector<std::string>> table[] = {
        {"curl", {"-sS", "-f", "-C", "-", "-O", "--cacert", at("ca.pem")}},
        {"wget", {"-q", "-c", "--ca-certificate=" + at("ca.pem")}},
        {"aria2c",
         {"-q", "-c", "-x4", "-k1M", "--file-allocation=none", "--ca-certificate=" + at("ca.pem")}},
    };
    const fs::path copy = here_ / "big.bin";
    for (const auto& [program, args] : table) {
        if (!have_program(program)) continue;
        write_file(copy, pattern(0, 3'000'000));
        std::vector<std::string> command{program};
        command.insert(command.end(), args.begin(), args.end());
        command.push_back(server.url("/big.bin"));
        EXPECT_TRUE(ran_well(here(command), program));
        expect_same(copy, root_ / "big.bin");
        EXPECT_TRUE(server.access().await_line("\" 206 ")) << program;
        fs::remove(copy);
    }
}

TEST_F(TlsServer, OpenSslTalksToIt) {
    NEEDS("openssl");
    write_file(conf_ / "ca.pem", made_.pem);
    Server server(root_.path(), setup({"--workers", "1"}));
    for (const std::string version : {"-tls1_2", "-tls1_3"}) {
        const RunResult result =
            run({"openssl", "s_client", "-connect", "127.0.0.1:" + std::to_string(server.port()),
                 version, "-CAfile", at("ca.pem"), "-verify_return_error", "-quiet", "-ign_eof"},
                {.environment = {},
                 .directory = {},
                 .input = "GET /t.bin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"});
        EXPECT_EQ(result.exit_status, 0) << result.err;
        EXPECT_TRUE(result.out.ends_with(pattern(0, 1'000))) << version;
    }
}

// All but the time of day.
std::string lasting(const Response& response) {
    std::string text = std::to_string(response.status) + "\n";
    for (const auto& [name, value] : response.fields)
        if (name != "Date") text += name + ": " + value + "\n";
    return text;
}

TEST_F(TlsServer, AnswersOverTlsAreThoseInClear) {
    fs::create_directory(root_ / "folder");
    write_file(root_ / "folder" / "x.txt", "text");
    set_mtime(root_ / "folder" / "x.txt");
    Server server(root_.path(), setup({"--workers", "1", "--unix", at("unix.sock")}));
    const std::string tag =
        TlsClient(server.port()).ask(head("/t.bin"), true).field("ETag").value_or("none");
    const std::string asks[] = {
        get("/t.bin"),
        head("/t.bin"),
        head("/big.bin"),
        get("/big.bin", "Range: bytes=0-0\r\n"),
        get("/big.bin", "Range: bytes=1000000-3999999\r\n"),
        get("/big.bin", "Range: bytes=-100000\r\n"),
        get("/big.bin", "Range: bytes=99999999-\r\n"),
        get("/t.bin", "If-None-Match: " + tag + "\r\n"),
        get("/t.bin", "If-Match: \"other\"\r\n"),
        get("/t.bin", "If-Modified-Since: Tue, 14 Nov 2034 22:13:20 GMT\r\n"),
        get("/folder"),
        get("/folder/", "Accept: application/json\r\n"),
        get("/none"),
        get("/../x"),
        get("/-/health"),
        "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "DELETE /t.bin HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /t.bin HTTP/1.0\r\n\r\n",
        "GET /t.bin HTTP/1.1\r\n\r\n",
        "nonsense\r\n\r\n",
    };
    std::set<int> statuses;
    for (const std::string& ask : asks) {
        RawClient clear(at("unix.sock"));
        TlsClient tls(server.port());
        const bool to_head = ask.starts_with("HEAD");
        const Response expected = clear.ask(ask, to_head);
        const Response got = tls.ask(ask, to_head);
        EXPECT_TRUE(got.complete()) << ask;
        expect_sound(got);
        EXPECT_EQ(lasting(got), lasting(expected)) << ask;
        EXPECT_TRUE(got.body == expected.body) << ask;
        statuses.insert(got.status);
        if (got.announces_close()) {
            EXPECT_EQ(tls.await_end(), Got::fin) << ask;
            EXPECT_TRUE(tls.end_was_announced()) << ask;
        } else {
            EXPECT_EQ(tls.ask(get("/t.bin")).body, pattern(0, 1'000)) << ask;
        }
    }
    EXPECT_GE(statuses.size(), 8U);
}

TEST_F(TlsServer, ManyRequestsAtOnceAreAnsweredInTheirOrder) {
    for (const unsigned version : {12U, 13U}) {
        Server server(root_.path(), setup({"--workers", "1"}));
        TlsClient client(server.port(), {.version = version});
        std::string all;
        for (unsigned i = 0; i < 300; ++i) {
            all += i % 50 == 49
                       ? get("/big.bin", "Range: bytes=" + std::to_string(i) + "-1000000\r\n")
                       : get("/t.bin?" + std::to_string(i));
        }
        ASSERT_TRUE(client.send(all));
        for (unsigned i = 0; i < 300; ++i) {
            const Response response = client.read_response();
            if (i % 50 == 49) {
                ASSERT_EQ(response.status, 206) << i;
                ASSERT_TRUE(is_pattern(response.body, i, 1'000'001 - i)) << i;
            } else {
                ASSERT_EQ(response.status, 200) << i;
                ASSERT_EQ(response.body, pattern(0, 1'000)) << i;
            }
        }
    }
}

TEST_F(TlsServer, ClearTextIsToldToUseHttps) {
    Server server(root_.path(), setup({"--workers", "1", "--admin", "127.0.0.1:0"}));
    for (const std::string& ask :
         {get("/t.bin"), head("/t.bin"), std::string("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
          std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
          std::string("POST / HTTP/1.0\r\n\r\n")}) {
        RawClient client(server.port());
        const Response response = client.ask(ask);
        EXPECT_EQ(response.status, 400) << ask;
        EXPECT_NE(response.body.find("https"), std::string::npos) << response.body;
        EXPECT_EQ(response.body.find("pattern"), std::string::npos);
        EXPECT_EQ(client.await_end(), Got::fin) << ask;
    }
    const Exposition metrics = Admin(server).metrics();
    EXPECT_EQ(metrics.sum("fsrv_tls_handshake_failures_total", {{"reason", "clear-text"}}), 5);
    EXPECT_EQ(metrics.sum("fsrv_tls_handshakes_total"), 0);
}

TEST_F(TlsServer, TheUnixSocketAndAdminStayClear) {
    Server server(root_.path(),
                  setup({"--workers", "1", "--unix", at("unix.sock"), "--admin", "127.0.0.1:0"}));
    RawClient client(at("unix.sock"));
    EXPECT_EQ(client.ask(get("/t.bin")).body, pattern(0, 1'000));
    const Admin admin(server);
    EXPECT_EQ(admin.get("/metrics").status, 200);
    EXPECT_FALSE(TlsClient(admin.port()).shaken());
    EXPECT_TRUE(answers(server));
}

TEST_F(TlsServer, SessionsResumeOnEveryWorkerAfterReloadsAndAfterUpgrades) {
    Server server(root_.path(), setup(with_control({"--workers", "4", "--admin", "127.0.0.1:0"})));
    const auto begin = [&](unsigned version) {
        TlsClient client(server.port(), {.version = version});
        EXPECT_FALSE(client.resumed());
        EXPECT_EQ(client.ask(get("/t.bin")).status, 200);
        return client.session();
    };
    const auto resumes = [&](unsigned version, const std::shared_ptr<ssl_session_st>& session) {
        TlsClient client(server.port(), {.version = version, .resumes = session.get()});
        EXPECT_EQ(client.ask(get("/t.bin")).status, 200);
        const bool resumed = client.resumed();
        return std::pair(resumed, client.session());
    };
    const std::shared_ptr<ssl_session_st> early[] = {begin(12), begin(13)};
    for (const unsigned version : {12U, 13U}) {
        auto session = early[version - 12];
        for (int i = 0; i < 30; ++i) { // on each of four, as good as surely
            auto [resumed, next] = resumes(version, session);
            EXPECT_TRUE(resumed) << version;
            session = next;
        }
    }
    std::shared_ptr<ssl_session_st> kept[] = {begin(12), begin(13)};
    ASSERT_TRUE(ran_well(ctl("reload"), "reload"));
    for (const unsigned version : {12U, 13U}) {
        auto [resumed, next] = resumes(version, kept[version - 12]);
        EXPECT_TRUE(resumed) << "after a reload, " << version;
        kept[version - 12] = next;
    }
    server.signal(SIGUSR2);
    server.follow();
    for (const unsigned version : {12U, 13U})
        EXPECT_TRUE(resumes(version, kept[version - 12]).first) << "after an upgrade, " << version;
    expect_no_key_in_logs(server);
}

TEST_F(TlsServer, AFileThatChangesOnItsWayNeverLooksWhole) {
    for (const std::string io : {"auto", "threads", "inline"}) {
        Server server(root_.path(), setup({"--workers", "1", "--io", io, "--log-level", "debug",
                                           "--stall-timeout", "100ms"}));
        const auto client = stalled(server);
        std::string bytes = client->read_bytes(100'000);
        ASSERT_TRUE(server.log().await_line("paused after")) << server.log().text();
        write_at(root_ / "big.bin", kSize - 1, "!");
        bytes += client->read_bytes(kSize - bytes.size());
        EXPECT_LT(bytes.size(), kSize) << "looks whole";
        EXPECT_EQ(client->end(), Got::rst);
        EXPECT_FALSE(client->end_was_announced()) << io;
        const auto line = server.access().await_line("/big.bin");
        ASSERT_TRUE(line);
        EXPECT_NE(line->find("file-changed"), std::string::npos) << *line;
        write_pattern(root_ / "big.bin", kSize);
        set_mtime(root_ / "big.bin");
    }
}

TEST_F(TlsServer, ASlowClientIsPausedAndGoesOn) {
    for (const std::string io : {"auto", "threads", "inline"}) {
        Server server(root_.path(), setup({"--workers", "1", "--io", io, "--log-level", "debug",
                                           "--stall-timeout", "100ms"}));
        const auto client = stalled(server);
        std::uint64_t got = 0;
        for (std::size_t pauses = 1; pauses <= 3; ++pauses) {
            ASSERT_TRUE(server.log().await_count("paused after", pauses)) << server.log().text();
            const std::string bytes = client->read_bytes(pauses == 3 ? kSize - got : 1'200'000);
            EXPECT_EQ(pattern_mismatch(bytes, got), std::nullopt) << io;
            got += bytes.size();
        }
        EXPECT_EQ(got, kSize);
        EXPECT_EQ(client->ask(get("/t.bin")).body, pattern(0, 1'000)) << "the connection stays";
    }
}

TEST_F(TlsServer, OneThatStaysPausedIsResetAndNoEndIsAnnounced) {
    Server server(root_.path(), setup({"--workers", "1", "--stall-timeout", "100ms",
                                       "--pause-timeout", "300ms"}));
    const auto client = stalled(server);
    const auto line = server.access().await_line("/big.bin");
    ASSERT_TRUE(line);
    EXPECT_NE(line->find("pause-timeout"), std::string::npos) << *line;
    EXPECT_LT(client->read_to_end().size(), kSize);
    EXPECT_FALSE(client->end_was_announced());
}

// What a client says first, to the last byte but some.
std::string client_hello() {
    return std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) + std::string(60, 'x');
}

TEST_F(TlsServer, WhoDripsOrBreaksOffAHandshakeIsClosedAndCounted) {
    Server server(root_.path(),
                  setup({"--workers", "1", "--header-timeout", "300ms", "--admin", "127.0.0.1:0"}));
    const Admin admin(server);
    const auto failures = [&](const char* reason) {
        return admin.metrics().sum("fsrv_tls_handshake_failures_total", {{"reason", reason}});
    };
    RawClient silent(server.port()), dripping(server.port()), gone(server.port()),
        reset(server.port()), noise(server.port());
    const std::string hello = client_hello();
    ASSERT_TRUE(gone.send(hello));
    gone.half_close();
    gone.read_to_end();
    EXPECT_EQ(gone.end(), Got::fin);
    ASSERT_TRUE(reset.send(hello));
    reset.reset();
    ASSERT_TRUE(noise.send(std::string("\x16\x03\x01\x00\x05 nonsense", 14)));
    noise.read_to_end();
    // It never stops, and its time is over all the same.
    const Deadline deadline;
    for (std::size_t i = 0; !deadline.over() && dripping.send(hello.substr(i % hello.size(), 1));
         ++i)
        if (await_fd(dripping.fd(), POLLIN, Deadline(std::chrono::milliseconds(20)))) break;
    EXPECT_NE(dripping.await_end(), Got::nothing);
    EXPECT_EQ(silent.await_end(), Got::fin);
    EXPECT_TRUE(await([&] { return failures("timeout") == 2; })) << "the silent one is another";
    EXPECT_TRUE(await([&] { return failures("closed") == 2; }));
    EXPECT_EQ(failures("clear-text"), 0);
    EXPECT_TRUE(answers(server));
}

TEST_F(TlsServer, HalfOpenHandshakesStopNoDownload) {
    Server server(root_.path(), setup({"--workers", "1", "--admin", "127.0.0.1:0"}));
    const auto client = stalled(server);
    std::vector<std::unique_ptr<RawClient>> half;
    const std::string hello = client_hello();
    for (int i = 0; i < 200; ++i) {
        half.push_back(std::make_unique<RawClient>(server.port()));
        ASSERT_TRUE(half.back()->send(hello));
    }
    EXPECT_EQ(pattern_mismatch(client->read_bytes(kSize), 0), std::nullopt);
    EXPECT_EQ(client->ask(get("/t.bin")).status, 200);
    EXPECT_TRUE(answers(server));
    const Admin admin(server);
    EXPECT_GE(admin.metrics().sum("fsrv_connections"), 201);
    half.clear();
    EXPECT_TRUE(await([&] {
        return admin.metrics().sum("fsrv_tls_handshake_failures_total", {{"reason", "closed"}}) ==
               200;
    }));
}

TEST_F(TlsServer, APROXYHeaderStandsBeforeTls) {
    const std::vector<std::string> args{
        "--workers",    "1",    "--proxy-protocol", "on",   "--trusted-proxies", "127.0.0.1",
        "--log-format", "json", "--header-timeout", "500ms"};
    Server server(root_.path(), setup(args));
    for (const std::string& before :
         {std::string("PROXY TCP4 192.0.2.1 198.51.100.1 51234 443\r\n"),
          std::string(
              "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x01\xc8\x22\x01\xbb",
              28)}) {
        TlsClient client(server.port(), {.before = before});
        ASSERT_TRUE(client.shaken());
        EXPECT_EQ(client.ask(get("/big.bin", "Range: bytes=0-99999\r\n")).body,
                  pattern(0, 100'000));
        EXPECT_EQ(client.ask(get("/t.bin")).status, 200);
    }
    EXPECT_TRUE(server.access().await_count(R"("client":"192.0.2.1","port":51234)", 4))
        << server.access().text();
    EXPECT_FALSE(TlsClient(server.port()).shaken()) << "without one";
    RawClient half(server.port());
    ASSERT_TRUE(half.send("PROXY TCP4 192.0."));
    EXPECT_NE(half.await_end(), Got::nothing);
    RawClient clear(server.port());
    EXPECT_EQ(clear.ask("PROXY TCP4 192.0.2.1 198.51.100.1 51234 443\r\n" + get("/t.bin")).status,
              400);
}

TEST_F(TlsServer, PROXYHeadersOfStrangersEndTheConnection) {
    Server server(root_.path(), setup({"--workers", "1", "--proxy-protocol", "on",
                                       "--trusted-proxies", "192.0.2.0/24"}));
    EXPECT_FALSE(
        TlsClient(server.port(), {.before = "PROXY TCP4 192.0.2.1 198.51.100.1 51234 443\r\n"})
            .shaken());
}

TEST_F(TlsServer, TheAccessLogTellsOfTls) {
    const std::string extended = R"( complete TLSv1.3 TLS_)",
                      json = R"("tls":{"version":"TLSv1.2","cipher":"ECDHE)";
    {
        Server server(root_.path(), setup({"--workers", "1", "--log-format", "extended"}));
        TlsClient client(server.port(), {.server_name = "files.example", .version = 13});
        EXPECT_EQ(client.ask(get("/t.bin")).status, 200);
        const auto line = server.access().await_line("/t.bin");
        ASSERT_TRUE(line);
        EXPECT_NE(line->find(extended), std::string::npos) << *line;
        EXPECT_TRUE(line->ends_with(" new \"files.example\"")) << *line;
        TlsClient again(server.port(), {.version = 13, .resumes = client.session().get()});
        EXPECT_EQ(again.ask(get("/big.bin")).status, 200);
        const auto resumed = server.access().await_line("/big.bin");
        ASSERT_TRUE(resumed);
        EXPECT_NE(resumed->find(" resumed \""), std::string::npos) << *resumed;
    }
    Server server(root_.path(), setup({"--workers", "1", "--log-format", "json"}));
    TlsClient client(server.port(), {.server_name = "a\"b\n\xff", .version = 12});
    EXPECT_EQ(client.ask(get("/t.bin")).status, 200);
    const auto line = server.access().await_line("/t.bin");
    ASSERT_TRUE(line);
    EXPECT_NE(line->find(json), std::string::npos) << *line;
    EXPECT_NE(line->find(R"("resumed":false,"name":")"), std::string::npos) << *line;
    EXPECT_TRUE(JsonReader::read(*line)) << *line;
}

TEST_F(TlsServer, FiguresTellVersionsKindsAndFailures) {
    const Certificate ca = make_certificate({.name = "ca", .is_ca = true});
    const Certificate mine = make_certificate({.name = "me", .issuer = &ca});
    const Certificate stranger = make_certificate({.name = "stranger"});
    write_file(conf_ / "ca.pem", ca.pem);
    Server server(root_.path(), setup({"--workers", "2", "--tls-client-ca", at("ca.pem"), "--admin",
                                       "127.0.0.1:0"}));
    const auto ask = [&](const TlsSetup& tls) {
        TlsClient client(server.port(), tls);
        const int status = client.ask(get("/t.bin")).status;
        return std::pair(status, client.session());
    };
    for (const unsigned version : {12U, 13U}) {
        const auto [status, session] = ask({.version = version, .own = &mine});
        EXPECT_EQ(status, 200);
        EXPECT_EQ(ask({.version = version, .own = &mine, .resumes = session.get()}).first, 200);
        EXPECT_EQ(ask({.version = version}).first, 0);
        EXPECT_EQ(ask({.version = version, .own = &stranger}).first, 0);
    }
    EXPECT_FALSE(TlsClient(server.port(), {.protocols = "\3foo", .own = &mine}).shaken());
    const Admin admin(server);
    const auto count = [&](const char* name, const std::map<std::string, std::string>& labels) {
        return admin.metrics().sum(name, labels);
    };
    for (const char* version : {"1.2", "1.3"}) {
        for (const char* kind : {"full", "resumed"})
            EXPECT_EQ(count("fsrv_tls_handshakes_total", {{"version", version}, {"kind", kind}}),
                      1);
    }
    EXPECT_EQ(count("fsrv_tls_handshake_failures_total", {{"reason", "certificate"}}), 4);
    EXPECT_EQ(count("fsrv_tls_handshake_failures_total", {{"reason", "nothing-shared"}}), 1);
    EXPECT_EQ(count("fsrv_connections_closed_total", {{"reason", "tls-failed"}}), 5);
}

TEST_F(TlsServer, OlderVersionsThanAreWantedAreRefused) {
    Server server(root_.path(),
                  setup({"--workers", "1", "--tls-min", "1.3", "--admin", "127.0.0.1:0"}));
    EXPECT_FALSE(TlsClient(server.port(), {.version = 12}).shaken());
    TlsClient client(server.port());
    EXPECT_EQ(client.version(), "TLSv1.3");
    EXPECT_EQ(client.ask(get("/t.bin")).status, 200);
    EXPECT_EQ(
        Admin(server).metrics().sum("fsrv_tls_handshake_failures_total", {{"reason", "version"}}),
        1);
}

TEST_F(TlsServer, ARenewedCertificateBreaksNoneOfTwentyDownloads) {
    Server server(root_.path(), setup({"--workers", "2", "--admin", "127.0.0.1:0"}));
    const Admin admin(server);
    const auto expires = [&] {
        return static_cast<std::int64_t>(admin.metrics().sum(
            "fsrv_tls_certificate_expires_timestamp_seconds", {{"certificate", at("pair.pem")}}));
    };
    EXPECT_EQ(expires(), made_.not_after);
    std::vector<std::unique_ptr<TlsClient>> downloads;
    for (int i = 0; i < 20; ++i) {
        downloads.push_back(stalled(server));
        EXPECT_EQ(downloads.back()->certificate(), made_.der());
    }
    TlsClient idle(server.port());
    EXPECT_EQ(idle.ask(get("/t.bin")).status, 200);
    const Certificate next = make_certificate({.to_s = 30 * 86'400, .hosts = {"DNS:localhost"}});
    install(next);
    ASSERT_TRUE(server.log().await_line("renewed: generation 2 serves with 2 workers"));
    // Who was accepted before the old workers heard of it has the old one yet.
    EXPECT_TRUE(await([&] { return TlsClient(server.port()).certificate() == next.der(); }));
    EXPECT_TRUE(await([&] { return expires() == next.not_after; }));
    const Json status = admin.status();
    EXPECT_EQ(status["certificates"].items.at(0)["expires"].text, std::to_string(next.not_after));
    EXPECT_EQ(status["certificates"].items.at(0)["name"].text, at("pair.pem"));
    for (const auto& client : downloads) {
        const std::string bytes = client->read_bytes(kSize);
        EXPECT_TRUE(is_pattern(bytes, 0, kSize)) << bytes.size();
        EXPECT_NE(client->end(), Got::rst);
    }
    EXPECT_EQ(idle.await_end(), Got::fin) << "it is idle, and has to ask the others";
    EXPECT_TRUE(idle.end_was_announced());
    expect_no_key_in_logs(server);
}

TEST_F(TlsServer, TheRedirectPortSendsToHttpsOnEveryWorkerAndAfterUpgrades) {
    fs::create_directories(root_ / ".well-known" / "acme-challenge");
    write_file(root_ / ".well-known" / "acme-challenge" / "token", "proof");
    const std::uint16_t clear = free_port();
    Server server(root_.path(), setup(with_control(
                                    {"--workers", "2", "--redirect-port", std::to_string(clear)})));
    ASSERT_TRUE(server.started());
    const auto expect_redirects = [&] {
        for (int i = 0; i < 20; ++i) {
            RawClient client(clear);
            const Response response = client.ask(get("/t.bin?x=y"));
            EXPECT_EQ(response.status, 308);
            expect_sound(response);
            EXPECT_EQ(response.field("Location"),
                      "https://localhost:" + std::to_string(server.port()) + "/t.bin?x=y");
            EXPECT_EQ(client.ask(get("/-/health")).status, 200) << "on the same connection";
            EXPECT_EQ(client.ask(get("/.well-known/acme-challenge/token")).body, "proof");
            EXPECT_EQ(client.ask(get("/.well-known/acme-challenge/../../t.bin")).status, 308);
        }
        EXPECT_TRUE(answers(server));
        EXPECT_FALSE(TlsClient(clear).shaken());
    };
    expect_redirects();
    ASSERT_TRUE(ran_well(ctl("reload"), "reload"));
    expect_redirects();
    ASSERT_TRUE(ran_well(ctl("upgrade"), "upgrade"));
    server.follow();
    expect_redirects();
    if (have_program("curl")) {
        const RunResult result = here({"curl", "-sS", "-f", "-k", "-L", "-o", "copy",
                                       "http://127.0.0.1:" + std::to_string(clear) + "/big.bin"});
        EXPECT_TRUE(ran_well(result, "curl -L"));
        expect_same(here_ / "copy", root_ / "big.bin");
    }
    EXPECT_EQ(run({fsrv_binary(), "--check", "--redirect-port", "80"}).exit_status, 2);
}

TEST_F(TlsServer, AKeyOfRootAloneServesForAnotherUser) {
    if (!am_root()) GTEST_SKIP() << "only root starts workers as another user";
    Server server(root_.path(), setup({"--workers", "2", "--user", "nobody"}));
    EXPECT_TRUE(answers(server));
    for (const pid_t worker : server.workers()) {
        EXPECT_NE(process_status(worker)["Uid"].substr(0, 2), "0\t");
        EXPECT_EQ(open_descriptors(worker, "pair.pem"), 0U);
    }
}

TEST_F(TlsServer, EveryClientOfManySeesTheCertificateThatItNames) {
    const Certificate other = make_certificate({.name = "other", .hosts = {"DNS:other.example"}});
    const Certificate rsa =
        make_certificate({.kind = KeyKind::rsa2048, .hosts = {"DNS:rsa.example"}});
    write_file(conf_ / "other.pem", other.pem + other.key_pem);
    write_file(conf_ / "rsa.pem", rsa.pem + rsa.key_pem);
    chmod(at("other.pem").c_str(), 0600);
    chmod(at("rsa.pem").c_str(), 0600);
    ServerSetup with = setup({"--workers", "1"});
    with.args.insert(with.args.end(), {"--tls-cert", at("other.pem"), "--tls-cert", at("rsa.pem")});
    Server server(root_.path(), with);
    const std::pair<const char*, const Certificate*> table[] = {
        {"other.example", &other}, {"rsa.example", &rsa}, {"localhost", &made_}, {"", &made_}};
    for (const auto& [name, certificate] : table) {
        TlsClient client(server.port(), {.server_name = name});
        EXPECT_EQ(client.certificate(), certificate->der()) << name;
        EXPECT_EQ(client.ask(get("/t.bin")).status, 200);
    }
}

} // namespace
} // namespace fsrv::test
