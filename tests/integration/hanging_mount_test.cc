// A disk that has stopped to answer delays nobody who does not need it: one file system in the root
// hangs, in look-ups, in reads or altogether, with more requests for it than there are threads.

#include "tests/support/hanging_mount.h"

#include "tests/support/files.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <csignal>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <memory>
#include <sys/wait.h>
#include <vector>

namespace fsrv::test {
namespace {

namespace fs = std::filesystem;
using Ask = HangingMount::Ask;
using Clients = std::vector<std::unique_ptr<RawClient>>;

constexpr std::uint64_t kCold = 3 << 20;
constexpr std::uint64_t kRemote = 700'000;
constexpr std::uint64_t kSmall = 5'000;
constexpr std::uint64_t kBig =
    24 << 20;                     // more than the kernel holds for a client that does not read
constexpr std::size_t kMore = 6;  // than the four threads
constexpr std::size_t kShare = 3; // of them, that one device may have

class HangingDisk : public testing::TestWithParam<const char*> {
  protected:
    void SetUp() override {
        if (const auto obstacle = HangingMount::obstacle()) GTEST_SKIP() << *obstacle;
        for (const char* folder : {"slow", "links", "folder"}) fs::create_directory(root_ / folder);
        write_pattern(root_ / "hot.bin", 1000);
        write_pattern(root_ / "cold.bin", kCold);
        write_pattern(root_ / "folder/f", 1000);
        std::map<std::string, std::uint64_t> files;
        for (std::size_t i = 0; i < kMore; ++i) {
            const std::string n = std::to_string(i);
            files["look" + n] = kSmall;
            files["read" + n] = kRemote;
            files["small" + n] = kSmall;
            files["big" + n] = kBig;
            fs::create_symlink("../slow/look" + n, root_ / ("links/look" + n));
            fs::create_symlink(root_ / ("slow/look" + n), root_ / ("links/absolute" + n));
        }
        fs::create_directory_symlink("slow", root_ / "way");
        mount_ = std::make_unique<HangingMount>(root_ / "slow", files);
    }
    void TearDown() override {
        if (mount_) mount_->end();
    }
    static std::vector<std::string> args(std::vector<std::string> more = {}) {
        more.insert(more.end(), {"--workers", "1", "--io", GetParam()});
        return more;
    }
    // For each of them a client that waits for an answer.
    static Clients ask_all(std::uint16_t port, const std::string& start,
                           std::size_t count = kMore) {
        Clients clients;
        for (std::size_t i = 0; i < count; ++i) {
            clients.push_back(std::make_unique<RawClient>(port));
            EXPECT_TRUE(clients.back()->send(get(start + std::to_string(i))));
        }
        return clients;
    }
    static void expect_all(const Clients& clients, std::uint64_t size) {
        for (const auto& client : clients) {
            const Response response = client->read_response();
            EXPECT_EQ(response.status, 200);
            EXPECT_TRUE(is_pattern(response.body, 0, size)) << response.body.size();
        }
    }
    // All that the rest of the root has to offer.
    void expect_others_served(std::uint16_t port) {
        for (int i = 0; i < 2; ++i) {
            EXPECT_TRUE(is_pattern(fetch(port, "/hot.bin").body, 0, 1000));
            const UniqueFd cold(::open((root_ / "cold.bin").c_str(), O_RDONLY | O_CLOEXEC));
            ::fdatasync(cold.get());
            ::posix_fadvise(cold.get(), 0, 0, POSIX_FADV_DONTNEED);
            EXPECT_TRUE(is_pattern(fetch(port, "/cold.bin").body, 0, kCold));
            EXPECT_EQ(fetch(port, "/none").status, 404);
            EXPECT_EQ(fetch(port, "/folder/none").status, 404);
            EXPECT_NE(fetch(port, "/folder/").body.find("\"f\""), std::string::npos);
            EXPECT_EQ(fetch(port, "/-/health").status, 200);
        }
    }

    RunResult ctl(const std::string& word) const {
        return run({fsrv_binary(), "--control", control_.string(), "--ctl", word});
    }
    // What people ask to see how the server is.
    void expect_well(std::uint16_t port) {
        EXPECT_EQ(fetch(port, "/-/health").body, "ok\n");
        EXPECT_TRUE(ran_well(ctl("status"), "status"));
    }

