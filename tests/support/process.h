// Other programs and what /proc says of them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace fsrv::test {

struct RunResult {
    int exit_status = -1; // -1: killed by a signal, or not finished in time (then it was killed)
    int signal = 0;
    std::string out;
    std::string err;
};

struct RunSetup {
    std::vector<std::string> environment; // "NAME=value", added to the test's own
    std::string directory;                // to start in; empty: here
    std::string input;                    // on stdin
};

// For exec: the test's own environment without FSRV_ variables, which are the server's, then
// `more`, which must outlive it.
std::vector<char*> environment_with(const std::vector<std::string>& more);

// Runs a program to its end, with everything it prints. Found by PATH.
RunResult run(const std::vector<std::string>& command, const RunSetup& setup = {});

// A program that runs beside the test, in a process group of its own, without input or output;
// killed with its group at the end.
class Background final {
  public:
    explicit Background(const std::vector<std::string>& command, const RunSetup& setup = {});
    ~Background();
    Background(const Background&) = delete;
    Background& operator=(const Background&) = delete;

    pid_t pid() const { return pid_; } // -1 after wait(): nothing to give to kill(2)
    void signal(int number) const;     // nothing happens after wait()
    int wait(); // its exit status; -1: a signal ended it, or nothing did in time

  private:
    pid_t pid_ = -1;
};

bool have_program(std::string_view name);
bool am_root();

// Exit status 0, otherwise what it printed is in the failure message of the test.
bool ran_well(const RunResult& result, std::string_view what);

std::vector<pid_t> children_of(pid_t pid);
std::map<std::string, std::string>
process_status(pid_t pid); // /proc/PID/status; empty when it is gone
// Those whose /proc/PID/fd link has `part` in it: "socket:", a file's name.
unsigned open_descriptors(pid_t pid, std::string_view part = "");
std::uint64_t private_dirty_bytes(pid_t pid); // memory that is this process's alone, and written
char process_state(pid_t pid);                // R, S, T, Z ...; 0 when it is gone

// At least `count` descriptors for this process and those it starts; false where the hard limit is
// below.
bool raise_descriptor_limit(unsigned count);

std::string sha256_of(const std::string& path);

// Read whole, "" when it is not there.
std::string read_file(const std::string& path);

// True when a sanitizer watches this build: memory figures then mean nothing.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
#else
inline constexpr bool kSanitized = false;
#endif

} // namespace fsrv::test
