#include "tests/support/server.h"

#include "tests/support/process.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace fsrv::test {

std::string fsrv_binary() {
    const char* path = std::getenv("FSRV_BINARY");
    if (path != nullptr) return path;
    ADD_FAILURE() << "FSRV_BINARY is not set: run the tests through meson";
    return "fsrv";
}

bool use_plain_binary() {
    if (const char* plain = std::getenv("FSRV_PLAIN_BINARY"))
        return ::setenv("FSRV_BINARY", plain, 1) == 0;
    return !kSanitized;
}

void Lines::append(std::string_view bytes) {
    const std::lock_guard lock(mutex_);
    partial_ += bytes;
    std::size_t begin = 0;
    for (std::size_t end; (end = partial_.find('\n', begin)) != std::string::npos; begin = end + 1)
        lines_.push_back(partial_.substr(begin, end - begin));
    partial_.erase(0, begin);
    changed_.notify_all();
}

void Lines::finish() {
    const std::lock_guard lock(mutex_);
    finished_ = true;
    changed_.notify_all();
}

std::vector<std::string> Lines::all() const {
    const std::lock_guard lock(mutex_);
    return lines_;
}

std::string Lines::text() const {
    const std::lock_guard lock(mutex_);
    std::string text;
    for (const std::string& line : lines_) text += line + '\n';
    return text + partial_;
}

static std::size_t count_in(const std::vector<std::string>& lines, std::string_view part) {
    return static_cast<std::size_t>(
        std::count_if(lines.begin(), lines.end(),
                      [&](const auto& line) { return line.find(part) != std::string::npos; }));
}

std::size_t Lines::count(std::string_view part) const {
    const std::lock_guard lock(mutex_);
    return count_in(lines_, part);
}

bool Lines::await(const std::function<bool()>& condition, const Deadline& deadline,
                  std::unique_lock<std::mutex>& lock) const {
    while (!condition()) {
        if (finished_) return false;
        const auto left = std::chrono::milliseconds(deadline.poll_ms());
        if (left.count() == 0) return false;
        changed_.wait_for(lock, left);
    }
    return true;
}

std::optional<std::string> Lines::await_line(std::string_view part, std::size_t from,
                                             const Deadline& deadline) const {
    std::unique_lock lock(mutex_);
    std::optional<std::string> found;
    await(
        [&] {
            for (; from < lines_.size() && !found; ++from)
                if (lines_[from].find(part) != std::string::npos) found = lines_[from];
            return found.has_value();
        },
        deadline, lock);
    return found;
}

bool Lines::await_count(std::string_view part, std::size_t count, const Deadline& deadline) const {
    std::unique_lock lock(mutex_);
    return await([&] { return count_in(lines_, part) >= count; }, deadline, lock);
}

bool Lines::await_finished(const Deadline& deadline) const {
    std::unique_lock lock(mutex_);
    await([&] { return finished_; }, deadline, lock);
    return finished_;
}

Server::Server(const std::filesystem::path& root, ServerSetup setup) : setup_(std::move(setup)) {
    start(root);
}

Server::Server(const std::filesystem::path& root, std::vector<std::string> args)
    : Server(root, ServerSetup{.args = std::move(args)}) {}

static pid_t pid_in(const std::string& start_line) {
    const std::size_t at = start_line.rfind("pid ");
    if (at == std::string::npos) return -1;
    return static_cast<pid_t>(std::strtol(start_line.c_str() + at + 4, nullptr, 10));
}

void Server::start(const std::filesystem::path& root) {
    std::vector<std::string> command = setup_.wrapper;
    command.push_back(setup_.binary.empty() ? fsrv_binary() : setup_.binary);
    if (setup_.loopback)
        command.insert(command.end(), {"--host", "127.0.0.1", "--port", "0", "--server-name", "*"});
    command.insert(command.end(), setup_.args.begin(), setup_.args.end());
    if (!root.empty()) command.push_back(root.string());
    std::vector<char*> argv;
    for (std::string& word : command) argv.push_back(word.data());
    argv.push_back(nullptr);
    std::vector<char*> envp = environment_with(setup_.environment);

    int out[2], err[2];
    if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(err, O_CLOEXEC) != 0) std::abort();
    child_ = ::fork();
    if (child_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL); // a crashed test leaves no server behind
        ::dup2(::open("/dev/null", O_RDONLY), 0);
        ::dup2(out[1], 1);
        ::dup2(err[1], 2);
        if (setup_.before_exec) setup_.before_exec();
        ::execvpe(argv[0], argv.data(), envp.data());
        ::_exit(127);
    }
    ::close(out[1]);
    ::close(err[1]);
    out_.reset(out[0]);
    err_.reset(err[0]);
    reader_ = std::thread([this] { read_pipes(); });
    pid_ = child_;

    const auto line = log_.await_line(" serves ");
    if (!line) {
        if (setup_.must_start) ADD_FAILURE() << "fsrv did not start:\n" << log_.text();
        return;
    }
    started_ = true;
    start_line_ = *line;
    if (const std::size_t at = line->find("://"); at != std::string::npos) {
        const std::size_t colon = line->find(
            ':', line->find(']', at) == std::string::npos ? at + 1 : line->find(']', at));
        port_ = static_cast<std::uint16_t>(std::strtoul(line->c_str() + colon + 1, nullptr, 10));
    }
    if (!setup_.wrapper.empty()) pid_ = pid_in(*line);
}

