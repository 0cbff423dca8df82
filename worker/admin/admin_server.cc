#include "worker/admin/admin_server.h"

#include "common/check.h"
#include "common/clock.h"
#include "common/control.h"
#include "common/limits.h"
#include "worker/admin/admin_connection.h"
#include "worker/http/date.h"

#include <algorithm>
#include <cerrno>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace fsrv::admin {
namespace {

constexpr unsigned kAcceptBatch = 8;

// Who connects to a loopback address comes from one.
bool is_local(const sockaddr_storage& peer) {
    if (peer.ss_family == AF_INET) {
        const auto& address = reinterpret_cast<const sockaddr_in&>(peer);
        return ntohl(address.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    return peer.ss_family == AF_INET6 &&
           is_loopback(reinterpret_cast<const sockaddr_in6&>(peer).sin6_addr);
}

} // namespace

AdminServer::AdminServer(Heritage heritage, int terminate_fd)
    : heritage_(std::move(heritage)), terminate_fd_(terminate_fd), names_(options().server_names) {}

AdminServer::~AdminServer() {
    FSRV_CHECK(connections_.empty(), "connections outlive their server");
}

int AdminServer::run() {
    start();
    if (!send_control(heritage_.control.get(), {.kind = ControlKind::ready})) end();
    loop_.run();
    return kExitOk;
}

void AdminServer::start() {
    timer_.emplace(loop_).start(0, limits::kTickMs, [this] { on_timer(); });
    // The supervisor has nothing to say to us; what comes is the end of file.
    const auto end_when_readable = [this](loop::Readiness) { end(); };
    control_.emplace(loop_, heritage_.control.get()).start({.readable = true}, end_when_readable);
    terminate_.emplace(loop_, terminate_fd_).start({.readable = true}, end_when_readable);
    for (const int fd : heritage_.admin_sockets)
        listen(*listeners_.emplace_back(std::make_unique<Listener>(loop_, fd)));
}

void AdminServer::listen(Listener& listener) {
    listener.watch.start({.readable = true},
                         [this, &listener](loop::Readiness) { accept(listener); });
}

void AdminServer::accept(Listener& listener) {
    for (unsigned i = 0; i < kAcceptBatch; ++i) {
        sockaddr_storage peer{};
        socklen_t length = sizeof peer;
        const int fd = ::accept4(listener.fd, reinterpret_cast<sockaddr*>(&peer), &length,
                                 SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            // Out of descriptors: the timer tries again, else the waiting queue would spin the
            // loop.
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                listener.watch.stop();
            return;
        }
        if (open_ >= kMaxConnections) make_room();
        ++open_;
        connections_.push_back(std::make_unique<AdminConnection>(*this, fd, is_local(peer)));
        connections_.back()->start();
    }
}

// Who has been here longest goes, one that is not being answered rather than one that is.
void AdminServer::make_room() {
    AdminConnection* oldest = nullptr;
    for (const auto& connection : connections_) {
        if (connection->is_closing()) continue;
        if (oldest == nullptr) oldest = connection.get();
        if (connection->is_waiting()) {
            oldest = connection.get();
            break;
        }
    }
    if (oldest != nullptr) oldest->close();
}

void AdminServer::on_timer() {
    const std::uint64_t now = monotonic_ms();
    heritage_.score->tick_ms.store(now, std::memory_order_relaxed);
    if (now - sampled_ms_ >= kSampleMs - limits::kTickMs / 2) {
        sampled_ms_ = now;
        if (const auto reading = heritage_.scoreboard->read()) sampler_.sample(*reading, now);
    }
    for (auto at = connections_.begin(); at != connections_.end();) {
        AdminConnection& connection = **at++; // it may go
        connection.on_time(now_ms());
    }
    for (const auto& listener : listeners_)
        if (!ending_ && !listener->watch.is_started()) listen(*listener);
}

std::optional<Status> AdminServer::status() {
    const auto reading = heritage_.scoreboard->read();
    if (!reading) return std::nullopt;
    return sampler_.status(*reading, monotonic_ms());
}

std::string_view AdminServer::date() {
    const FileTime now = wall_now();
    if (now.seconds != date_second_) {
        date_second_ = now.seconds;
        date_ = http::format_date(now.seconds).value_or("Thu, 01 Jan 1970 00:00:00 GMT");
    }
    return date_;
}

void AdminServer::destroy(AdminConnection& connection) {
    connections_.remove_if([&](const auto& c) { return c.get() == &connection; });
    if (ending_ && connections_.empty()) cut_the_rest();
}

// Who waits in a queue is the next process's. Who was accepted has until the next tick of the timer
// to get an answer: a question that is on its way already would meet a reset.
void AdminServer::end() {
    if (ending_) return;
    ending_ = true;
    listeners_.clear();
    control_.reset();
    terminate_.reset();
    timer_->start(limits::kTickMs, 0, [this] { cut_the_rest(); });
    for (const auto& connection : connections_) connection->leave();
    if (connections_.empty()) cut_the_rest();
}

void AdminServer::cut_the_rest() {
    for (const auto& connection : connections_) connection->close();
    timer_.reset();
}

} // namespace fsrv::admin
