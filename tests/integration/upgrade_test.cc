// The program is replaced while clients ask: the new server takes the sockets over, or the old one
// goes on as if nothing had been asked.

#include "tests/support/files.h"
#include "tests/support/load.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <csignal>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace fsrv::test {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kSize = 8 << 20;

class Upgrade : public testing::Test {
  protected:
    Upgrade() {
        write_pattern(root_ / "t.bin", 1000);
        write_pattern(root_ / "big.bin", kSize);
        write_file(conf_ / "fsrv.toml", "access-log = \"off\"\n");
        fs::copy_file(fsrv_binary(), program_);
    }
    ServerSetup setup(std::vector<std::string> args, std::vector<std::string> trouble = {}) {
        args.insert(args.end(), {"--config", (conf_ / "fsrv.toml").string(), "--control",
                                 (conf_ / "control.sock").string()});
        return {.args = std::move(args),
                .environment = {},
                .wrapper = {},
                .before_exec = {},
                .trouble = std::move(trouble),
                .binary = program_.string()};
    }
    RunResult ctl(std::vector<std::string> words) {
        std::vector<std::string> command{fsrv_binary(), "--control",
                                         (conf_ / "control.sock").string(), "--ctl"};
        command.insert(command.end(), words.begin(), words.end());
        return run(command);
    }
    // As a package manager does it: the name is another file's from one moment to the next.
    void install(const std::string& script) {
        write_file(conf_ / "new", script);
        fs::permissions(conf_ / "new", fs::perms::owner_all);
        fs::rename(conf_ / "new", program_);
    }

    static sockaddr_un address_of(const std::string& path) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        return address;
    }
    static bool can_connect(const std::string& path, int type) {
        const UniqueFd fd(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
        const sockaddr_un address = address_of(path);
        return connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    }
    // As a server that was killed leaves it.
    static void leave_stale(const std::string& path) {
        const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const sockaddr_un address = address_of(path);
        ASSERT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    }

    TempDir root_, conf_;
    fs::path program_ = conf_ / "fsrv";
};

TEST_F(Upgrade, TenUpgradesUnderLoadHarmNobody) {
    Server server(root_.path(), setup({"--workers", "2", "--pid-file", (conf_ / "pid").string()}));
    Load load(server.port());
    Downloads downloads(server.port(), {.size = kSize});
    for (int i = 0; i < 10; ++i) {
        const pid_t before = server.pid();
        const RunResult result = ctl({"upgrade"});
        ASSERT_TRUE(ran_well(result, "upgrade"));
        server.follow();
        EXPECT_NE(server.pid(), before);
        EXPECT_EQ(result.out, "upgraded: process " + std::to_string(server.pid()) + " serves\n");
        EXPECT_TRUE(
            await([&] { return read_file(conf_ / "pid") == std::to_string(server.pid()) + "\n"; }));
    }
    load.stop();
    downloads.stop();
    EXPECT_EQ(load.failed(), 0U) << load.text();
    EXPECT_EQ(downloads.cut, 0U) << downloads.text();
    EXPECT_EQ(downloads.wrong, 0U) << downloads.text();
    EXPECT_GT(load.answered, 0U);
    EXPECT_GT(downloads.done, 0U);
    EXPECT_GT(downloads.resumed, 0U);
    std::printf("%s; %s\n", load.text().c_str(), downloads.text().c_str());
    EXPECT_EQ(ctl({"status"}).exit_status, 0);
    EXPECT_EQ(ctl({"reload"}).exit_status, 0) << "the new one reads the same configuration";
}

TEST_F(Upgrade, ASignalDoesItToo) {
    Server server(root_.path(), setup({"--workers", "1"}));
    server.signal(SIGUSR2);
    server.follow();
    EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
}

TEST_F(Upgrade, ALinkToTheProgramIsFollowedAnew) {
    const std::string path = "PATH=" + (conf_ / "current").string() + ":" + std::getenv("PATH");
    for (const char* version : {"v1", "v2"}) {
        fs::create_directory(conf_ / version);
        fs::copy_file(fsrv_binary(), conf_ / version / "fsrv");
    }
    const auto link_to = [&](const char* version) {
        fs::create_symlink(version, conf_ / "new");
        fs::rename(conf_ / "new", conf_ / "current");
    };
    for (const bool by_path : {false, true}) {
        link_to("v1");
        ServerSetup by_link = setup({"--workers", "1"});
        by_link.binary = by_path ? "fsrv" : (conf_ / "current" / "fsrv").string();
        if (by_path) by_link.wrapper = {"env", path};
        Server server(root_.path(), by_link);
        for (const char* version : {"v2", "v1"}) {
            link_to(version);
            ASSERT_TRUE(ran_well(ctl({"upgrade"}), version));
            server.follow();
            EXPECT_EQ(fs::read_symlink("/proc/" + std::to_string(server.pid()) + "/exe"),
                      conf_ / version / "fsrv");
        }
    }
}

