#include "supervisor/service_manager.h"

#include "common/ascii.h"
#include "common/log.h"
#include "supervisor/environment.h"
#include "supervisor/process_ops.h"

#include <algorithm>
#include <fmt/format.h>
#include <optional>
#include <unistd.h>

namespace fsrv {
namespace {

constexpr std::uint64_t kStopMarginMs = 5'000;   // beyond what a stop takes at the longest
constexpr std::uint64_t kExtendEveryMs = 10'000; // a stop without a limit
constexpr std::uint64_t kExtendByMs = 60'000;

// Not for us: without a number, or of another process.
std::uint64_t watchdog_ms(const std::string& usec, const std::string& pid) {
    const auto microseconds = to_number<std::uint64_t>(usec);
    if (!microseconds || *microseconds == 0) {
        if (!usec.empty()) log_warn("WATCHDOG_USEC={} is no time: no sign of life is given", usec);
        return 0;
    }
    if (!pid.empty() && to_number<std::uint64_t>(pid) != static_cast<std::uint64_t>(getpid()))
        return 0;
    return std::max<std::uint64_t>(*microseconds / 1000, 1);
}

std::string text_of(const Health& health) {
    if (health.stopping)
        return fmt::format("finishing downloads, {} worker{} left", health.left,
                           health.left == 1 ? "" : "s");
    return fmt::format("{} of {} workers ready", health.ready, health.wanted);
}

// A line of a datagram ends with the first newline.
std::string one_line(std::string_view text) {
    std::string line(text);
    std::replace(line.begin(), line.end(), '\n', ' ');
    return line;
}

} // namespace

ServiceManager ServiceManager::from_environment() {
    const std::string usec = take_variable("WATCHDOG_USEC").value_or("");
    const std::string pid = take_variable("WATCHDOG_PID").value_or("");
    return ServiceManager(take_variable("NOTIFY_SOCKET").value_or(""), watchdog_ms(usec, pid));
}

ServiceManager::ServiceManager(std::string notify_socket, std::uint64_t watchdog_ms)
    : notify_socket_(std::move(notify_socket)),
      watchdog_ms_(notify_socket_.empty() ? 0 : watchdog_ms),
      notifier_(notify_socket_.c_str()),
      watchdog_(watchdog_ms_),
      extend_at_(kNever) {}

void ServiceManager::ready(pid_t pid, const Health& health) {
    ready_ = true;
    told_ = health;
    send(fmt::format("READY=1\nMAINPID={}\nSTATUS={}", pid, text_of(health)));
}

void ServiceManager::stopping(std::uint64_t within_ms, std::uint64_t now) {
    std::string state = "STOPPING=1";
    if (within_ms != kNever)
        state += fmt::format("\nEXTEND_TIMEOUT_USEC={}", (within_ms + kStopMarginMs) * 1000);
    extend_at_ = within_ms == kNever ? now : kNever;
    send(state);
}

void ServiceManager::failed(std::string_view why, int error) {
    std::string state = "STATUS=" + one_line(why);
    if (error != 0) state += fmt::format("\nERRNO={}", error);
    send(state);
}

std::uint64_t ServiceManager::on_turn(const Health& health, std::uint64_t now) {
    if (notify_socket_.empty()) return kNever;
    if (ready_ && text_of(health) != text_of(told_)) {
        send("STATUS=" + text_of(health));
        told_ = health;
    }
    if (now >= extend_at_) {
        send(fmt::format("EXTEND_TIMEOUT_USEC={}", kExtendByMs * 1000));
        extend_at_ = now + kExtendEveryMs;
    }
    switch (watchdog_.on_time(health.serving || health.stopping, now)) {
    case Watchdog::Beat::none: break;
    case Watchdog::Beat::alive: send("WATCHDOG=1"); break;
    case Watchdog::Beat::gives_up:
        log_error("no worker has served for {} s: the service manager gets no more signs of life",
                  kHopelessMs / 1000);
        break;
    }
    return std::min(watchdog_.next_deadline(), extend_at_);
}

std::vector<std::string> ServiceManager::environment() const {
    std::vector<std::string> variables;
    if (!notify_socket_.empty()) variables.push_back("NOTIFY_SOCKET=" + notify_socket_);
    if (watchdog_ms_ != 0)
        variables.push_back(fmt::format("WATCHDOG_USEC={}", watchdog_ms_ * 1000));
    return variables;
}

} // namespace fsrv
