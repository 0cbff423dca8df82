// The whole supervisor with real processes, sockets and signals, around a worker that only says who
// it is (stub_main.cc).

#include "common/limits.h"
#include "tests/support/files.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <set>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace fsrv::test {
namespace {

using Args = std::vector<std::string>;

class Processes : public testing::Test {
  protected:
    static ServerSetup setup(Args args, std::string behaviour = "") {
        return {.args = std::move(args),
                .environment = {"STUB=" + std::move(behaviour)},
                .wrapper = {},
                .before_exec = {},
                .trouble = {}};
    }
    // Says a byte, since a silent connection is shown to nobody for a second.
    static std::string ask(std::uint16_t port) {
        RawClient client(port);
        if (!client.connected()) return "refused";
        client.send("?");
        return client.read_to_end();
    }
    // "slot N"
    static std::string slot_of(const std::string& answer) {
        return answer.substr(0, answer.find(" pid"));
    }
    static pid_t pid_of(const std::string& answer) {
        return std::atoi(answer.c_str() + answer.find("pid ") + 4);
    }
    RunResult run_fsrv(Args args, Args environment = {}) {
        args.insert(args.begin(), fsrv_binary());
        return run(args,
                   {.environment = std::move(environment), .directory = dir_.str(), .input = ""});
    }
    RunResult run_loopback(Args args, Args environment = {}) {
        args.insert(args.begin(), {"--host", "127.0.0.1", "--port", "0"});
        return run_fsrv(std::move(args), std::move(environment));
    }
    TempDir dir_;
};

TEST_F(Processes, EverySlotAnswers) {
    Server server(dir_.path(), setup({"--workers", "3"}));
    std::set<std::string> slots;
    for (int i = 0; i < 200 && slots.size() < 3; ++i) slots.insert(slot_of(ask(server.port())));
    EXPECT_EQ(slots, (std::set<std::string>{"slot 0", "slot 1", "slot 2"}));
}

TEST_F(Processes, WorkersThatAreKilledAreReplacedAndNobodyNotices) {
    for (const int signal : {SIGKILL, SIGSEGV, SIGABRT, SIGBUS, SIGTERM}) {
        Server server(dir_.path(), setup({"--workers", "2"}));
        server.expect_trouble("worker ");
        server.expect_trouble("ERROR"); // a sanitizer's own words on a SEGV
        const pid_t victim = server.workers().at(0);
        kill(victim, signal);
        for (int i = 0; i < 50; ++i) EXPECT_TRUE(ask(server.port()).starts_with("slot")) << i;
        const auto line = server.log().await_line("worker " + std::to_string(victim));
        ASSERT_TRUE(line);
        EXPECT_TRUE(server.await_workers(2));
    }
}

TEST_F(Processes, TheLogTellsADeathWithCauseAndLastRequest) {
    Server server(dir_.path(), setup({"--workers", "1"}));
    server.expect_trouble("was killed by SIGKILL");
    const pid_t victim = pid_of(ask(server.port()));
    kill(victim, SIGKILL);
    const auto line = server.log().await_line("was killed by SIGKILL");
    ASSERT_TRUE(line);
    for (const std::string& part :
         {std::string("slot=0"), std::to_string(victim), std::string("GET /last-request")})
        EXPECT_NE(line->find(part), std::string::npos) << *line;
}

TEST_F(Processes, ConnectionsInTheQueueOfAStoppedWorkerAreServedByItsNeighbour) {
    Server server(dir_.path(), setup({"--workers", "2"}));
    const pid_t stopped = server.workers().at(0);
    kill(stopped, SIGSTOP);
    for (int i = 0; i < 40; ++i) {
        const std::string answer = ask(server.port());
        EXPECT_TRUE(answer.starts_with("slot")) << answer;
    }
    kill(stopped, SIGCONT);
    EXPECT_TRUE(server.log().await_line("is back"));
    EXPECT_EQ(server.workers().size(), 2U);
}

TEST_F(Processes, AWorkerWithoutAHeartbeatIsAborted) {
    Server server(dir_.path(), setup({"--workers", "1", "--hang-timeout", "1s"}, "silent"));
    server.expect_trouble("worker ");
    server.expect_trouble("ERROR");
    EXPECT_TRUE(server.log().await_line("hangs"));
    EXPECT_TRUE(server.log().await_line("SIGABRT"));
    EXPECT_TRUE(ask(server.port()).starts_with("slot")) << "by its successor";
}

TEST_F(Processes, AFloodOnTheChannelHarmsNobody) {
    Server server(dir_.path(), setup({"--workers", "2"}, "flood"));
    server.expect_trouble("makes no sense");
    server.expect_trouble("no longer listened to");
    EXPECT_TRUE(server.log().await_line("no longer listened to"));
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(ask(server.port()).starts_with("slot"));
    server.signal(SIGTERM);
    EXPECT_EQ(server.await_exit(), 0);
}

// --- starting

TEST_F(Processes, AWorkerThatRefusesTheConfigurationEndsItWith2AndACrashWith1) {
    for (const int status : {2, 1}) {
        const RunResult result =
            run_loopback({"--workers", "2"}, {"STUB=exit=" + std::to_string(status)});
        EXPECT_EQ(result.exit_status, status) << result.err;
        EXPECT_NE(result.err.find("no worker could start"), std::string::npos) << result.err;
        EXPECT_EQ(result.err.find("serves"), std::string::npos);
    }
}

TEST_F(Processes, AForkThatFailsIsRetried) {
    if (!am_root()) GTEST_SKIP() << "wants root, to become somebody whose processes are counted";
    const RunResult result =
        run({"prlimit", "--nproc=1", "setpriv", "--reuid=54321", "--regid=54321", "--clear-groups",
             fsrv_binary(), "--host", "127.0.0.1", "--port", "0", "--workers", "2", "/"},
            {.environment = {}, .directory = "/", .input = ""});
    EXPECT_EQ(result.exit_status, 1) << result.err;
    EXPECT_NE(result.err.find("EAGAIN"), std::string::npos) << result.err;
}

TEST_F(Processes, ATakenPortEndsWith3AndTheFirstOneGoesOn) {
    Server server(dir_.path(), setup({"--workers", "2"}));
    const RunResult result =
        run_fsrv({"--host", "127.0.0.1", "--port", std::to_string(server.port())});
    EXPECT_EQ(result.exit_status, 3) << result.err;
    EXPECT_NE(result.err.find("in use"), std::string::npos) << result.err;
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(ask(server.port()).starts_with("slot"));
}

TEST_F(Processes, APrivilegedPortWithoutTheRightEndsWith3AndSaysWhatToDo) {
    if (!am_root()) GTEST_SKIP() << "wants root, to give up the right";
    Args args{"unshare", "--net", "sh", "-c",
              "ip link set lo up; exec setpriv --reuid=65534 --regid=65534 --clear-groups "
              "--bounding-set=-all " +
                  fsrv_binary() + " --host 127.0.0.1 --port 80 /usr"};
    const RunResult result = run(args);
    EXPECT_EQ(result.exit_status, 3) << result.err;
    EXPECT_NE(result.err.find("CAP_NET_BIND_SERVICE"), std::string::npos) << result.err;
}

TEST_F(Processes, WithoutAHostAllAddressesAreBoundWhatIsThereOfThem) {
    if (!am_root()) GTEST_SKIP() << "wants a network of its own";
    struct Row {
        const char* prepare;
        Args args;
        const char* urls;
    };
    const Row table[] = {
        {"ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up && "
         "ip addr add 192.0.2.7/24 dev v0",
         {},
         "at http://localhost:PORT/ http://192.0.2.7:PORT/ with"},
        {"true", {}, "at http://localhost:PORT/ with"},
        {"true", {"--host", "0.0.0.0"}, "at http://localhost:PORT/ with"},
        {"sysctl -qw net.ipv6.conf.all.disable_ipv6=1",
         {"--host", "localhost"},
         "at http://127.0.0.1:PORT/ with"},
    };
    for (const Row& row : table) {
        Args args{"--port", "0", "--workers", "2"};
        args.insert(args.end(), row.args.begin(), row.args.end());
        Server server(
            dir_.path(),
            {.args = args,
             .environment = {},
             .wrapper = {"unshare", "--net", "sh", "-c",
                         "ip link set lo up; " + std::string(row.prepare) + "; exec \"$@\"", "sh"},
             .before_exec = {},
             .loopback = false,
             .trouble = {}});
        std::string line = server.start_line();
        const std::string port = ':' + std::to_string(server.port()) + '/';
        for (std::size_t at; (at = line.find(port)) != std::string::npos;)
            line.replace(at, port.size(), ":PORT/");
        EXPECT_NE(line.find(row.urls), std::string::npos) << line;
    }
}

TEST_F(Processes, ClosedStandardDescriptorsAndStrangeSignalsDoNotMatter) {
    Server server(dir_.path(), {.args = {"--workers", "2", "--access-log", "off"},
                                .environment = {},
                                .wrapper = {},
                                .before_exec =
                                    [] {
                                        ::close(0);
                                        ::close(1);
                                        ::signal(SIGCHLD, SIG_IGN);
                                        ::signal(SIGTERM, SIG_IGN);
                                        sigset_t all;
                                        sigfillset(&all);
                                        ::sigprocmask(SIG_SETMASK, &all, nullptr);
                                        for (int i = 0; i < 500; ++i)
                                            [[maybe_unused]] const int fd =
                                                ::open("/dev/null", O_RDONLY);
                                        ::umask(0);
                                        const rlimit small{.rlim_cur = 1024, .rlim_max = 4096};
                                        ::setrlimit(RLIMIT_NOFILE, &small);
                                    },
                                .trouble = {}});
    ASSERT_TRUE(server.await_workers(2));
    EXPECT_TRUE(ask(server.port()).starts_with("slot"));
    std::vector<pid_t> all = server.workers();
    for (const pid_t pid : all) EXPECT_LT(open_descriptors(pid), 32U);
    EXPECT_LT(open_descriptors(server.pid()), 32U);
    EXPECT_EQ(std::filesystem::read_symlink("/proc/" + std::to_string(server.pid()) + "/fd/0"),
              "/dev/null");
    server.expect_trouble("worker ");
    kill(all.at(0), SIGKILL); // SIGCHLD is heard
    EXPECT_TRUE(server.log().await_line("was killed by SIGKILL"));
}

TEST_F(Processes, TheWorkingFolderIsLeft) {
    Server server(dir_.path(), setup({"--workers", "1"}));
    EXPECT_EQ(std::filesystem::read_symlink("/proc/" + std::to_string(server.pid()) + "/cwd"), "/");
}

TEST_F(Processes, CheckSaysTheSameAsTheStartAndBindsNothing) {
    Server server(dir_.path(), setup({"--workers", "1"}));
    const std::string port = std::to_string(server.port());
    const RunResult fine =
        run_fsrv({"--check", "--host", "127.0.0.1", "--port", port, "--access-log", "a.log",
                  "--pid-file", "p.pid", "--unix", "s.sock", "."});
    EXPECT_EQ(fine.exit_status, 0) << fine.err;
    EXPECT_EQ(fine.out, "fsrv: configuration is fine\n");
    EXPECT_TRUE(std::filesystem::is_empty(dir_.path()));

    const Args bad[] = {
        {"missing"},
        {"--access-log", "no/a.log"},
        {"--pid-file", "no/p.pid"},
        {"--user", "nobody-by-that-name"},
        {"--group", "no-such-group"},
        {"--unix", std::string(200, 'x')},
    };
    for (Args args : bad) {
        const RunResult started = run_loopback(args);
        args.push_back("--check");
        const RunResult checked = run_fsrv(args);
        EXPECT_EQ(checked.exit_status, 2) << args[0];
        EXPECT_EQ(started.exit_status, 2) << args[0];
        EXPECT_EQ(checked.err, started.err);
        EXPECT_TRUE(checked.err.starts_with("fsrv: ")) << checked.err;
        EXPECT_EQ(std::count(checked.err.begin(), checked.err.end(), '\n'), 1) << checked.err;
    }
}

TEST_F(Processes, HelpToAReaderThatLeavesIsNoError) {
    const RunResult result =
        run({"sh", "-c", "{ " + fsrv_binary() + " --help; echo $? >&2; } | true"});
    EXPECT_EQ(result.err, "0\n");
    const RunResult full = run({"sh", "-c", fsrv_binary() + " --help > /dev/full"});
    EXPECT_EQ(full.exit_status, 1);
    EXPECT_NE(full.err.find("ENOSPC"), std::string::npos) << full.err;
}

// --- files

TEST_F(Processes, ThePidFileIsThereWhenTheServerIsAndGoesWithIt) {
    const std::string path = (dir_ / "fsrv.pid").string();
    write_file(path, "1\n");
    {
        Server server(dir_.path(), setup({"--workers", "1", "--pid-file", path}));
        EXPECT_EQ(read_file(path), std::to_string(server.pid()) + "\n");
    }
    EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(Processes, TheUnixSocketServesAndGoesWithTheServer) {
    const std::string path = (dir_ / "s").string();
    for (int round = 0; round < 2; ++round) {
        Server server(dir_.path(), setup({"--workers", "2", "--unix", path}));
        EXPECT_NE(server.start_line().find(" unix:" + path + " "), std::string::npos)
            << server.start_line();
        RawClient client(path);
        EXPECT_TRUE(client.read_to_end().starts_with("slot"));
        const RunResult second = run_loopback({"--unix", path});
        EXPECT_EQ(second.exit_status, 3) << second.err;
        if (round == 0) {
            server.expect_trouble("");
            server.signal(SIGKILL); // leaves a stale file behind for the next round
            server.await_exit();
            EXPECT_TRUE(std::filesystem::exists(path));
        }
    }
    EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(Processes, Usr1OpensTheAccessLogAnewInEveryWorker) {
    const std::string path = (dir_ / "a.log").string();
    Server server(dir_.path(), setup({"--workers", "3", "--access-log", path}));
    EXPECT_TRUE(ask(server.port()).starts_with("slot"));
    EXPECT_TRUE(await([&] { return !read_file(path).empty(); }));
    std::filesystem::rename(path, path + ".1");
    server.signal(SIGUSR1);
    ASSERT_TRUE(server.log().await_line("opened anew"));
    EXPECT_TRUE(await([&] {
        ask(server.port());
        const std::string log = read_file(path);
        return log.find("slot 0") != std::string::npos && log.find("slot 1") != std::string::npos &&
               log.find("slot 2") != std::string::npos;
    }));

    std::filesystem::rename(path, path + ".2");
    std::filesystem::create_directory(path);
    server.expect_trouble("the old one is kept");
    server.signal(SIGUSR1);
    ASSERT_TRUE(server.log().await_line("the old one is kept"));
    const std::size_t before = read_file(path + ".2").size();
    EXPECT_TRUE(ask(server.port()).starts_with("slot"));
    EXPECT_TRUE(await([&] { return read_file(path + ".2").size() > before; }));
}

// --- stopping

TEST_F(Processes, ADrainThatTakesItsTimeIsWaitedFor) {
    Server server(dir_.path(), setup({"--workers", "2", "--grace", "1s"}, "slow"));
    server.signal(SIGTERM);
    EXPECT_EQ(server.await_exit(), 0);
    EXPECT_EQ(server.log().count("killing"), 0U);
}

TEST_F(Processes, FromTheStopOnConnectionsAreRefusedAlsoWhereAWorkerHangs) {
    Server server(dir_.path(), setup({"--workers", "2", "--grace", "1m"}, "deaf"));
    for (const pid_t worker : server.workers()) kill(worker, SIGSTOP);
    server.signal(SIGTERM);
    EXPECT_TRUE(await([&] { return !RawClient(server.port()).connected(); }));
    EXPECT_EQ(server.workers().size(), 2U) << "they still hold the sockets";
    EXPECT_EQ(server.log().count("SIGKILL"), 0U);
    server.signal(SIGTERM);
    EXPECT_EQ(server.await_exit(), 0) << "a second one at once";
}

TEST_F(Processes, AWorkerThatDoesNotListenIsKilledAfterTheGrace) {
    Server server(dir_.path(), setup({"--workers", "2", "--grace", "0s"}, "deaf"));
    server.expect_trouble("has not ended in time");
    server.expect_trouble("was killed by SIGKILL");
    server.signal(SIGINT);
    EXPECT_EQ(server.await_exit(), 0);
    EXPECT_TRUE(server.log().await_finished());
    EXPECT_EQ(server.log().count("has not ended in time"), 2U);
}

TEST_F(Processes, QuitIsPatientAndTermMakesItHurry) {
    Server server(dir_.path(), setup({"--workers", "1", "--grace", "1ms"}, "slow"));
    server.signal(SIGQUIT);
    EXPECT_TRUE(server.log().await_line("all downloads are finished"));
    server.signal(SIGTERM);
    EXPECT_EQ(server.await_exit(), 0);
}

TEST_F(Processes, ASignalToTheWholeGroupIsOneStop) {
    ServerSetup with_group = setup({"--workers", "2"});
    with_group.before_exec = [] { ::setpgid(0, 0); };
    Server server(dir_.path(), std::move(with_group));
    kill(-server.pid(), SIGINT); // as a terminal does it
    EXPECT_EQ(server.await_exit(), 0);
    EXPECT_TRUE(server.log().await_finished());
    EXPECT_EQ(server.log().count("stopping"), 1U);
    EXPECT_EQ(server.log().count("killed"), 0U);
}

TEST_F(Processes, TheEndOfTheSupervisorIsTheEndOfItsWorkers) {
    Server server(dir_.path(), setup({"--workers", "3"}));
    const std::vector<pid_t> workers = server.workers();
    ASSERT_EQ(workers.size(), 3U);
    server.signal(SIGKILL);
    server.await_exit();
    for (const pid_t worker : workers) EXPECT_TRUE(await_gone(worker));
}

// --- the service manager

class Manager final {
  public:
    explicit Manager(const std::string& path) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        EXPECT_EQ(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    }
    std::string hear() {
        char bytes[1024];
        if (!await_fd(socket_.get(), POLLIN)) return {};
        const ssize_t size = recv(socket_.get(), bytes, sizeof bytes, 0);
        return std::string(bytes, size > 0 ? static_cast<std::size_t>(size) : 0);
    }

  private:
    UniqueFd socket_{socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
};

TEST_F(Processes, TheServiceManagerHearsReadyAndStoppingAndWorkersCannotReachIt) {
    const std::string path = (dir_ / "notify").string();
    Manager manager(path);
    ServerSetup with_manager = setup({"--workers", "2", "--grace", "10s"});
    with_manager.environment.push_back("NOTIFY_SOCKET=" + path);
    Server server(dir_.path(), std::move(with_manager));
    EXPECT_EQ(manager.hear(),
              "READY=1\nMAINPID=" + std::to_string(server.pid()) + "\nSTATUS=2 of 2 workers ready");
    server.signal(SIGTERM);
    EXPECT_TRUE(manager.hear().starts_with("STOPPING=1\n"));
    EXPECT_EQ(server.await_exit(), 0);
}

TEST_F(Processes, AnIdleSupervisorGivesSignsOfLifeToAManagerThatWaitsForThem) {
    const std::string path = (dir_ / "notify").string();
    Manager manager(path);
    ServerSetup with_manager = setup({"--workers", "1"});
    with_manager.environment = {"NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=200000"};
    const Server server(dir_.path(), std::move(with_manager));
    unsigned signs = 0;
    for (int i = 0; i < 20 && signs < 8; ++i) signs += manager.hear() == "WATCHDOG=1" ? 1 : 0;
    EXPECT_EQ(signs, 8U);
}

TEST_F(Processes, TheServiceManagerHearsWhyAStartFailed) {
    const std::string path = (dir_ / "notify").string();
    Manager manager(path);
    const UniqueFd taken(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    socklen_t length = sizeof address;
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(bind(taken.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
    ASSERT_EQ(listen(taken.get(), 1), 0);
    ASSERT_EQ(getsockname(taken.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
    const std::string port = std::to_string(ntohs(address.sin_port));
    const RunResult result = run({fsrv_binary(), "--host", "127.0.0.1", "--port", port, dir_.str()},
                                 {.environment = {"NOTIFY_SOCKET=" + path}});
    EXPECT_EQ(result.exit_status, 3);
    const std::string state = manager.hear();
    EXPECT_TRUE(state.starts_with("STATUS=port " + port + " is in use")) << state;
    EXPECT_TRUE(state.ends_with("\nERRNO=" + std::to_string(EADDRINUSE))) << state;
}

TEST_F(Processes, AReaderOfTheLogThatDiesOrStopsChangesNothing) {
    for (const bool dies : {true, false}) {
        const std::string path = (dir_ / "fsrv.pid").string();
        int ends[2];
        ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
        UniqueFd reader(ends[0]), writer(ends[1]);
        const std::string binary = fsrv_binary();
        const std::vector<char*> environment = environment_with({});
        const pid_t server = fork();
        if (server == 0) {
            dup2(writer.get(), STDERR_FILENO);
            dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
            execle(binary.c_str(), binary.c_str(), "--host", "127.0.0.1", "--port", "0",
                   "--workers", "2", "--pid-file", path.c_str(), dir_.str().c_str(), nullptr,
                   environment.data());
            _exit(127);
        }
        writer.reset();
        if (dies) reader.reset();
        ASSERT_TRUE(await([&] { return !read_file(path).empty(); })) << dies;
        for (int i = 0; i < 3000; ++i) kill(server, SIGUSR1); // each a line
        for (int i = 0; i < 3; ++i)
            if (const auto workers = children_of(server); !workers.empty())
                kill(workers.at(0), SIGKILL);
        EXPECT_TRUE(await([&] { return children_of(server).size() == 2; })) << dies;
        kill(server, SIGTERM);
        EXPECT_EQ(await_child(server), 0) << dies;
    }
}

} // namespace
} // namespace fsrv::test
