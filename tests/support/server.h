// The real fsrv, started on a free port of the loopback. Its binary is the one that the variable
// FSRV_BINARY names. At the end of its life it is stopped, and the test fails when it did not exit
// as asked, when its log has a "warn:" or "error:" that the test did not announce, or when a
// sanitizer complained.
#pragma once

#include "common/unique_fd.h"
#include "tests/support/await.h"

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <thread>
#include <vector>

namespace fsrv::test {

std::string fsrv_binary();
// From now on that is the build without a sanitizer, which FSRV_PLAIN_BINARY names, for what a
// sanitizer does not stand: walls, and calls that fail under its own feet. False: there is none.
bool use_plain_binary();

// Lines that a server writes to one of its pipes, collected by a thread of the Server.
class Lines final {
  public:
    void append(std::string_view bytes);
    void finish(); // no more will come

    std::vector<std::string> all() const;
    // Unfinished last line included, each line with its newline.
    std::string text() const;
    std::size_t count(std::string_view part) const;
    // The first line (from the `from`-th on) that has `part` in it, as soon as there is one.
    std::optional<std::string> await_line(std::string_view part, std::size_t from = 0,
                                          const Deadline& deadline = Deadline()) const;
    bool await_count(std::string_view part, std::size_t count,
                     const Deadline& deadline = Deadline()) const;
    bool await_finished(const Deadline& deadline = Deadline()) const;

  private:
    bool await(const std::function<bool()>& condition, const Deadline& deadline,
               std::unique_lock<std::mutex>& lock) const;
    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    std::vector<std::string> lines_;
    std::string partial_;
    bool finished_ = false;
};

struct ServerSetup {
    std::vector<std::string> args;
    std::vector<std::string> environment; // "NAME=value"
    std::vector<std::string> wrapper;  // a command that runs the server, e.g. strace with its flags
    std::function<void()> before_exec; // in the child; system calls only
    bool loopback = true;              // add --host 127.0.0.1 --port 0, and any --server-name
    std::vector<std::string> trouble;  // parts of warn: and error: lines that belong to the test
    bool must_start = true;            // false: the test looks at started() itself
    // The test leaves the server no descriptor. UBSan's check of a dynamic type needs some, and
    // reports sound objects without.
    bool starved = false;
    std::string binary = {}; // to start instead of fsrv_binary()
};

class Server final {
  public:
    explicit Server(const std::filesystem::path& root, ServerSetup setup = {});
    Server(const std::filesystem::path& root, std::vector<std::string> args);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    bool started() const { return started_; }
    pid_t pid() const { return pid_; } // the supervisor's
    std::uint16_t port() const { return port_; }
    std::string url(std::string_view target) const;
    const std::string& start_line() const { return start_line_; }

    std::vector<pid_t> workers() const; // alive now, by pid
    // `count` workers that all answer: as many children, and the supervisor has logged nothing of
    // them in between.
    bool await_workers(std::size_t count) const;

    const Lines& log() const { return log_; } // stderr
    const Lines& access() const {
        return access_;
    } // stdout: the access log, unless --access-log says otherwise
    void expect_trouble(std::string part); // from now on, also for lines already there

    void signal(int number) const;
    // It was upgraded: from now on this is about the process that said last that it serves. The
    // earlier one has to end well, by the end of the test.
    void follow();
    // Waits for the end that the test has caused. The wait status; nothing (and a failure) when it
    // lives on.
    std::optional<int> await_exit();
    // SIGTERM, and the exit must be clean. Called by the destructor when nothing else ended the
    // server.
    void stop();

  private:
    void start(const std::filesystem::path& root);
    void await_former(); // servers that upgrades have replaced
    void read_pipes();
    void check_log();

    ServerSetup setup_;
    pid_t child_ = -1; // what was forked: the wrapper, or the supervisor itself
    pid_t pid_ = -1;
    std::vector<pid_t> former_;
    std::uint16_t port_ = 0;
    bool started_ = false;
    bool exited_ = false;
    std::string start_line_;
    UniqueFd out_, err_;
    Lines log_, access_;
    std::thread reader_;
};

} // namespace fsrv::test
