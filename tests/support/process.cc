#include "tests/support/process.h"

#include "common/unique_fd.h"
#include "tests/support/await.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <poll.h>
#include <sstream>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace fsrv::test {

namespace fs = std::filesystem;

namespace {

struct Pipe {
    UniqueFd read, write;
    Pipe() {
        int ends[2] = {-1, -1};
        if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
        read.reset(ends[0]);
        write.reset(ends[1]);
    }
};

bool drain_into(UniqueFd& fd, std::string& text) {
    char buffer[65536];
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n > 0) {
        text.append(buffer, static_cast<std::size_t>(n));
        return true;
    }
    fd.reset();
    return false;
}

} // namespace

static bool is_set_anew(std::string_view entry, const std::vector<std::string>& more) {
    const std::string_view name = entry.substr(0, entry.find('=') + 1);
    return std::any_of(more.begin(), more.end(),
                       [&](const std::string& other) { return other.starts_with(name); });
}

std::vector<char*> environment_with(const std::vector<std::string>& more) {
    std::vector<char*> entries;
    for (char** entry = environ; *entry != nullptr; ++entry)
        if (!std::string_view(*entry).starts_with("FSRV_") && !is_set_anew(*entry, more))
            entries.push_back(*entry);
    for (const std::string& entry : more) entries.push_back(const_cast<char*>(entry.c_str()));
    entries.push_back(nullptr);
    return entries;
}

RunResult run(const std::vector<std::string>& command, const RunSetup& setup) {
    std::vector<char*> argv;
    for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    std::vector<char*> envp = environment_with(setup.environment);

    Pipe in, out, err;
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::dup2(in.read.get(), 0);
        ::dup2(out.write.get(), 1);
        ::dup2(err.write.get(), 2);
        if (!setup.directory.empty() && ::chdir(setup.directory.c_str()) != 0) ::_exit(126);
        ::execvpe(argv[0], argv.data(), envp.data());
        ::_exit(127);
    }
    in.read.reset();
    out.write.reset();
    err.write.reset();

    RunResult result;
    std::string_view input = setup.input;
    const Deadline deadline(2 * kPatience);
    bool in_time = true;
    while (in_time && (out.read || err.read)) {
        if (input.empty()) in.write.reset();
        pollfd entries[3] = {{.fd = out.read.get(), .events = POLLIN, .revents = 0},
                             {.fd = err.read.get(), .events = POLLIN, .revents = 0},
                             {.fd = in.write.get(), .events = POLLOUT, .revents = 0}};
        in_time = ::poll(entries, 3, deadline.poll_ms()) != 0;
        if (entries[0].revents != 0) drain_into(out.read, result.out);
        if (entries[1].revents != 0) drain_into(err.read, result.err);
        if (entries[2].revents != 0) {
            const ssize_t n =
                ::write(in.write.get(), input.data(), std::min<std::size_t>(input.size(), 4096));
            input.remove_prefix(n > 0 ? static_cast<std::size_t>(n) : input.size());
        }
    }
    if (!in_time) {
        ::kill(pid, SIGKILL);
        result.err += "\n(killed by the test: it did not end)\n";
    }
    const std::optional<int> status = await_child(pid);
    if (status && WIFEXITED(*status)) result.exit_status = WEXITSTATUS(*status);
    if (status && WIFSIGNALED(*status)) result.signal = WTERMSIG(*status);
    return result;
}

Background::Background(const std::vector<std::string>& command, const RunSetup& setup) {
    std::vector<char*> argv;
    for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    std::vector<char*> envp = environment_with(setup.environment);
    pid_ = ::fork();
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::setpgid(0, 0);
        const int null = ::open("/dev/null", O_RDWR);
        for (int fd = 0; fd < 3; ++fd) ::dup2(null, fd);
        if (!setup.directory.empty() && ::chdir(setup.directory.c_str()) != 0) ::_exit(126);
        ::execvpe(argv[0], argv.data(), envp.data());
        ::_exit(127);
    }
}