TEST_F(Upgrade, UnixSocketsGoAlongWithTheirFiles) {
    const std::string path = (conf_ / "http.sock").string();
    Server server(root_.path(), setup({"--workers", "1", "--unix", path}));
    ASSERT_EQ(ctl({"upgrade"}).exit_status, 0);
    server.follow();
    EXPECT_EQ(RawClient(path).ask(get("/t.bin")).status, 200);
    server.stop();
    EXPECT_FALSE(fs::exists(path)) << "the last one removes it";
    EXPECT_FALSE(fs::exists(conf_ / "control.sock"));
}

TEST_F(Upgrade, UnixSocketsWhoseFilesAreGoneAreMadeAnewAsAtAStart) {
    const std::string admin = (conf_ / "admin.sock").string();
    Server server(root_.path(), setup({"--workers", "1", "--admin", "unix:" + admin}));
    const std::pair<const char*, unsigned> modes[] = {{"admin.sock", 0660}, {"control.sock", 0600}};
    for (const auto& [name, mode] : modes) {
        fs::remove(conf_ / name);
        server.signal(SIGUSR2);
        server.follow();
        EXPECT_EQ(fs::status(conf_ / name).permissions(), fs::perms(mode)) << name;
    }
    EXPECT_EQ(RawClient(admin).ask(get("/healthz")).status, 200);
    EXPECT_EQ(ctl({"status"}).exit_status, 0);
}

// The paths come from the configuration file, so that an upgrade can change them.
TEST_F(Upgrade, ASocketsFileOfAnotherServerIsNeverTakenForItsOwn) {
    const std::string mine = (conf_ / "mine.sock").string();
    const std::string other = (conf_ / "other.sock").string();
    const std::string stale = (conf_ / "stale.sock").string();
    const std::pair<std::string, int> table[] = {{"control = \"", SOCK_SEQPACKET},
                                                 {"admin = \"unix:", SOCK_STREAM}};
    for (const auto& [key, type] : table) {
        const auto configured = [&, setting = key](const std::string& path) -> ServerSetup {
            write_file(conf_ / "fsrv.toml", "access-log = \"off\"\n" + setting + path + "\"\n");
            return {.args = {"--workers", "1", "--config", (conf_ / "fsrv.toml").string()},
                    .environment = {},
                    .wrapper = {},
                    .before_exec = {},
                    .trouble = {"not upgraded: "}};
        };
        Server neighbour(root_.path(), configured(other));
        Server server(root_.path(), configured(mine));
        configured(other);
        server.signal(SIGUSR2);
        EXPECT_TRUE(server.log().await_line("another program listens on it already"));
        EXPECT_TRUE(fs::exists(mine));
        leave_stale(stale);
        configured(stale);
        EXPECT_TRUE(server.log().await_line("not upgraded: "));
        server.signal(SIGUSR2);
        server.follow();
        EXPECT_TRUE(can_connect(stale, type));
        server.stop();
        EXPECT_FALSE(fs::exists(stale));
        EXPECT_TRUE(can_connect(other, type));
    }
}

TEST_F(Upgrade, MoreAndFewerWorkersAreAllServed) {
    Server server(root_.path(), setup({}));
    for (const char* workers : {"3", "1", "2..4", "2"}) {
        write_file(conf_ / "fsrv.toml",
                   "access-log = \"off\"\nworkers = \"" + std::string(workers) + "\"\n");
        ASSERT_TRUE(ran_well(ctl({"upgrade"}), workers));
        server.follow();
        for (int i = 0; i < 30; ++i) EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
    }
}