void Server::read_pipes() {
    const auto drain = [](UniqueFd& fd, Lines& lines) {
        char bytes[65536];
        const ssize_t n = ::read(fd.get(), bytes, sizeof bytes);
        if (n > 0) {
            lines.append({bytes, static_cast<std::size_t>(n)});
        } else {
            fd.reset();
            lines.finish();
        }
    };
    while (out_ || err_) {
        pollfd entries[2] = {{.fd = out_.get(), .events = POLLIN, .revents = 0},
                             {.fd = err_.get(), .events = POLLIN, .revents = 0}};
        if (::poll(entries, 2, -1) < 0) continue;
        if (entries[0].revents != 0) drain(out_, access_);
        if (entries[1].revents != 0) drain(err_, log_);
    }
}

std::string Server::url(std::string_view target) const {
    const bool is_tls = start_line_.find(" https://") != std::string::npos;
    return (is_tls ? "https" : "http") + std::string("://127.0.0.1:") + std::to_string(port_) +
           std::string(target);
}

std::vector<pid_t> Server::workers() const {
    std::vector<pid_t> pids = children_of(pid_);
    std::erase_if(pids, [](pid_t pid) { return process_status(pid)["Name"] == "fsrv-errand"; });
    std::sort(pids.begin(), pids.end());
    return pids;
}

bool Server::await_workers(std::size_t count) const {
    return await([&] { return workers().size() == count; });
}

void Server::expect_trouble(std::string part) {
    setup_.trouble.push_back(std::move(part));
}

void Server::signal(int number) const {
    ::kill(pid_, number);
}

void Server::follow() {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1); // it becomes ours when the earlier one has ended
    const pid_t before = pid_;
    const bool is_there = await([&] {
        for (const std::string& line : log_.all())
            if (line.find(" serves ") != std::string::npos &&
                line.find(" with ") != std::string::npos && pid_in(line) > 0)
                pid_ = pid_in(line);
        return pid_ != before;
    });
    EXPECT_TRUE(is_there) << log_.text();
    if (!is_there) return;
    former_.push_back(child_);
    child_ = pid_;
}

void Server::await_former() {
    for (const pid_t pid : std::exchange(former_, {})) {
        const std::optional<int> status = await_child(pid);
        // Its own parent may have been there longer, and have heard of its end.
        EXPECT_TRUE(status ? *status == 0 : await_gone(pid)) << "an earlier server, pid " << pid;
    }
}

std::optional<int> Server::await_exit() {
    await_former();
    const std::optional<int> status = await_child(child_);
    if (!status) {
        ADD_FAILURE() << "fsrv (pid " << pid_ << ") does not end:\n" << log_.text();
        return std::nullopt;
    }
    exited_ = true;
    return status;
}

void Server::stop() {
    await_former(); // then it is our child, and nobody else hears of its end
    signal(SIGTERM);
    const std::optional<int> status = await_exit();
    if (!status) return;
    EXPECT_TRUE(WIFEXITED(*status) && WEXITSTATUS(*status) == 0)
        << "wait status " << *status << "\n"
        << log_.text();
}

void Server::check_log() {
    EXPECT_TRUE(log_.await_finished()) << "a process of fsrv is left behind";
    static constexpr const char* kSanitizers[] = {"AddressSanitizer", "LeakSanitizer",
                                                  "ThreadSanitizer",
                                                  "runtime error:", "UndefinedBehaviorSanitizer"};
    for (const std::string& line : log_.all()) {
        if (setup_.starved && line.find("does not point to an object of type") != std::string::npos)
            continue;
        for (const char* sanitizer : kSanitizers)
            EXPECT_EQ(line.find(sanitizer), std::string::npos) << log_.text();
        if (line.find("warn:") == std::string::npos && line.find("error:") == std::string::npos)
            continue;
        if (line.find("workers run as root") != std::string::npos) continue; // so do most tests
        const bool expected =
            std::any_of(setup_.trouble.begin(), setup_.trouble.end(),
                        [&](const auto& part) { return line.find(part) != std::string::npos; });
        EXPECT_TRUE(expected) << "unexpected in the log: " << line;
    }
}

Server::~Server() {
    if (started_ && !exited_) stop();
    if (!exited_) { // it never started, or does not end: the failure is told already
        if (setup_.must_start || started_) ::kill(pid_, SIGKILL);
        await_exit();
    }
    if (started_) check_log();
    if (!log_.await_finished(Deadline(std::chrono::seconds(5))))
        for (const pid_t worker : workers()) ::kill(worker, SIGKILL);
    reader_.join();
}

} // namespace fsrv::test
