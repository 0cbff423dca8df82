// What the supervisor opens while it serves may lie on a mount that does not answer: the asker then
// hears so, and nothing else is delayed.

#include "tests/support/certificates.h"
#include "tests/support/files.h"
#include "tests/support/hanging_mount.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <gtest/gtest.h>
#include <memory>

namespace fsrv::test {
namespace {

namespace fs = std::filesystem;
using Ask = HangingMount::Ask;

class HungPaths : public testing::Test {
  protected:
    void SetUp() override {
        if (const auto obstacle = HangingMount::obstacle()) GTEST_SKIP() << *obstacle;
        for (const char* folder : {"slow", "well"}) fs::create_directory(conf_ / folder);
        write_pattern(root_ / "t.bin", 1000);
        lead_to("well");
        mount_ = std::make_unique<HangingMount>(
            conf_ / "slow", std::map<std::string, std::uint64_t>{{"fsrv.toml", 1}});
    }
    void TearDown() override {
        if (mount_) mount_->end();
    }
    // conf/way is that folder from now on.
    void lead_to(const char* folder) {
        fs::remove(conf_ / "way");
        fs::create_directory_symlink(folder, conf_ / "way");
    }
    ServerSetup setup(std::vector<std::string> more) const {
        more.insert(more.end(), {"--workers", "2", "--control", (conf_ / "control.sock").string()});
        return {.args = more, .trouble = {"does not answer within", "was killed by SIGKILL"}};
    }
    RunResult ctl(std::vector<std::string> words) const {
        words.insert(words.begin(),
                     {fsrv_binary(), "--control", (conf_ / "control.sock").string(), "--ctl"});
        return run(words);
    }
    // Whatever it waits for: it answers, and replaces who dies.
    void expect_alive(Server& server, pid_t victim) {
        EXPECT_EQ(ctl({"status"}).exit_status, 0);
        ::kill(victim, SIGKILL);
        EXPECT_TRUE(server.log().await_line("was killed by SIGKILL"));
        EXPECT_TRUE(await([&] {
            const std::vector<pid_t> now = server.workers();
            return now.size() == 2 && std::find(now.begin(), now.end(), victim) == now.end();
        }));
        for (int i = 0; i < 10; ++i) EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
    }
    TempDir root_, conf_;
    std::unique_ptr<HangingMount> mount_;
};

TEST_F(HungPaths, AReloadWhoseFileHangsFailsAndNothingElseDoes) {
    write_file(conf_ / "well/fsrv.toml", "threads = 2\n");
    Server server(root_.path(), setup({"--config", (conf_ / "way/fsrv.toml").string()}));
    ASSERT_TRUE(server.started());
    const std::vector<pid_t> workers = server.workers();
    ASSERT_EQ(workers.size(), 2U);
    lead_to("slow");
    mount_->hold(Ask::look_up);
    server.signal(SIGHUP);
    ASSERT_TRUE(mount_->await_held(Ask::look_up, 1));
    expect_alive(server, workers[0]);
    EXPECT_TRUE(server.log().await_line("not reloaded: the configuration file does not answer "
                                        "within 10 s"))
        << server.log().text();
    lead_to("well");
    const RunResult again = ctl({"reload"});
    EXPECT_EQ(again.exit_status, 0) << again.out << again.err;
    EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
}

TEST_F(HungPaths, SoItIsWithTheFolderServedAndWithTheAccessLog) {
    const fs::path file = conf_ / "fsrv.toml";
    write_file(file, "");
    Server server({}, setup({"--config", file.string(), "--root", root_.str()}));
    ASSERT_TRUE(server.started());
    mount_->hold(Ask::anything);
    write_file(file, "access-log = \"" + (conf_ / "slow/log").string() + "\"\n");
    const RunResult log = ctl({"reload"});
    EXPECT_EQ(log.exit_status, 1);
    EXPECT_NE((log.out + log.err).find("the access log, \""), std::string::npos)
        << log.out << log.err;
    EXPECT_NE((log.out + log.err).find("does not answer within 10 s"), std::string::npos);
    EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
}

TEST_F(HungPaths, ALogThatCannotBeOpenedAnewInTimeStaysTheOldOne) {
    const fs::path log = conf_ / "well/access.log";
    Server server(root_.path(), setup({"--access-log", (conf_ / "way/access.log").string()}));
    ASSERT_TRUE(server.started());
    const std::vector<pid_t> workers = server.workers();
    ASSERT_EQ(workers.size(), 2U);
    lead_to("slow");
    mount_->hold(Ask::look_up);
    server.signal(SIGUSR1);
    ASSERT_TRUE(mount_->await_held(Ask::look_up, 1));
    expect_alive(server, workers[0]);
    EXPECT_TRUE(server.log().await_line("does not answer within 10 s: its file system may hang; "
                                        "the old one is kept"))
        << server.log().text();
    EXPECT_EQ(fetch(server.port(), "/t.bin?last").status, 200);
    EXPECT_TRUE(await([&] { return read_file(log).find("?last") != std::string::npos; }));
    lead_to("well");
    server.signal(SIGUSR1);
    EXPECT_TRUE(server.log().await_line("opened anew"));
}

// Asked over the Unix socket, which speaks no TLS.
TEST_F(HungPaths, CertificatesThatHangAreNoBadOnes) {
    const Certificate made = make_certificate();
    write_file(conf_ / "well/pair.pem", made.pem + made.key_pem);
    fs::permissions(conf_ / "well/pair.pem", fs::perms::owner_read | fs::perms::owner_write);
    const std::string name = (conf_ / "unix.sock").string();
    Server server(root_.path(),
                  setup({"--tls-cert", (conf_ / "way/pair.pem").string(), "--unix", name}));
    ASSERT_TRUE(server.started());
    const std::vector<pid_t> workers = server.workers();
    ASSERT_EQ(workers.size(), 2U);
    lead_to("slow");
    mount_->hold(Ask::look_up);
    ASSERT_TRUE(mount_->await_held(Ask::look_up, 1));
    EXPECT_EQ(ctl({"status"}).exit_status, 0);
    ::kill(workers[0], SIGKILL);
    EXPECT_TRUE(server.log().await_line("was killed by SIGKILL"));
    EXPECT_TRUE(await([&] {
        const std::vector<pid_t> now = server.workers();
        return now.size() == 2 && std::find(now.begin(), now.end(), workers[0]) == now.end();
    }));
    EXPECT_EQ(RawClient(name).ask(get("/t.bin")).status, 200);
    EXPECT_TRUE(server.log().await_line("nobody sees whether certificates are renewed: the "
                                        "certificate \"" +
                                        (conf_ / "way/pair.pem").string() +
                                        "\" does not answer within 10 s"));
    EXPECT_EQ(server.log().count("are not taken"), 0U);
    lead_to("well");
    EXPECT_EQ(ctl({"reload"}).exit_status, 0);
}

TEST_F(HungPaths, AStopDoesNotWaitForThem) {
    write_file(conf_ / "well/fsrv.toml", "");
    Server server(root_.path(), setup({"--config", (conf_ / "way/fsrv.toml").string()}));
    ASSERT_TRUE(server.started());
    const std::vector<pid_t> workers = server.workers();
    ASSERT_EQ(workers.size(), 2U);
    lead_to("slow");
    mount_->hold(Ask::look_up);
    server.signal(SIGHUP);
    ASSERT_TRUE(mount_->await_held(Ask::look_up, 1));
    server.stop();
    EXPECT_EQ(server.log().count("does not answer"), 0U) << server.log().text();
}

} // namespace
} // namespace fsrv::test
