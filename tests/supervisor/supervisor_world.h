// The supervisor's loop with a world of its own: processes that are only numbers, a clock that
// stands still, real channels.
#pragma once

#include "common/control.h"
#include "common/limits.h"
#include "supervisor/supervisor.h"

#include <algorithm>
#include <csignal>
#include <deque>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <string>
#include <sys/socket.h>
#include <vector>

namespace fsrv {

class FakeOps final : public ProcessOps {
  public:
    std::uint64_t now_ms() override { return now; }
    Result<pid_t, Errno> spawn(UniqueFd control, const Child&) override {
        spawn_times.push_back(now);
        if (spawn_error != 0) return unexpected(Errno{spawn_error});
        alive[++last_pid] = std::move(control);
        return last_pid;
    }
    Result<pid_t, Errno> start(const Program&) override { return unexpected(Errno{ENOSYS}); }
    std::optional<std::uint64_t> wanted_cpu_ns(pid_t pid) override {
        const auto found = wanted_cpu.find(pid);
        if (found == wanted_cpu.end()) return std::nullopt;
        return found->second;
    }
    void kill(pid_t pid, int signal) override {
        EXPECT_TRUE(alive.contains(pid)) << "a signal to a stranger: " << pid;
        killed.push_back({pid, signal});
        if (signal == SIGKILL && kill_works) end(pid, SIGKILL);
    }
    std::optional<EndedProcess> reap() override {
        if (ended.empty()) return std::nullopt;
        const EndedProcess first = ended.front();
        ended.pop_front();
        return first;
    }
    int next_signal() override {
        if (signals.empty()) return 0;
        const int first = signals.front();
        signals.pop_front();
        return first;
    }
    void wait(std::span<pollfd>, std::uint64_t) override {}

    void end(pid_t pid, int wait_status) {
        alive.erase(pid);
        ended.push_back({.pid = pid, .status = {.wait_status = wait_status}});
    }
    void say(pid_t pid, ControlKind kind) {
        ASSERT_TRUE(send_control(alive.at(pid).get(), {.kind = kind}));
    }
    // What the supervisor told this worker since the last time, in words.
    std::vector<std::string> heard(pid_t pid) {
        std::vector<std::string> words;
        for (;;) {
            Received received = receive_control(alive.at(pid).get());
            if (received.status != ReceiveStatus::message) return words;
            const char* kind = received.message.kind == ControlKind::serve     ? "serve"
                               : received.message.kind == ControlKind::unserve ? "unserve"
                               : received.message.kind == ControlKind::drain   ? "drain"
                               : received.message.kind == ControlKind::retire  ? "retire"
                                                                               : "log_file";
            words.push_back(fmt::format("{} {}", kind, received.message.value));
            if (received.fd) files.push_back(std::move(received.fd));
        }
    }