TEST_F(Upgrade, AProgramThatCannotTakeOverChangesNothing) {
    Server server(root_.path(), setup({"--workers", "2"}, {"not upgraded: "}));
    const std::vector<pid_t> workers = server.workers();
    Load load(server.port(), {.clients = 2});
    const std::pair<std::string, std::string> table[] = {
        {"#!/bin/sh\nexit 7\n", "exited with status 7"},
        {"#!/bin/sh\nkill -9 $$\n", "was killed by SIGKILL"},
        {"#!/no/such/interpreter\n", "No such file"},
        {"\177ELF no program at all", "Exec format error"},
    };
    for (const auto& [program, reason] : table) {
        install(program);
        const RunResult result = ctl({"upgrade"});
        EXPECT_EQ(result.exit_status, 1);
        EXPECT_NE(result.err.find(reason), std::string::npos) << result.err;
    }
    fs::remove(program_);
    EXPECT_NE(ctl({"upgrade"}).err.find("No such file"), std::string::npos);
    EXPECT_EQ(server.workers(), workers);
    fs::copy_file(fsrv_binary(), program_);
    ASSERT_EQ(ctl({"upgrade"}).exit_status, 0);
    server.follow();
    load.stop();
    EXPECT_EQ(load.failed(), 0U) << load.text();
}

// A script that becomes the program has the process number that the program will have.
TEST_F(Upgrade, APidFileThatCannotBeWrittenChangesNothing) {
    const std::string pid_file = (conf_ / "pid").string();
    Server server(root_.path(), setup({"--workers", "1", "--pid-file", pid_file},
                                      {"not upgraded: ", "cannot write the pid file"}));
    const std::vector<pid_t> workers = server.workers();
    install("#!/bin/sh\nmkdir '" + pid_file + "'.$$\nexec '" + fsrv_binary() + "' \"$@\"\n");
    const RunResult result = ctl({"upgrade"});
    EXPECT_EQ(result.exit_status, 1) << result.out;
    EXPECT_NE(result.err.find("cannot write the pid file"), std::string::npos) << result.err;
    EXPECT_TRUE(await([&] { return server.workers() == workers; }));
    EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
    EXPECT_EQ(read_file(pid_file), std::to_string(server.pid()) + "\n");
}

// It is too late to fail then: the old server has given the sockets away.
TEST_F(Upgrade, APidFileThatCannotTakeItsNameAfterAllEndsNoService) {
    if (!have_program("strace")) GTEST_SKIP() << "strace is not installed";
    const std::string pid_file = (conf_ / "pid").string();
    Server server(root_.path(),
                  setup({"--workers", "1", "--pid-file", pid_file}, {"cannot write the pid file"}));
    install("#!/bin/sh\nexport ASAN_OPTIONS=detect_leaks=0\nexec strace -D -qq -o '" +
            (conf_ / "strace").string() + "' -e trace=rename -e inject=rename:error=EIO '" +
            fsrv_binary() + "' \"$@\"\n");
    ASSERT_TRUE(ran_well(ctl({"upgrade"}), "upgrade"));
    server.follow();
    EXPECT_TRUE(server.log().await_line("cannot write the pid file"));
    EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
    EXPECT_FALSE(fs::exists(pid_file + "." + std::to_string(server.pid())));
}

TEST_F(Upgrade, AConfigurationThatTheNewOneRefusesIsToldWithItsLine) {
    Server server(root_.path(), setup({"--workers", "1"}, {"not upgraded: "}));
    const std::vector<pid_t> workers = server.workers();
    write_file(conf_ / "fsrv.toml", "\n\nprot = 1\n");
    const RunResult broken = ctl({"upgrade"});
    EXPECT_EQ(broken.exit_status, 1);
    EXPECT_NE(broken.err.find("fsrv.toml:3: \"prot\": no such key"), std::string::npos)
        << broken.err;
    write_file(conf_ / "fsrv.toml", "access-log = \"/no/such/folder/log\"\n");
    EXPECT_NE(ctl({"upgrade"}).err.find("its folder must exist"), std::string::npos);
    EXPECT_TRUE(await([&] { return server.workers() == workers; })) << "the new one ends";
    EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
}

// In "/", where the server is instead, a relative name would lead to something else.
TEST_F(Upgrade, TheFolderOfTheStartIsMissedByRelativeNamesAlone) {
    for (const bool is_relative : {false, true}) {
        const std::string start = (conf_ / "start").string();
        fs::create_directory(start);
        ServerSetup there = setup({"--workers", "1"}, {"not upgraded: ", "not reloaded: "});
        there.before_exec = [&] {
            if (chdir(start.c_str()) != 0) _exit(126);
        };
        Server server(is_relative ? fs::path(".") : root_.path(), there);
        fs::remove(start);
        for (const char* command : {"reload", "upgrade"}) {
            const RunResult result = ctl({command});
            EXPECT_EQ(result.exit_status, is_relative ? 1 : 0) << result.err;
            if (is_relative) {
                EXPECT_NE(result.err.find("root \".\" is relative to it"), std::string::npos)
                    << result.err;
            }
        }
        if (!is_relative) server.follow();
        EXPECT_EQ(fetch(server.port(), "/-/health").status, 200);
    }
}

