// The real server with its workers locked in: everything is served as without, and the walls stand.
// A sanitizer cannot work inside, so the binary is another one, which FSRV_PLAIN_BINARY names.

#include "tests/support/files.h"
#include "tests/support/load.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>

namespace fsrv::test {
namespace {

constexpr std::uint64_t kBig = 700'000;
constexpr std::uint64_t kHuge = 4 << 20; // lent to the socket

class Sandbox : public testing::TestWithParam<const char*> {
  protected:
    void SetUp() override {
        if (!use_plain_binary())
            GTEST_SKIP() << "FSRV_PLAIN_BINARY names no build without a sanitizer";
        write_pattern(root_ / "t.bin", 1000);
        write_pattern(root_ / "big.bin", kBig);
        make_sparse(root_ / "huge.bin", kHuge);
        std::filesystem::create_directory(root_ / "folder");
        std::filesystem::create_symlink("../t.bin", root_ / "folder/link");
        write_pattern(outside_ / "secret.bin", 1000);
        std::filesystem::create_symlink(outside_ / "secret.bin", root_ / "way-out");
    }
    static std::vector<std::string> arguments(std::vector<std::string> more) {
        more.insert(more.end(), {"--sandbox", "on", "--in-place-writes", "off"});
        return more;
    }
    static void expect_everything_served(std::uint16_t port) {
        RawClient kept(port);
        for (int i = 0; i < 2; ++i) { // found by the pool, then in the cache
            EXPECT_TRUE(is_pattern(kept.ask(get("/t.bin")).body, 0, 1000));
            EXPECT_TRUE(is_pattern(kept.ask(get("/big.bin")).body, 0, kBig));
            EXPECT_TRUE(is_pattern(kept.ask(get("/folder/link")).body, 0, 1000));
            EXPECT_TRUE(is_pattern(kept.ask(get("/big.bin", "Range: bytes=1-300000\r\n")).body, 1,
                                   300'000));
            const Response parts = kept.ask(get("/big.bin", "Range: bytes=1-2,5-6\r\n"));
            EXPECT_EQ(parse_byteranges(parts).value_or(std::vector<BytesPart>()).size(), 2U);
            EXPECT_EQ(kept.ask(get("/huge.bin")).body.size(), kHuge);
            EXPECT_EQ(kept.ask(head("/huge.bin"), true).status, 200);
            EXPECT_NE(kept.ask(get("/")).body.find("folder/"), std::string::npos);
            EXPECT_TRUE(is_pattern(kept.ask(get("/files?path=t.bin")).body, 0, 1000));
            EXPECT_EQ(kept.ask(get("/none")).status, 404);
            EXPECT_EQ(kept.ask(get("/-/health")).status, 200);
        }
        RawClient bad(port);
        EXPECT_EQ(bad.ask("nonsense\r\n\r\n").status, 400);
    }
    static void expect_locked_in(const Server& server) {
        for (const pid_t worker : server.workers()) {
            auto status = process_status(worker);
            EXPECT_EQ(status["Seccomp"], "2") << worker;
            EXPECT_EQ(status["NoNewPrivs"], "1") << worker;
        }
    }
    TempDir root_, outside_;
};

TEST_P(Sandbox, EverythingIsServedInside) {
    Server server(root_.path(), arguments({"--io", GetParam(), "--workers", "2"}));
    expect_locked_in(server);
    expect_everything_served(server.port());
    EXPECT_EQ(fetch(server.port(), "/way-out").status, 404);
}
INSTANTIATE_TEST_SUITE_P(With, Sandbox, testing::Values("auto", "threads", "inline"),
                         [](const auto& io) { return std::string(io.param); });

// Code that comes to need another system call must not fall back to something slower in silence.
TEST_F(Sandbox, NothingThatAWorkerWantsIsRefused) {
    if (!am_root() || !have_program("strace")) GTEST_SKIP() << "needs root, and strace";
    const std::string refused = outside_ / "refused";
    for (const char* io : {"auto", "threads", "inline"}) {
        {
            Server server(root_.path(),
                          {.args = arguments({"--io", io, "--workers", "1"}),
                           .environment = {},
                           .wrapper = {"strace", "-fqq", "-o", refused, "-e", "status=failed"}});
            expect_everything_served(server.port());
        }
        const std::string calls = read_file(refused);
        EXPECT_EQ(calls.find(" EPERM "), std::string::npos) << calls;
        EXPECT_EQ(calls.find(" EACCES "), std::string::npos) << calls;
        EXPECT_NE(calls.find(" EAGAIN "), std::string::npos) << "nothing was seen";
    }
}

TEST_F(Sandbox, ASuccessorIsLockedInToo) {
    Server server(root_.path(), {.args = arguments({"--workers", "1"}),
                                 .environment = {},
                                 .wrapper = {},
                                 .before_exec = {},
                                 .trouble = {"worker "}});
    for (const int signal : {SIGTERM, SIGKILL, SIGABRT}) {
        const std::vector<pid_t> before = server.workers();
        ASSERT_EQ(before.size(), 1U);
        ::kill(before[0], signal);
        ASSERT_TRUE(await([&] {
            const auto now = server.workers();
            return now.size() == 1 && now != before;
        }));
        expect_everything_served(server.port());
        expect_locked_in(server);
    }
}

// New workers lock themselves in beside old ones that are locked in, and those still finish what
// they have; so does a server that takes over from another one.
TEST_F(Sandbox, ReloadsAndUpgradesUnderLoadHarmNobodyInside) {
    write_pattern(root_ / "download.bin", kHuge);
    const std::string control = outside_ / "control.sock";
    const auto ctl = [&](const std::string& word) {
        return run({fsrv_binary(), "--control", control, "--ctl", word});
    };
    Server server(root_.path(), arguments({"--workers", "2", "--control", control, "--access-log",
                                           outside_ / "access.log"}));
    Load load(server.port());
    Downloads downloads(server.port(), {.target = "/download.bin", .size = kHuge});
    for (int i = 0; i < 5; ++i) {
        const std::vector<pid_t> before = server.workers();
        ASSERT_TRUE(ran_well(ctl("reload"), "reload"));
        for (const pid_t worker : before) EXPECT_TRUE(await_gone(worker));
        expect_locked_in(server);
        ASSERT_TRUE(ran_well(ctl("upgrade"), "upgrade"));
        server.follow();
        expect_locked_in(server);
    }
    expect_everything_served(server.port());
    load.stop();
    downloads.stop();
    EXPECT_EQ(load.failed(), 0U) << load.text();
    EXPECT_EQ(downloads.cut + downloads.wrong, 0U) << downloads.text();
    EXPECT_GT(downloads.resumed, 0U) << downloads.text();
    std::printf("%s; %s\n", load.text().c_str(), downloads.text().c_str());
}

TEST_F(Sandbox, TheLogIsWrittenAndReopened) {
    const std::string log = outside_ / "access.log";
    Server server(root_.path(), arguments({"--workers", "1", "--access-log", log}));
    EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
    EXPECT_TRUE(await([&] { return read_file(log).find("/t.bin") != std::string::npos; }));
    std::filesystem::rename(log, log + ".1");
    server.signal(SIGUSR1);
    ASSERT_TRUE(server.log().await_line("opened anew"));
    EXPECT_TRUE(await([&] {
        fetch(server.port(), "/big.bin");
        return read_file(log).find("/big.bin") != std::string::npos;
    }));
}

TEST_F(Sandbox, FollowedLinksMayLeadOut) {
    Server server(root_.path(), arguments({"--symlinks", "follow"}));
    EXPECT_TRUE(is_pattern(fetch(server.port(), "/way-out").body, 0, 1000));
    expect_locked_in(server);
}

// As where a service manager's own filter forbids what the walls are made of.
TEST_F(Sandbox, OnRefusesToStartWhereAPartIsMissing) {
    if (!am_root() || !have_program("strace")) GTEST_SKIP() << "needs root, and strace";
    struct Lack {
        const char* part;
        std::vector<std::string> inject;
    };
    const Lack lacks[] = {
        {"Landlock", {"-e", "inject=landlock_create_ruleset:error=EPERM"}},
        // A worker's third prctl() is the filter's; the first two are about other things.
        {"seccomp", {"-e", "inject=seccomp:error=EPERM", "-e", "inject=prctl:error=EPERM:when=3+"}},
    };
    for (const Lack& lack : lacks) {
        std::vector<std::string> command{"strace", "-fqq",
                                         "-o",     "/dev/null",
                                         "-e",     "trace=landlock_create_ruleset,seccomp,prctl"};
        command.insert(command.end(), lack.inject.begin(), lack.inject.end());
        command.insert(command.end(),
                       {fsrv_binary(), "--host", "127.0.0.1", "--port", "0", "--workers", "1",
                        "--access-log", "off", "--sandbox", "on", root_.str()});
        const RunResult refused = run(command);
        EXPECT_EQ(refused.exit_status, 2) << refused.err;
        EXPECT_NE(refused.err.find(std::string("--sandbox on: ") + lack.part), std::string::npos)
            << refused.err;
    }
}

TEST_F(Sandbox, AutoServesWithoutAndSaysSo) {
    if (!am_root() || !have_program("strace")) GTEST_SKIP() << "needs root, and strace";
    Server server(root_.path(), {.args = {"--workers", "1"},
                                 .environment = {},
                                 .wrapper = {"strace", "-fqq", "-o", "/dev/null", "-e",
                                             "trace=landlock_create_ruleset", "-e",
                                             "inject=landlock_create_ruleset:error=ENOSYS"}});
    EXPECT_TRUE(server.log().await_line("--sandbox auto, without a part: Landlock"));
    EXPECT_TRUE(is_pattern(fetch(server.port(), "/t.bin").body, 0, 1000));
}

} // namespace
} // namespace fsrv::test
