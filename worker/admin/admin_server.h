// The admin process's loop: accepts, samples the scoreboard, ticks, sweeps deadlines, ends. Few
// connections, small answers, nothing that waits for a disk. Hostile clients cost at most
// kMaxConnections times a head and an answer.
#pragma once

#include "common/figures/sampler.h"
#include "common/figures/status.h"
#include "common/heritage.h"
#include "worker/admin/shown_name.h"
#include "worker/http/server_names.h"
#include "worker/loop/loop.h"
#include "worker/loop/timer.h"
#include "worker/loop/watch.h"

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fsrv::admin {

inline constexpr std::size_t kMaxConnections = 64;

class AdminConnection;

class AdminServer final {
  public:
    AdminServer(Heritage heritage, int terminate_fd);
    AdminServer(const AdminServer&) = delete;
    AdminServer& operator=(const AdminServer&) = delete;
    ~AdminServer();

    int run(); // the exit status

    // --- for connections
    loop::Loop& loop() { return loop_; }
    std::uint64_t now_ms() const { return loop_.now_ms(); }
    const Options& options() const { return *heritage_.options; }
    bool ending() const { return ending_; } // answers are the last of their connections
    std::optional<Status> status();
    http::ServerNames& names() { return names_; }
    std::string_view date();   // IMF-fixdate of now
    void closed() { --open_; } // a connection, which is destroyed later
    void destroy(AdminConnection& connection);

  private:
    struct Listener {
        Listener(loop::Loop& loop, int its_fd) : fd(its_fd), watch(loop, its_fd) {}
        int fd;
        loop::Watch watch;
    };

    void start();
    void listen(Listener& listener);
    void accept(Listener& listener);
    void make_room();
    void on_timer();
    void end();
    void cut_the_rest();

    Heritage heritage_;
    loop::Loop loop_;
    // Until it ends; the timer somewhat longer.
    std::optional<loop::Timer> timer_;
    std::optional<loop::Watch> control_;
    std::optional<loop::Watch> terminate_;
    int terminate_fd_;
    http::ServerNames names_;
    std::vector<std::unique_ptr<Listener>> listeners_;
    std::list<std::unique_ptr<AdminConnection>> connections_; // closing ones too
    std::size_t open_ = 0;
    Sampler sampler_{shown_name};
    std::uint64_t sampled_ms_ = 0;
    std::string date_;
    std::int64_t date_second_ = -1;
    bool ending_ = false;
};

} // namespace fsrv::admin
