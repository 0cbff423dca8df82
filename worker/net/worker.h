// Worker: owns the loop, the listeners, Connections and what they share; ticks, obeys the
// supervisor, drains. One per process, made after fork, used by one thread.
#pragma once

#include "common/ability.h"
#include "common/heritage.h"
#include "common/limits.h"
#include "worker/content/mounts.h"
#include "worker/content/store.h"
#include "worker/disk/chunk_pool.h"
#include "worker/disk/file_closer.h"
#include "worker/http/server_names.h"
#include "worker/log/access_log.h"
#include "worker/log/log_writer.h"
#include "worker/loop/loop.h"
#include "worker/loop/poller.h"
#include "worker/loop/timer.h"
#include "worker/loop/watch.h"
#include "worker/net/connection.h"
#include "worker/net/listener.h"
#include "worker/net/transfer_board.h"
#include "worker/serve/connections.h"

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace fsrv::net {

// What a worker has to learn of its system before it locks itself in.
struct Surroundings {
    content::Mounts mounts;
    std::uint64_t most_queued_bytes = limits::kAssumedQueues; // queue_bound.h
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

    // --- for connections and listeners
    // -----------------------------------------------------------------
    loop::Poller& poller() { return poller_; }
    const Options& options() const { return *heritage_.options; }
    const http::PlanConfig& plan_config() const { return plan_config_; }
    const SenderContext& sender_context() const { return sender_context_; }
    disk::Pool& pool() { return pool_; }
    const exchange::LookupServices& lookup_services() const { return lookup_services_; }
    disk::FileCloser& closer() { return closer_; }
    const exchange::CachedFile* cached(std::string_view key); // http::cache_key()
    void keep(std::unique_ptr<exchange::CachedFile> file) {
        cache_.insert(std::move(file), now_ms());
    }
    void shrink_cache() { cache_.shrink(); }
    void make_room_for_listing(); // at the expense of those that nobody takes
    bool draining() const { return draining_; }
    bool stop_is_near() const {
        return server_stops() || heritage_.stop_announced;
    } // for /-/health
    bool server_stops() const { return draining_ && !retiring_; }
    std::uint64_t now_ms() const { return loop_.now_ms(); } // the loop's, monotonic
    std::string_view date();                                // IMF-fixdate of this turn
    std::array<char, 64 * 1024>& scratch_bytes() {
        return scratch_bytes_;
    } // for bytes that nobody wants

    std::unique_ptr<Exchange> take_exchange();
    void give_back(std::unique_ptr<Exchange> exchange);

    void adopt(int fd,
               const log::Peer&
                   peer); // a new connection; sheds others, or refuses it, when there are too many
    // False: no name of this server's, on a loopback address; told in the log now and then.
    bool has_name(std::string_view host);
    bool has_any_name() const { return names_.any(); }
    bool accepting() const { return !draining_ && accept_.is_there(); }
    void cannot_accept(int error); // out of descriptors or memory: pauses accepting
    void tell_of_accept_trouble(int error);

    // Of limits::kMaxSwift, for downloads whose queue in the kernel may grow. False: all are taken.
    bool take_swift_place() {
        if (swift_places_ >= limits::kMaxSwift) return false;
        ++swift_places_;
        return true;
    }
    void give_back_swift_place() { --swift_places_; }

    serve::Connections& connections() { return connections_; }
    void touched(Connection& connection) { connections_.touch(connection, now_ms()); }
    void continue_soon(Connection& connection); // go_on() in the next turn of the loop
    ScoreSlot& score() { return *heritage_.score; }
    void count_answer(Asked method, int status, std::uint64_t started_ms);
    void count_close(CloseReason reason);
    bool logs_access() const { return log_ != nullptr; }
    void log_line(const log::LogFields& fields, const log::LogOutcome& outcome) {
        log_->push(log_lines_.line(fields, outcome));
    }
    void bury(Connection& connection); // at the end of the turn

  private:
    static Connection& connection_of(serve::Member& member) {
        return static_cast<Connection&>(member); // it made all of them
    }
    void turn();
    void start_handles();
    void close_handles();
    void on_control();
    void on_timer();
    void on_turn_end();
    void continue_connections();
    serve::Deadlines deadlines() const;
    void serve_slot(unsigned slot, bool on);
    void turn_away(int fd); // with a 503 that costs nothing
    void report_log_trouble();
    void publish_figures();
    void drain_within_grace();
    void cut_the_rest();
    void leave(std::uint64_t within_ms);
    void finish_if_drained();
    void tell_of_device(dev_t device, bool ill) const;

    Heritage heritage_;
    const content::LocalStore& store_;
    http::PlanConfig plan_config_;
    loop::Loop loop_;
    loop::Poller poller_;
    disk::Pool pool_;
    PoolWaker pool_waker_{pool_};
    disk::FileCloser closer_{pool_};
    disk::ChunkPool chunks_;
    disk::PageCache page_cache_;
    wire::PageLender lender_;
    http::ServerNames names_;
    std::uint64_t name_trouble_ms_ = 0; // told last
    content::Mounts mounts_;
    exchange::FileCache cache_;
    exchange::LookupServices lookup_services_{.store = store_,
                                              .mounts = mounts_,
                                              .pool = pool_,
                                              .cache = cache_,
                                              .plan_config = plan_config_,
                                              .io = options().io,
                                              .server_header = options().server_header};
    SenderContext sender_context_;
    TransferBoard transfer_board_;
    log::LogLines log_lines_;
    std::unique_ptr<log::LogWriter> log_;
    std::vector<std::unique_ptr<Listener>> listeners_;
    // From run() until it has finished.
    std::optional<loop::Timer> timer_;
    std::optional<loop::Watch> control_;
    std::optional<loop::Watch> mount_changes_; // only if mounts_ has something to watch
    std::optional<loop::Watch> terminate_;

    serve::Connections connections_;
    std::deque<Connection*> ready_;
    std::vector<std::unique_ptr<Exchange>> spare_exchanges_;
    std::size_t swift_places_ = 0; // that are taken
    std::uint64_t next_id_ = 1;
    std::uint64_t timer_due_ms_ = 0;

    Ability accept_; // accept(2), and to watch for its turn
    bool accept_paused_ = false;
    std::uint64_t accept_trouble_ms_ = 0; // told last
    std::uint64_t log_report_ms_ = 0;
    log::LogTrouble log_trouble_; // not reported yet

    bool draining_ = false;
    bool retiring_ = false; // draining, because others have taken over
    bool finished_ = false;
    std::uint64_t drain_deadline_ms_ = 0; // 0: none
    bool date_is_new_ = false;            // of this turn
    std::int64_t date_second_ = -1;
    std::string date_;
    std::string date_line_; // as kept heads end
    std::array<char, 64 * 1024> scratch_bytes_;
};

} // namespace fsrv::net