    TempDir root_, run_;
    const fs::path control_ = run_ / "control.sock";
    std::unique_ptr<HangingMount> mount_;
};

TEST_P(HangingDisk, DelaysOnlyWhoNeedsIt) {
    Server server(root_.path(), args());
    mount_->hold(Ask::read, "read");
    mount_->hold(Ask::look_up, "look");
    const Clients reading = ask_all(server.port(), "/slow/read");
    ASSERT_TRUE(mount_->await_held(Ask::read, kShare));
    const Clients looking = ask_all(server.port(), "/slow/look");
    expect_others_served(server.port());
    mount_->release();
    expect_all(reading, kRemote);
    expect_all(looking, kSmall);
    expect_others_served(server.port());
}

TEST_P(HangingDisk, InLookUpsDelaysOnlyWhoNeedsIt) {
    Server server(root_.path(), args());
    mount_->hold(Ask::look_up, "look");
    const Clients looking = ask_all(server.port(), "/slow/look");
    ASSERT_TRUE(mount_->await_held(Ask::look_up, kShare));
    const Clients reading = ask_all(server.port(), "/slow/read");
    expect_others_served(server.port());
    mount_->release();
    expect_all(reading, kRemote);
    expect_all(looking, kSmall);
}

// By links of a disk that is well, and by so many that every thread could follow another one.
TEST_P(HangingDisk, ThatLinksLeadToDelaysOnlyWhoNeedsIt) {
    Server server(root_.path(), args());
    mount_->hold(Ask::look_up, "look");
    for (const std::string way :
         {"/links/look", "/links/absolute", "/way/look", "/links/../way/look"}) {
        SCOPED_TRACE(way);
        const Clients looking = ask_all(server.port(), way);
        ASSERT_TRUE(mount_->await_held(Ask::look_up, kShare));
        const Clients reading = ask_all(server.port(), "/slow/read");
        const Clients listing = ask_all(server.port(), "/links/?");
        expect_others_served(server.port());
        mount_->release();
        expect_all(looking, kSmall);
        expect_all(reading, kRemote);
        for (const auto& client : listing) {
            const Response response = client->read_response();
            EXPECT_EQ(response.status, 200);
            EXPECT_NE(response.body.find("\"look5\""), std::string::npos);
        }
        mount_->hold(Ask::look_up, "look");
    }
}

TEST_P(HangingDisk, ThatLinksMayLeadAnywhereDelaysOnlyWhoNeedsIt) {
    Server server(root_.path(), args({"--symlinks", "follow"}));
    mount_->hold(Ask::look_up, "look");
    const Clients relative = ask_all(server.port(), "/links/look");
    const Clients absolute = ask_all(server.port(), "/links/absolute");
    ASSERT_TRUE(mount_->await_held(Ask::look_up, kShare));
    expect_others_served(server.port());
    mount_->release();
    expect_all(relative, kSmall);
    expect_all(absolute, kSmall);
}

// It dies under downloads and under files that were asked for often: not even fstat() and close()
// come back.
TEST_P(HangingDisk, ThatDiesDelaysOnlyWhoNeedsIt) {
    Server server(root_.path(), args({"--control", control_.string()}));
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(is_pattern(fetch(server.port(), "/slow/small0").body, 0, kSmall));
        EXPECT_TRUE(is_pattern(fetch(server.port(), "/links/look1").body, 0, kSmall));
        EXPECT_TRUE(is_pattern(fetch(server.port(), "/slow/read0").body, 0, kRemote));
    }
    Clients downloads;
    for (std::size_t i = 0; i < kMore; ++i) {
        downloads.push_back(
            std::make_unique<RawClient>(server.port(), ClientSetup{.receive_buffer = 65536}));
        downloads.back()->send(get("/slow/big" + std::to_string(i)));
        EXPECT_EQ(downloads.back()->read_head().status, 200);
    }
    mount_->hold(Ask::anything);
    const Clients small = ask_all(server.port(), "/slow/small");
    const Clients linked = ask_all(server.port(), "/links/look");
    ASSERT_TRUE(mount_->await_held(Ask::anything, 1));
    downloads[0]->reset();
    downloads[1]->close();
    std::uint64_t read = 0;
    for (std::string bytes;
         !(bytes = downloads[2]->read_bytes(65536, Deadline(std::chrono::milliseconds(100))))
              .empty();)
        read += bytes.size(); // as far as it had come
    const Response page = fetch(server.port(), "/");
    EXPECT_NE(page.body.find("\"slow/\""), std::string::npos) << page.body;
    EXPECT_NE(page.body.find("\"way/\""), std::string::npos);
    expect_others_served(server.port());
    expect_well(server.port());
    mount_->release();
    expect_all(small, kSmall);
    expect_all(linked, kSmall);
    EXPECT_EQ(downloads[2]->read_bytes(kBig - read).size(), kBig - read);
    for (std::size_t i = 3; i < kMore; ++i)
        EXPECT_TRUE(is_pattern(downloads[i]->read_bytes(kBig), 0, kBig));
    expect_others_served(server.port());
}

// Clients that hang give up, others meet their timeouts as ever, and the worker leaves when its
// grace is over, though what it asked for never came.
TEST_P(HangingDisk, LetsTheServerGo) {
    Server server(root_.path(), args({"--header-timeout", "300ms", "--idle-timeout", "300ms",
                                      "--grace", "500ms", "--control", control_.string()}));
    server.expect_trouble("reads never came back; exiting without them");
    mount_->hold(Ask::read, "read");
    mount_->hold(Ask::look_up, "look");
    Clients reading = ask_all(server.port(), "/slow/read");
    ASSERT_TRUE(mount_->await_held(Ask::read, kShare));
    Clients looking = ask_all(server.port(), "/slow/look");
    looking[0]->reset();
    looking[1]->close();
    reading[0]->reset();
    reading[kMore - 1]->reset();
    RawClient half(server.port()), idle(server.port());
    half.send("GET /hot.bin HTTP/1.1\r\nHost:");
    EXPECT_EQ(idle.ask(get("/hot.bin")).status, 200);
    EXPECT_EQ(half.read_response().status, 408);
    EXPECT_EQ(idle.await_end(), Got::fin);
    expect_others_served(server.port());
    expect_well(server.port());
    server.stop();
    EXPECT_EQ(server.log().count("reads never came back; exiting without them"), 1U);
    EXPECT_EQ(server.log().count("has not ended in time"), 0U);
    for (const auto& client : {reading[1].get(), looking[2].get()}) {
        client->read_to_end();
        EXPECT_NE(client->end(), Got::nothing);
    }
}

TEST_P(HangingDisk, DoesNotHinderAReload) {
    Server server(root_.path(), args({"--grace", "1s", "--control", control_.string()}));
    server.expect_trouble("reads never came back; exiting without them");
    mount_->hold(Ask::anything);
    const Clients before = ask_all(server.port(), "/slow/look");
    ASSERT_TRUE(mount_->await_held(Ask::anything, 1));
    const pid_t old = server.workers().front();
    const unsigned sockets = open_descriptors(old, "socket:");
    ASSERT_TRUE(ran_well(ctl("reload"), "reload"));
    ASSERT_TRUE(await([&] { return open_descriptors(old, "socket:") < sockets; }))
        << "it listens on";
    const Clients after = ask_all(server.port(), "/slow/look");
    expect_others_served(server.port());
    expect_well(server.port());
    ASSERT_TRUE(server.log().await_line("reads never came back")) << server.log().text();
    ASSERT_TRUE(server.await_workers(1)) << "the one from before has ended";
    expect_others_served(server.port());
    mount_->release();
    expect_all(after, kSmall);
}

// Small files are read by the job that finds them.
TEST_P(HangingDisk, InReadsOfSmallFilesDelaysOnlyWhoNeedsIt) {
    Server server(root_.path(), args());
    mount_->hold(Ask::read, "small");
    const Clients reading = ask_all(server.port(), "/slow/small");
    ASSERT_TRUE(mount_->await_held(Ask::read, kShare));
    expect_others_served(server.port());
    mount_->release();
    expect_all(reading, kSmall);
}

// Two at once, and far more clients than threads: those who wait get their 503, those who leave
// leave nothing behind, and all is well when the mounts are.
TEST_P(HangingDisk, TwoOfThemAreIllAndRecover) {
    fs::create_directory(root_ / "second");
    HangingMount second(root_ / "second", {{"look", kSmall}, {"big", kBig}});
    Server server(root_.path(), args({"--stall-timeout", "1s", "--max-connections", "600",
                                      "--control", control_.string()}));
    server.expect_trouble("has not answered for 3000 ms: 503 for what is on it");
    RawClient download(server.port(), {.receive_buffer = 65536});
    download.send(get("/slow/big0"));
    ASSERT_EQ(download.read_head().status, 200);
    const pid_t worker = server.workers().front();
    const std::size_t sockets = open_descriptors(worker, "socket:");
    mount_->hold(Ask::anything);
    second.hold(Ask::anything);
    for (int i = 0; i < 250; ++i) {
        for (const char* path : {"/slow/look1", "/second/look"}) {
            RawClient client(server.port());
            client.send(get(path));
            if (i % 2 == 0) client.reset();
        }
    }
    const Clients waiting = ask_all(server.port(), "/slow/look");
    const Clients small = ask_all(server.port(), "/slow/small");
    expect_others_served(server.port());
    for (const Clients* clients : {&waiting, &small}) {
        for (const auto& client : *clients) {
            const Response response = client->read_response();
            EXPECT_EQ(response.status, 503);
            EXPECT_TRUE(response.field("Retry-After").has_value());
            EXPECT_EQ(client->ask(get("/hot.bin")).status, 200) << "the connection goes on";
        }
    }
    EXPECT_EQ(fetch(server.port(), "/slow/look5").status, 503);
    EXPECT_TRUE(await([&] { return fetch(server.port(), "/second/look").status == 503; }));
    expect_others_served(server.port());
    EXPECT_TRUE(await([&] {
        return open_descriptors(worker, "socket:") <= sockets + waiting.size() + small.size();
    })) << "who left is forgotten";
    EXPECT_EQ(server.log().count("has not answered"), 2U);
    expect_well(server.port());
    mount_->release();
    second.release();
    for (const char* path : {"/slow/look5", "/second/look"})
        EXPECT_TRUE(await([&] { return fetch(server.port(), path).status == 200; })) << path;
    EXPECT_TRUE(is_pattern(download.read_bytes(kBig), 0, kBig)) << "it had begun, and waited";
    expect_others_served(server.port());
    second.end();
}

INSTANTIATE_TEST_SUITE_P(Io, HangingDisk, testing::Values("threads", "auto"),
                         [](const auto& mode) { return std::string(mode.param); });

} // namespace
} // namespace fsrv::test
