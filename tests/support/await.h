// Waiting in tests: for descriptors, for exits, for a condition. Every wait ends: kPatience is the
// length after which a test gives up and fails, far above what any step takes, and never a measure
// of speed.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <sys/types.h>

namespace fsrv::test {

using Clock = std::chrono::steady_clock;
inline constexpr std::chrono::seconds kPatience{60};

class Deadline final {
  public:
    explicit Deadline(std::chrono::milliseconds length = kPatience) : end_(Clock::now() + length) {}
    bool over() const { return Clock::now() >= end_; }
    int poll_ms() const; // what is left, for poll(2); 0 when over

  private:
    Clock::time_point end_;
};

// True when `fd` has one of `events` (POLLIN ...), an error or a hang-up before the deadline.
bool await_fd(int fd, short events, const Deadline& deadline = Deadline());

// For states of the system that announce themselves by no event (a line in /proc): looks until the
// condition holds.
bool await(const std::function<bool()>& condition, const Deadline& deadline = Deadline());

// The wait status of a child, nothing when it lives on at the deadline.
std::optional<int> await_child(pid_t pid, const Deadline& deadline = Deadline());

// True when the process, of whomever, is gone (or a zombie) before the deadline.
bool await_gone(pid_t pid, const Deadline& deadline = Deadline());

} // namespace fsrv::test
