#include "supervisor/spawner.h"

#include "common/cgroup.h"
#include "common/control.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/open_files.h"
#include "supervisor/start/memory_budgets.h"
#include "supervisor/task_limit.h"

#include <utility>

namespace fsrv {

void Spawner::spawn_worker(Generation& generation, unsigned index, const CloseOthers& close_others,
                           std::uint64_t now) {
    Worker& worker = generation.workers[index];
    const auto score = setup_.scoreboard.take();
    worker.score = score.value_or(kNoScore);
    if (score) take_seat(generation.config.options, *score);
    Result<ControlPair, Errno> channel = unexpected(Errno{EAGAIN});
    if (score) channel = open_control_pair();
    Result<pid_t, Errno> pid = unexpected(channel ? Errno{} : channel.error());
    if (channel) {
        // Before the fork, so that the child closes it like the others.
        worker.control = std::move(channel->supervisor);
        pid = setup_.ops.spawn(std::move(channel->worker), [&](UniqueFd control) {
            close_others();
            return run_worker(generation, index, std::move(control));
        });
    }
    if (!pid) {
        if (score) free_places(*score);
        worker.score = kNoScore;
        worker.control.reset();
        worker.slot.on_spawn_failed(now);
        if (score && pid.error().code == EAGAIN) tell_task_limit(generation.config.options, now);
        log_warn("slot={} cannot start a worker: {}; the next attempt is in {} ms", index,
                 errno_text(pid.error().code), worker.slot.next_deadline() - now);
        return;
    }
    worker.useless = 0;
    worker.core_use = {};
    worker.has_left = false;
    const std::uint64_t tick =
        setup_.scoreboard.slot(*score).tick_ms.load(std::memory_order_relaxed);
    worker.slot.on_spawned(*pid, tick, now);
    log_debug("slot={} worker {} started", index, *pid);
}

void Spawner::take_seat(const Options& options, unsigned score) {
    if (setup_.clients == nullptr || !options.counts_clients()) return;
    setup_.clients->open();
    if (const auto seat = setup_.clients->claim_seat())
        seats_[score] = *seat;
    else
        log_warn("a worker counts no clients: {} others do already", limits::kClientSeats);
}

void Spawner::free_places(unsigned score) {
    setup_.scoreboard.retire(score);
    if (const auto seat = seats_.extract(score)) setup_.clients->clear_seat(seat.mapped());
}

// Memory is a copy of the supervisor's.
int Spawner::run_worker(Generation& generation, unsigned index, UniqueFd control) const {
    const unsigned score = generation.workers[index].score;
    setup_.scoreboard.keep_only(score);
    if (setup_.admin != nullptr) setup_.admin->forget();
    Configuration& config = generation.config;
    log_set_level(config.options.log_level); // ours is the one of the generation that serves
    if (config.tls && setup_.tickets != nullptr) {
        setup_.tickets->keep_read_only();
        config.tls->material.tickets = setup_.tickets->ring();
    } else if (setup_.tickets != nullptr) {
        setup_.tickets->forget();
    }
    const bool counts_clients = setup_.clients != nullptr && config.options.counts_clients();
    if (counts_clients) {
        const auto seat = seats_.find(score);
        setup_.clients->sit_down(seat == seats_.end() ? std::nullopt : std::optional(seat->second));
    } else if (setup_.clients != nullptr) {
        setup_.clients->forget();
    }
    Heritage heritage{.slot = index,
                      .supervisor_pid = supervisor_pid_,
                      .options = &config.options,
                      .sockets = setup_.sockets.sockets(),
                      .root_fd = config.root.fd.get(),
                      .root_path = config.root.path,
                      .control = std::move(control),
                      .access_log = config.access_log.take(),
                      .credentials = config.credentials,
                      .tls = config.tls ? &config.tls->material : nullptr,
                      .access = &config.access.material,
                      .clients = counts_clients ? setup_.clients : nullptr,
                      .score = &setup_.scoreboard.slot(score),
                      .generation = generation.number,
                      .rules_since = &setup_.scoreboard.rules_since(),
                      .stop_announced = &setup_.scoreboard.stop_announced(),
                      .budgets = memory_budgets(config.options, own_cgroup_limits().memory)};
    heritage.budgets.open_files = open_files_limit().soft;
    return setup_.worker_main(std::move(heritage));
}

int Spawner::run_admin(Generation& current, UniqueFd control, unsigned score) const {
    setup_.scoreboard.keep_only(score);
    Configuration& config = current.config;
    config.access_log.take().reset();
    config.tls.reset(); // it speaks none
    config.access = {};
    if (setup_.tickets != nullptr) setup_.tickets->forget();
    if (setup_.clients != nullptr) setup_.clients->forget();
    Heritage heritage{.admin = true,
                      .supervisor_pid = supervisor_pid_,
                      .options = &config.options,
                      .sockets = setup_.sockets.sockets(),
                      .root_fd = config.root.fd.get(),
                      .control = std::move(control),
                      .credentials = config.credentials,
                      .score = &setup_.scoreboard.slot(score),
                      .scoreboard = &setup_.scoreboard,
                      .admin_sockets = setup_.admin->fds()};
    return setup_.worker_main(std::move(heritage));
}

void Spawner::tell_task_limit(const Options& options, std::uint64_t now) {
    if (tasks_told_at_ != kNever && now < tasks_told_at_ + limits::kTroubleReportMs) return;
    tasks_told_at_ = now;
    log_error("no worker can start: {}", task_limit_text(task_limits(), options));
}

} // namespace fsrv
