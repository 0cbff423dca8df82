// Behind proxies: the PROXY protocol, forwarded clients, announced stops; and the configurations of
// docs/deploy/ with the real HAProxy and nginx.

#include "tests/integration/admin_support.h"
#include "tests/support/files.h"
#include "tests/support/free_port.h"
#include "tests/support/load.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <csignal>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <optional>
#include <sstream>
#include <sys/socket.h>

namespace fsrv::test {
namespace {

class Proxies : public testing::Test {
  protected:
    Proxies() {
        write_pattern(root_ / "t.bin", 1000);
        write_pattern(root_ / "big.bin", 3'000'000);
    }
    static std::vector<std::string> proxied(const char* trusted = "127.0.0.1") {
        return {"--workers",         "1",     "--proxy-protocol", "on",
                "--trusted-proxies", trusted, "--log-format",     "json"};
    }
    TempDir root_;
};

const std::string kVersion1 = "PROXY TCP4 192.0.2.1 198.51.100.1 51234 443\r\n";

TEST_F(Proxies, ThePROXYHeaderNamesTheClient) {
    Server server(root_.path(), proxied());
    RawClient client(server.port());
    // Both requests of the connection are that client's.
    EXPECT_EQ(client.ask(kVersion1 + get("/t.bin")).status, 200);
    EXPECT_EQ(client.ask(get("/big.bin")).status, 200);
    for (const char* path : {"/t.bin", "/big.bin"}) {
        const auto line = server.access().await_line(path);
        ASSERT_TRUE(line);
        EXPECT_NE(line->find(R"("client":"192.0.2.1","port":51234)"), std::string::npos) << *line;
    }
}

TEST_F(Proxies, ThePROXYHeaderMayComeInPieces) {
    Server server(root_.path(), proxied());
    RawClient slow(server.port());
    ASSERT_TRUE(slow.send_pieces({"PRO", "XY TCP6 2001:db8::1 ::1 5", "1 80\r", "\n",
                                  "GET /t.bin HT", "TP/1.1\r\nHost: t\r\n\r\n"}));
    EXPECT_EQ(slow.read_response().status, 200);
    EXPECT_TRUE(server.access().await_line(R"("client":"2001:db8::1","port":51)"));
}

TEST_F(Proxies, AProxyThatSpeaksForItselfIsItself) {
    Server server(root_.path(), proxied());
    RawClient check(server.port());
    const std::string local("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16);
    EXPECT_EQ(check.ask(local + get("/-/health")).status, 200);
    EXPECT_TRUE(server.access().await_line(R"("client":"127.0.0.1")"));
    RawClient without_request(server.port());
    ASSERT_TRUE(without_request.send(local));
    without_request.half_close();
    EXPECT_EQ(without_request.await_end(), Got::fin);
}

TEST_F(Proxies, WhoSendsNoPROXYHeaderIsRefused) {
    Server server(root_.path(), proxied());
    for (const char* bytes : {"GET /t.bin HTTP/1.1\r\nHost: t\r\n\r\n", "PROXY TCP4 nonsense\r\n",
                              "\r\n\r\nGET", "PROXX"}) {
        RawClient client(server.port());
        const Response response = client.ask(bytes);
        EXPECT_EQ(response.status, 400) << bytes;
        EXPECT_EQ(client.await_end(), Got::fin) << bytes;
    }
    // What follows a bad header is no request.
    RawClient client(server.port());
    ASSERT_TRUE(client.send("PROXY TCP4 nonsense\r\n" + get("/t.bin")));
    const std::string all = client.read_to_end();
    EXPECT_EQ(all.find("HTTP/1.1 200"), std::string::npos) << all;
}

TEST_F(Proxies, OnlyTrustedPeersMayConnect) {
    Server server(root_.path(), proxied("192.0.2.0/24"));
    RawClient client(server.port());
    EXPECT_EQ(client.read_response().status, 400);
    RawClient other(server.port());
    other.send(kVersion1 + get("/t.bin"));
    EXPECT_EQ(other.read_response().status, 400);
    EXPECT_EQ(fetch(server.port(), "/t.bin").status, 400);
}

TEST_F(Proxies, APROXYHeaderThatNeverEndsMeetsTheHeaderTimeout) {
    std::vector<std::string> args = proxied();
    args.insert(args.end(), {"--header-timeout", "300ms"});
    Server server(root_.path(), args);
    RawClient silent(server.port());
    RawClient half(server.port());
    ASSERT_TRUE(half.send("PROXY TCP4 192.0."));
    EXPECT_EQ(half.read_response().status, 408);
    EXPECT_EQ(silent.await_end(), Got::fin);
}

TEST_F(Proxies, ThePROXYProtocolWantsToKnowWhoIsTrusted) {
    const RunResult refused = run({fsrv_binary(), "--check", "--proxy-protocol", "on"});
    EXPECT_EQ(refused.exit_status, 2);
    EXPECT_NE(refused.err.find("--proxy-protocol: wants --trusted-proxies"), std::string::npos)
        << refused.err;
}

TEST_F(Proxies, ForwardedClientsAreBelievedOfTrustedPeersOnly) {
    for (const bool trusted : {true, false}) {
        Server server(root_.path(),
                      {"--workers", "1", "--trusted-proxies", trusted ? "127.0.0.0/8" : "unix"});
        RawClient client(server.port());
        const std::string said = "X-Forwarded-For: 6.6.6.6, 203.0.113.9\r\n";
        for (int i = 0; i < 2; ++i) // by the pool, and out of the cache
            EXPECT_EQ(client.ask(get("/t.bin", said)).status, 200);
        EXPECT_EQ(client.ask(get("/big.bin", "Forwarded: for=203.0.113.10\r\n")).status, 200);
        EXPECT_EQ(client.ask(get("/none")).status, 404);
        ASSERT_TRUE(server.access().await_line("/none"));
        EXPECT_EQ(server.access().count("203.0.113.9 - "), trusted ? 2U : 0U);
        EXPECT_EQ(server.access().count("203.0.113.10 - "), trusted ? 1U : 0U);
        EXPECT_EQ(server.access().count("127.0.0.1 - "), trusted ? 1U : 4U);
    }
}

TEST_F(Proxies, PeersOnTheUnixSocketAreTrustedByName) {
    const std::string path = root_ / "s.sock";
    Server server(root_.path(), {"--workers", "1", "--unix", path, "--unix-mode", "0660",
                                 "--trusted-proxies", "unix"});
    RawClient client(path);
    EXPECT_EQ(client.ask(get("/t.bin", "X-Forwarded-For: 203.0.113.9\r\n")).status, 200);
    EXPECT_TRUE(server.access().await_line("203.0.113.9 - "));
}

TEST_F(Proxies, AStopIsAnnouncedBeforeItBegins) {
    Server server(root_.path(), {"--workers", "2", "--drain-delay", "1h", "--grace", "5s"});
    server.expect_trouble("worker ");
    EXPECT_EQ(fetch(server.port(), "/-/health").status, 200);
    RawClient kept(server.port());
    EXPECT_EQ(kept.ask(get("/t.bin")).status, 200);
    server.signal(SIGTERM);
    ASSERT_TRUE(server.log().await_line("/-/health says so already"));
    for (int i = 0; i < 20; ++i) { // of whichever worker, from the first
        EXPECT_EQ(fetch(server.port(), "/-/health").body, "draining\n");
        EXPECT_EQ(fetch(server.port(), "/-/health").status, 503);
        EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
        EXPECT_EQ(kept.ask(get("/t.bin")).status, 200); // not even a Connection: close
    }
    // A worker that comes meanwhile has heard of it.
    for (const pid_t worker : server.workers()) ::kill(worker, SIGKILL);
    ASSERT_TRUE(await([&] { return fetch(server.port(), "/t.bin").status == 200; }));
    for (int i = 0; i < 10; ++i) EXPECT_EQ(fetch(server.port(), "/-/health").status, 503);
    // Asked again, it does not wait for the hour to be over; the destructor asks.
}

// --- with the real ones

// A configuration of docs/deploy/ with the places of this test.
std::string configured(const std::string& name,
                       const std::vector<std::pair<std::string, std::string>>& places) {
    const char* docs = std::getenv("FSRV_DOCS");
    std::string text = read_file(std::string(docs != nullptr ? docs : "docs") + "/deploy/" + name);
    for (const auto& [place, here] : places) {
        const std::size_t at = text.find(place);
        EXPECT_NE(at, std::string::npos) << place;
        if (at != std::string::npos) text.replace(at, place.size(), here);
    }
    return text;
}

std::string loopback(unsigned port) {
    return "127.0.0.1:" + std::to_string(port);
}

bool await_answer(unsigned short port) {
    return await([&] { return fetch(port, "/t.bin").status == 200; });
}

// A server of HAProxy's configuration, which can be started again at the same place.
struct Behind {
    std::optional<Server> server;
    unsigned short port = 0, admin = 0;

    ~Behind() { // the second TERM is Server's own
        if (!server || process_state(server->pid()) == 0) return;
        server->signal(SIGTERM);
        server->log().await_line("/-/health says so already");
    }
    void start(const std::filesystem::path& root) {
        ServerSetup setup{.args = {"--workers", "2", "--proxy-protocol", "on", "--trusted-proxies",
                                   "127.0.0.1", "--drain-delay", "1h", "--max-connections", "64",
                                   "--header-timeout", "60s", "--host", "127.0.0.1", "--port",
                                   std::to_string(port), "--admin", loopback(admin)}};
        setup.loopback = false;
        setup.trouble = {"worker ", "admin process ", "the supervisor is gone"};
        server.emplace(root, setup);
        port = server->port();
        admin = Admin(*server).port();
    }
    std::string place() const {
        return loopback(port) + " agent-addr 127.0.0.1 agent-port " + std::to_string(admin);
    }
    // As the power of its machine would.
    void kill_all_of_it() {
        const std::vector<pid_t> children = server->workers();
        server->signal(SIGKILL);
        for (const pid_t child : children) ::kill(child, SIGKILL);
        server->await_exit();
    }
};

// What HAProxy thinks of a server.
struct Opinion {
    int up = -1;    // 2: it is
    int admin = -1; // 8: the agent wants it to drain
    unsigned weight = 0;
    static constexpr int kUp = 2, kDrain = 8;
};

// `curl -C -` gets what is missing. Stopped half way, a download is surely under way.
class StoppedCurl final {
  public:
    StoppedCurl(unsigned short port, std::string target, std::string file)
        : url_("http://" + loopback(port) + target),
          file_(std::move(file)),
          curl_({"curl", "-sf", "--limit-rate", "2M", "-o", file_, url_}) {
        EXPECT_TRUE(await([&] { return size() > 0; }));
        curl_.signal(SIGSTOP);
    }
    std::uint64_t size() const {
        std::error_code none;
        const auto size = std::filesystem::file_size(file_, none);
        return none ? 0 : size;
    }
    int go_on() {
        curl_.signal(SIGCONT);
        return curl_.wait();
    }
    RunResult resume() const { return run({"curl", "-sSf", "-C", "-", "-o", file_, url_}); }

  private:
    std::string url_, file_;
    Background curl_;
};

class HAProxy : public Proxies {
  protected:
    void SetUp() override {
        if (!std::filesystem::exists("/usr/sbin/haproxy"))
            GTEST_SKIP() << "haproxy is not installed";
        one_.start(root_.path());
        two_.start(root_.path());
        write_file(
            folder_ / "haproxy.cfg",
            configured("haproxy.cfg",
                       {{"127.0.0.1:8000", loopback(port_)},
                        {"/run/haproxy/admin.sock", stats_},
                        {"10.0.0.1:8080 agent-addr 10.0.0.1 agent-port 9090", one_.place()},
                        {"10.0.0.2:8080 agent-addr 10.0.0.2 agent-port 9090", two_.place()}}));
        haproxy_.emplace(
            std::vector<std::string>{"/usr/sbin/haproxy", "-db", "-f", folder_ / "haproxy.cfg"});
        ASSERT_TRUE(await_answer(port_));
        for (Behind* server : {&one_, &two_})
            EXPECT_TRUE(server->server->access().await_line("/-/health"));
    }
    Opinion opinion_of(const std::string& name) const {
        RawClient client(stats_);
        client.send("show servers state files\n");
        std::istringstream lines(client.read_to_end());
        for (std::string line; std::getline(lines, line);) {
            std::istringstream words(line);
            std::string backend, number, server, address;
            Opinion opinion;
            words >> number >> backend >> number >> server >> address >> opinion.up >>
                opinion.admin >> opinion.weight;
            if (words && server == name) return opinion;
        }
        return {};
    }
    bool is_in_use(const std::string& name) const {
        const Opinion now = opinion_of(name);
        return now.up == Opinion::kUp && now.admin == 0;
    }

    const unsigned short port_ = free_port();
    TempDir folder_;
    const std::string stats_ = folder_ / "stats.sock";
    Behind one_, two_;
    std::optional<Background> haproxy_;
};

TEST_F(HAProxy, GivesAServerTheWeightThatItsLoadLeaves) {
    EXPECT_TRUE(await([&] { return opinion_of("one").weight > 90; }));
    std::vector<std::unique_ptr<RawClient>> clients; // of the 128 that it may have
    for (int i = 0; i < 40; ++i) clients.push_back(std::make_unique<RawClient>(one_.port));
    EXPECT_TRUE(await([&] { return opinion_of("one").weight < 80; }));
    EXPECT_TRUE(is_in_use("one"));
    clients.clear();
    EXPECT_TRUE(await([&] { return opinion_of("one").weight > 90; }));
}

TEST_F(HAProxy, LosesNoRequestWhileOneServerDrainsAndTheOtherIsKilledWhole) {
    constexpr std::uint64_t kHuge = 64 << 20; // more than all the buffers on its way
    write_pattern(root_ / "huge.bin", kHuge);
    Load load(port_);
    Downloads downloads(port_, {.size = 3'000'000});
    const auto go_on = [&] {
        const unsigned answered = load.answered, done = downloads.done;
        EXPECT_TRUE(await([&] {
            return load.answered > answered + 50 && downloads.done > done + 1;
        })) << load.text()
            << "; " << downloads.text();
    };
    go_on();
    EXPECT_TRUE(is_in_use("one") && is_in_use("two"));

    // Announced for an hour, of which the second signal takes what is left.
    one_.server->signal(SIGTERM);
    EXPECT_TRUE(await([&] { return opinion_of("one").admin == Opinion::kDrain; }))
        << "the agent says so";
    go_on();
    one_.server->signal(SIGTERM);
    EXPECT_TRUE(one_.server->await_exit());
    go_on();
    EXPECT_EQ(opinion_of("one").admin, Opinion::kDrain) << "remembered";
    StoppedCurl curl(port_, "/huge.bin", folder_ / "huge.bin"); // of the other one

    one_.start(root_.path());
    EXPECT_TRUE(await([&] { return is_in_use("one"); })) << "the agent is ready again";
    EXPECT_TRUE(one_.server->access().await_line("/t.bin"));

    two_.kill_all_of_it();
    go_on();
    EXPECT_GT(curl.go_on(), 0) << "its download cannot be whole";
    EXPECT_LT(curl.size(), kHuge);
    EXPECT_TRUE(ran_well(curl.resume(), "curl -C -"));
    EXPECT_TRUE(is_pattern(read_file(folder_ / "huge.bin"), 0, kHuge));
    two_.start(root_.path());
    EXPECT_TRUE(await([&] { return is_in_use("two"); }));
    EXPECT_TRUE(two_.server->access().await_line("/t.bin"));

    for (int i = 0; i < 5; ++i) {
        for (const pid_t child : two_.server->workers()) ::kill(child, SIGKILL);
        go_on();
    }
    load.stop();
    downloads.stop();
    EXPECT_EQ(load.failed(), 0U) << load.text();
    EXPECT_EQ(downloads.wrong, 0U) << downloads.text();
    std::printf("%s; %s\n", load.text().c_str(), downloads.text().c_str());
    // HAProxy itself is 127.0.0.1.
    const RunResult elsewhere = run({"curl", "-s", "-o", "/dev/null", "--interface", "127.0.0.4",
                                     "http://" + loopback(port_) + "/from-elsewhere"});
    EXPECT_TRUE(ran_well(elsewhere, "curl"));
    EXPECT_TRUE(await([&] {
        return one_.server->access().count("127.0.0.4 - ") +
                   two_.server->access().count("127.0.0.4 - ") ==
               1;
    }));
}

TEST_F(Proxies, NginxPassesRangesOnAndTellsTheClient) {
    if (!std::filesystem::exists("/usr/sbin/nginx")) GTEST_SKIP() << "nginx is not installed";
    // nginx speaks from an address of its own, so that it is not its client.
    Server server(root_.path(), {"--workers", "1", "--trusted-proxies", "127.0.0.3"});
    const unsigned short port = free_port();
    TempDir folder;
    std::string text = configured("nginx.conf", {{"127.0.0.1:8080", loopback(server.port())},
                                                 {"127.0.0.1:8000", loopback(port)}});
    const std::string pass = "proxy_pass http://fsrv;";
    text.insert(text.find(pass) + pass.size(), " proxy_bind 127.0.0.3;");
    write_file(folder / "nginx.conf", text);
    const Background nginx({"/usr/sbin/nginx", "-p", folder.str(), "-c", folder / "nginx.conf",
                            "-e", folder / "error.log", "-g",
                            "daemon off; pid " + std::string(folder / "nginx.pid") + ";"});
    ASSERT_TRUE(await_answer(port)) << read_file(folder / "error.log");
    EXPECT_TRUE(is_pattern(fetch(port, "/big.bin").body, 0, 3'000'000));
    const Response part = fetch(port, "/big.bin", "Range: bytes=1000000-1999999\r\n");
    EXPECT_EQ(part.status, 206);
    EXPECT_TRUE(is_pattern(part.body, 1'000'000, 1'000'000));
    const std::string tag = part.field("ETag").value_or("");
    EXPECT_EQ(fetch(port, "/big.bin", "If-None-Match: " + tag + "\r\n").status, 304);
    EXPECT_EQ(fetch(port, "/big.bin", "Range: bytes=9000000-\r\n").status, 416);
    // A client that makes itself up is seen through.
    fetch(port, "/made-up", "X-Forwarded-For: 6.6.6.6\r\nForwarded: for=7.7.7.7\r\n");
    const auto line = server.access().await_line("/made-up");
    ASSERT_TRUE(line);
    EXPECT_TRUE(line->starts_with("127.0.0.1 - ")) << *line;
}

// Whoever asks for a folder without its slash stays behind the prefix, and with this host.
TEST_F(Proxies, RedirectsOfFoldersStayBelowAPrefixOfNginx) {
    if (!std::filesystem::exists("/usr/sbin/nginx")) GTEST_SKIP() << "nginx is not installed";
    const std::pair<const char*, const char*> folders[] = {{"dir", "dir"},
                                                           {"two words", "two%20words"},
                                                           {"a:b", "a%3Ab"},
                                                           {"100%41", "100%2541"},
                                                           {"\xc3\x9c", "%C3%9C"},
                                                           {"http:", "http%3A"},
                                                           {"what?#x", "what%3F%23x"},
                                                           {"files", "files"},
                                                           {"a;b&c", "a%3Bb%26c"},
                                                           {"x-y", "x-y"},
                                                           {"back\\slash", "back%5Cslash"}};
    for (const auto& [name, encoded] : folders)
        std::filesystem::create_directories(root_ / "outer" / name);
    Server server(root_.path(), {"--workers", "1"});
    const unsigned short port = free_port();
    TempDir folder;
    write_file(folder / "nginx.conf", "events {} http { access_log off; server { listen " +
                                          loopback(port) +
                                          "; location /files/ { proxy_pass http://" +
                                          loopback(server.port()) + "/; } } }\n");
    const Background nginx({"/usr/sbin/nginx", "-p", folder.str(), "-c", folder / "nginx.conf",
                            "-e", folder / "error.log", "-g",
                            "daemon off; pid " + std::string(folder / "nginx.pid") + ";"});
    ASSERT_TRUE(await([&] { return fetch(port, "/files/t.bin").status == 200; }));
    for (const std::string& base :
         {"http://" + loopback(port) + "/files", "http://" + loopback(server.port())}) {
        for (const auto& [name, encoded] : folders) {
            for (const char* query : {"", "?a=b//c&path=x:y", "?sort=size"}) {
                const std::string place = base + "/outer/" + encoded;
                const RunResult curl =
                    run({"curl", "-sS", "-L", "-o", "/dev/null", "-w",
                         "%{http_code} %{num_redirects} %{url_effective}", place + query});
                EXPECT_EQ(curl.out, "200 1 " + place + "/" + query) << curl.err;
            }
        }
        // Doubled slashes, as they are.
        const RunResult curl = run({"curl", "-sS", "-L", "--path-as-is", "-o", "/dev/null", "-w",
                                    "%{http_code} %{url_effective}", base + "//outer//dir"});
        EXPECT_EQ(curl.out, "200 " + base + "//outer//dir/") << curl.err;
    }
    // Not to the host that such a path looks like.
    std::filesystem::create_directories(root_ / "evil.example");
    const Response evil = fetch(server.port(), "//evil.example");
    EXPECT_EQ(evil.status, 301);
    EXPECT_EQ(evil.field("Location"), "evil.example/");
}

} // namespace
} // namespace fsrv::test