    std::uint64_t now = 1'000'000;
    int spawn_error = 0;
    bool kill_works = true;
    pid_t last_pid = 1000;
    std::map<pid_t, UniqueFd> alive;
    std::map<pid_t, std::uint64_t> wanted_cpu; // ns
    std::vector<std::uint64_t> spawn_times;
    std::vector<std::pair<pid_t, int>> killed;
    std::deque<EndedProcess> ended;
    std::deque<int> signals;
    std::vector<UniqueFd> files;
};

using Words = std::vector<std::string>;
inline constexpr int exited(int status) {
    return status << 8;
}

class SupervisorTest : public testing::Test {
  protected:
    explicit SupervisorTest(unsigned workers = 3) {
        log_set_level(LogLevel::error); // deaths are these tests' daily bread
        options_.workers = {.least = workers, .most = workers};
        options_.grace = Millis(30'000);
        options_.hang_timeout = Millis(30'000);
        make();
    }
    void make() {
        supervisor_.emplace(
            Supervisor::Setup{
                .config = configuration(),
                .sockets = sockets_,
                .slots = options_.workers.most,
                .load = [this](const Options&) { return Pending<Configuration>(load()); },
                .open_log =
                    [](const std::string& path) {
                        return Pending<UniqueFd>(AccessLogFile::open_again(path));
                    },
                .look_at_tls = look_at_tls_,
                .tickets = &tickets_,
                .clients = &clients_,
                .predecessor = inherited_channel_
                                   ? std::optional<Predecessor>(std::move(inherited_channel_))
                                   : std::nullopt,
                .start_successor = [this] { return start_successor(); },
                .on_handing_over = [this](pid_t to) { handed_to_.push_back(to); },
                .before_taking_over = [this]() -> Result<void, std::string> {
                    if (!obstacle_.empty()) return unexpected(obstacle_);
                    return {};
                },
                .on_started =
                    [this](unsigned ready, unsigned) {
                        started_with_.push_back(ready);
                        return start_works_;
                    },
                .on_reloaded =
                    [this](std::string_view verdict) { verdicts_.emplace_back(verdict); },
                .on_stopping = [this](std::uint64_t ms) { stopping_.push_back(ms); },
                .on_turn = on_turn_},
            ops_);
    }
    Configuration configuration() const {
        Configuration config{.options = options_, .tls = tls_on_disk()};
        if (!access_log_.empty()) config.access_log = std::move(*AccessLogFile::open(access_log_));
        return config;
    }
    Result<Successor, std::string> start_successor() {
        int ends[2] = {-1, -1};
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
            return unexpected(std::string("socketpair"));
        ops_.alive[++ops_.last_pid].reset(ends[1]);
        return Successor(ops_.last_pid, UniqueFd(ends[0]));
    }
    Result<Configuration, std::string> load() {
        ++loads_;
        if (!refusal_.empty()) return unexpected(refusal_);
        return Configuration{.options = fresh_options_.value_or(options_), .tls = tls_on_disk()};
    }
    // A certificate whose content is its stamp.
    std::optional<LoadedTls> tls_on_disk() const {
        if (certificate_.empty()) return std::nullopt;
        LoadedTls tls{.stamp = certificate_};
        tls.material.pairs.push_back({.chain = certificate_,
                                      .name = "cert.pem",
                                      .not_after = not_after_,
                                      .fingerprint = certificate_});
        return tls;
    }
    std::optional<int> turn() { return supervisor_->turn(); }
    std::optional<int> turn_after(std::uint64_t ms) {
        // As the real loop does: never sleeps past a deadline, so that a late turn is a late turn.
        const std::uint64_t target = ops_.now + ms;
        std::optional<int> status;
        while (!status && ops_.now < target) {
            ops_.now = std::max(ops_.now, std::min(target, supervisor_->next_deadline()));
            beat();
            status = turn();
        }
        return status;
    }
    void beat() {
        for (unsigned i = 0; i < options_.workers.most; ++i)
            if (!hanging_.contains(i) && supervisor_->score_of(i) != kNoScore)
                supervisor_->scoreboard().slot(supervisor_->score_of(i)).tick_ms = ops_.now;
    }
    static std::vector<pid_t> pids_of(const Generation& generation) {
        std::vector<pid_t> all;
        for (const Worker& worker : generation.workers)
            if (worker.slot.has_process()) all.push_back(worker.slot.pid());
        return all;
    }
    pid_t pid(unsigned slot) { return supervisor_->slot(slot).pid(); }
    SlotState state(unsigned slot) { return supervisor_->slot(slot).state(); }
    void start() {
        ASSERT_EQ(turn(), std::nullopt);
        for (unsigned i = 0; i < options_.workers.most; ++i) ops_.say(pid(i), ControlKind::ready);
        ASSERT_EQ(turn(), std::nullopt);
        for (unsigned i = 0; i < options_.workers.most; ++i) ops_.heard(pid(i));
    }
    void become_ready(unsigned slot) {
        ops_.say(pid(slot), ControlKind::ready);
        turn();
    }
    void die(unsigned slot, int wait_status = SIGKILL) { ops_.end(pid(slot), wait_status); }
    std::vector<int> signals_to(pid_t pid) const {
        std::vector<int> signals;
        for (const auto& [to, signal] : ops_.killed)
            if (to == pid) signals.push_back(signal);
        return signals;
    }

    Options options_;
    std::optional<Options> fresh_options_; // what a reload finds; none: what there was
    std::string access_log_;               // a path; empty: none
    std::string refusal_;
    std::string certificate_; // that is on disk; empty: TLS is not spoken
    std::int64_t not_after_ = 4'000'000'000;
    unsigned loads_ = 0;
    ListenSockets sockets_;
    FakeOps ops_;
    bool start_works_ = true;
    std::vector<unsigned> started_with_;
    std::vector<std::uint64_t> stopping_;
    std::vector<std::string> verdicts_; // of reloads
    std::function<std::uint64_t(const Health&, std::uint64_t)> on_turn_;
    std::vector<pid_t> handed_to_;
    Renewal::Look look_at_tls_;
    TicketKeys tickets_;
    ClientTable clients_;
    std::string obstacle_;       // to taking over; empty: none
    UniqueFd inherited_channel_; // to a predecessor; none: there is none
    std::set<unsigned> hanging_;
    std::optional<Supervisor> supervisor_;
};

} // namespace fsrv