// The other address cannot be bound while the running server has the port on this one.
TEST_F(Upgrade, ToAllAddressesOnTheSamePortTakesARestart) {
    const auto configure = [&](const std::string& admin) {
        write_file(conf_ / "fsrv.toml", "access-log = \"off\"\nadmin = \"" + admin + "\"\n");
    };
    configure("127.0.0.1:0");
    Server server(root_.path(), setup({"--workers", "1"}, {"not reloaded: ", "not upgraded: "}));
    const std::string line = server.log().await_line("status at http://").value_or("");
    const std::size_t colon = line.rfind(':');
    configure("0.0.0.0" + line.substr(colon, line.find('/', colon) - colon));
    const std::string advice = ctl({"reload"}).err;
    EXPECT_NE(advice.find("on the same port, a restart"), std::string::npos) << advice;
    const std::string reason = ctl({"upgrade"}).err;
    EXPECT_NE(reason.find("EADDRINUSE"), std::string::npos) << reason;
    EXPECT_NE(reason.find("this takes a restart"), std::string::npos) << reason;
}

TEST_F(Upgrade, OnlyOneChangeAtATime) {
    Server server(root_.path(), setup({"--workers", "1"}, {"not upgraded: ", "not reloaded: "}));
    install("#!/bin/sh\nexec sleep 300\n");
    server.signal(SIGUSR2);
    ASSERT_TRUE(server.log().await_line("is to take over"));
    EXPECT_NE(ctl({"upgrade"}).err.find("an upgrade is under way already"), std::string::npos);
    EXPECT_NE(ctl({"reload"}).err.find("an upgrade is under way"), std::string::npos);
    const std::vector<pid_t> children = server.workers();
    EXPECT_EQ(children.size(), 2U) << "a worker, and the successor";
    server.stop();
    for (const pid_t child : children) EXPECT_TRUE(await_gone(child));
}

TEST_F(Upgrade, TheSupervisorKilledDuringAnUpgradeLeavesNoProcess) {
    for (const bool hangs : {true, false, false, false}) {
        Server server(root_.path(), setup({"--workers", "2", "--grace", "1s"}));
        server.expect_trouble("the supervisor is gone");
        server.expect_trouble("the server to be replaced is gone");
        if (hangs) install("#!/bin/sh\nexec sleep 300\n");
        server.signal(SIGUSR2);
        ASSERT_TRUE(server.log().await_line("is to take over"));
        std::vector<pid_t> family = server.workers();
        for (const pid_t child : server.workers())
            for (const pid_t grandchild : children_of(child)) family.push_back(grandchild);
        server.signal(SIGKILL);
        server.await_exit();
        for (const pid_t pid : family) EXPECT_TRUE(await_gone(pid));
        EXPECT_TRUE(await([&] { return !RawClient(server.port()).connected(); }));
        fs::remove(program_);
        fs::copy_file(fsrv_binary(), program_);
    }
}

TEST_F(Upgrade, TheOldServerFinishesItsDownloadsBesideTheNewOne) {
    Server server(root_.path(), setup({"--workers", "1"}));
    RawClient client(server.port(), {.receive_buffer = 65536});
    client.send(get("/big.bin"));
    EXPECT_EQ(client.read_head().status, 200);
    const pid_t old = server.pid();
    ASSERT_EQ(ctl({"upgrade"}).exit_status, 0);
    server.follow();
    EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
    EXPECT_NE(process_state(old), 0) << "it is still there";
    EXPECT_EQ(pattern_mismatch(client.read_bytes(kSize), 0), std::nullopt);
    EXPECT_EQ(client.await_end(), Got::fin);
    EXPECT_TRUE(await_gone(old));
    EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
}

TEST_F(Upgrade, AVariableSetByAUserIsRefused) {
    for (const char* value : {"", "x", "1", "2 control", "99999 - x", "-1 - "}) {
        const RunResult result = run({fsrv_binary(), "--host", "127.0.0.1", "--port", "0"},
                                     {.environment = {"FSRV_HANDOVER=" + std::string(value)}});
        EXPECT_EQ(result.exit_status, 2) << value;
        EXPECT_NE(result.err.find("FSRV_HANDOVER"), std::string::npos) << result.err;
    }
}

} // namespace
} // namespace fsrv::test
