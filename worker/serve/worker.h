// Worker: the worker as a whole: owns the loop, the door, the connections and what they share;
// ticks, obeys the supervisor, drains. One per process, made after fork, used by one thread.
#pragma once

#include "common/heritage.h"
#include "common/limits.h"
#include "worker/content/mounts.h"
#include "worker/content/store.h"
#include "worker/disk/chunk_pool.h"
#include "worker/disk/file_closer.h"
#include "worker/exchange/exchange.h"
#include "worker/exchange/iteration.h"
#include "worker/exchange/name_check.h"
#include "worker/log/log_writer.h"
#include "worker/loop/loop.h"
#include "worker/loop/poller.h"
#include "worker/loop/timer.h"
#include "worker/loop/watch.h"
#include "worker/serve/door.h"
#include "worker/serve/transfer_board.h"
#include "worker/session/services.h"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

namespace fsrv::serve {

// What a worker has to learn of its system before it locks itself in.
struct Surroundings {
    content::Mounts mounts;
    std::uint64_t most_queued_bytes = limits::kAssumedQueues; // queue_bound.h
    std::unique_ptr<wire::TlsContext> tls;                    // none: TCP is clear
};

class Worker final {
    // Told that jobs of the pool are over.
    struct PoolWaker final : loop::PollTarget {
        explicit PoolWaker(disk::Pool& its_pool) : pool(its_pool) {}
        void on_ready(std::uint32_t) override { pool.dispatch(); }
        disk::Pool& pool;
    };

  public:
    Worker(Heritage heritage, const content::LocalStore& store, Surroundings surroundings);
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    // Serves until drained; the exit status.
    int run();

    // For SIGTERM and the supervisor's death, from the loop.
    void drain(std::uint64_t within_ms); // 0: without a limit
    // The same while others go on with the sockets: who waits in a queue is left to them, and the
    // server as a whole is well.
    void retire(std::uint64_t within_ms);

  private:
    void iterate();
    void start_handles();
    void close_handles();
    void on_control();
    void on_timer();
    void on_iteration_end();
    void wake_throttled();
    session::Deadlines deadlines() const;
    void report_log_trouble();
    void publish_figures();
    void drain_within_grace();
    void cut_the_rest();
    void leave(std::uint64_t within_ms);
    void finish_if_drained();
    void tell_of_device(dev_t device, bool ill) const;
    const Options& options() const { return *heritage_.options; }
    std::uint64_t now_ms() const { return iteration_.now_ms(); }
    ScoreSlot& score() { return *heritage_.score; }

    Heritage heritage_;
    const content::LocalStore& store_;
    http::PlanConfig plan_config_;
    loop::Loop loop_;
    loop::Poller poller_;
    exchange::Iteration iteration_;
    exchange::Ending ending_;
    disk::Pool pool_;
    PoolWaker pool_waker_{pool_};
    disk::FileCloser closer_{pool_};
    disk::ChunkPool chunks_;
    disk::PageCache page_cache_;
    exchange::LentPlaces lent_places_;
    wire::PageLender lender_;
    std::unique_ptr<wire::TlsContext> tls_;
    exchange::NameCheck names_;
    content::Mounts mounts_;
    exchange::FileCache cache_;
    exchange::Codings codings_;
    exchange::Digests digests_;
    std::unique_ptr<log::LogWriter> log_;
    std::optional<exchange::ClientLimits> client_limits_; // none: nobody is limited
    session::Connections connections_;
    exchange::Followers followers_;
    session::Turns turns_;
    session::SpareInquiries inquiries_;
    session::SwiftPlaces swift_places_;
    std::string http2_out_;
    http::SplitHeads split_heads_;
    std::array<char, 64 * 1024> scratch_;
    // With rules by path alone.
    std::optional<access::Site> site_;
    std::optional<exchange::Gate> gate_;
    exchange::ExchangeServices exchanges_;
    session::SessionServices sessions_;
    Door door_;
    TransferBoard transfer_board_;
    // From run() until it has finished.
    std::optional<loop::Timer> timer_;
    std::optional<loop::Timer> throttle_timer_;
    std::optional<loop::Watch> control_;
    std::optional<loop::Watch> mount_changes_; // only if mounts_ has something to watch
    std::optional<loop::Watch> terminate_;

    std::uint64_t timer_due_ms_ = 0;
    std::uint64_t throttle_due_ms_ = exchange::Throttle::kNever; // throttle_timer_ is set to it
    std::uint64_t ticked_ms_ = 0;                                // connections, last
    std::uint64_t log_report_ms_ = 0;
    log::LogTrouble log_trouble_; // not reported yet
    bool finished_ = false;
    std::uint64_t drain_deadline_ms_ = 0; // 0: none
};

} // namespace fsrv::serve