Background::~Background() {
    if (pid_ > 0) {
        ::kill(-pid_, SIGKILL);
        ::kill(pid_, SIGKILL);
        await_child(pid_);
    }
}

void Background::signal(int number) const {
    if (pid_ > 0) ::kill(pid_, number);
}

int Background::wait() {
    if (pid_ <= 0) return -1;
    const std::optional<int> status = await_child(pid_, Deadline(2 * kPatience));
    if (!status) return -1;
    pid_ = -1;
    return WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
}

bool ran_well(const RunResult& result, std::string_view what) {
    if (result.exit_status == 0) return true;
    ADD_FAILURE() << what << ": exit status " << result.exit_status << ", signal " << result.signal
                  << "\n"
                  << result.out.substr(0, 4000) << result.err.substr(0, 4000);
    return false;
}

bool have_program(std::string_view name) {
    const char* path = std::getenv("PATH");
    std::stringstream folders(path != nullptr ? path : "/usr/bin:/bin");
    for (std::string folder; std::getline(folders, folder, ':');)
        if (::access((folder + "/" + std::string(name)).c_str(), X_OK) == 0) return true;
    return false;
}

bool am_root() {
    return ::geteuid() == 0;
}

std::string read_file(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    std::ostringstream text;
    text << stream.rdbuf();
    return text.str();
}

// Fields of /proc/PID/stat after the name, which may hold anything.
static std::string stat_tail(const std::string& pid) {
    const std::string line = read_file("/proc/" + pid + "/stat");
    const std::size_t end = line.rfind(')');
    return end == std::string::npos ? std::string() : line.substr(end + 2);
}

std::vector<pid_t> children_of(pid_t pid) {
    std::vector<pid_t> children;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
        const std::string name = entry.path().filename();
        if (name.empty() || name[0] < '0' || name[0] > '9') continue;
        std::istringstream tail(stat_tail(name));
        char state = 0;
        pid_t parent = 0;
        if (tail >> state >> parent && parent == pid && state != 'Z')
            children.push_back(static_cast<pid_t>(std::stol(name)));
    }
    return children;
}

char process_state(pid_t pid) {
    const std::string tail = stat_tail(std::to_string(pid));
    return tail.empty() ? '\0' : tail[0];
}

std::map<std::string, std::string> process_status(pid_t pid) {
    std::map<std::string, std::string> fields;
    std::istringstream text(read_file("/proc/" + std::to_string(pid) + "/status"));
    for (std::string line; std::getline(text, line);) {
        const std::size_t colon = line.find(":\t");
        if (colon != std::string::npos) fields[line.substr(0, colon)] = line.substr(colon + 2);
    }
    return fields;
}

unsigned open_descriptors(pid_t pid, std::string_view part) {
    unsigned count = 0;
    std::error_code ignored;
    for (const auto& entry :
         fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd", ignored)) {
        std::error_code gone;
        if (fs::read_symlink(entry, gone).string().find(part) != std::string::npos && !gone)
            ++count;
    }
    return count;
}

std::uint64_t private_dirty_bytes(pid_t pid) {
    std::istringstream text(read_file("/proc/" + std::to_string(pid) + "/smaps_rollup"));
    std::uint64_t kib = 0;
    for (std::string line; std::getline(text, line);)
        if (line.starts_with("Private_Dirty:")) kib += std::stoull(line.substr(14));
    return kib * 1024;
}

bool raise_descriptor_limit(unsigned count) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
    if (limit.rlim_cur >= count) return true;
    limit.rlim_cur = count;
    if (limit.rlim_max < count) limit.rlim_max = count;
    return ::setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

std::string sha256_of(const std::string& path) {
    const RunResult result = run({"sha256sum", "--", path});
    return result.exit_status == 0 ? result.out.substr(0, 64)
                                   : "no sum of " + path + ": " + result.err;
}

} // namespace fsrv::test
