// A worker's dealings with its connections: taking them in, turning them away, what they share.
#include "common/limits.h"
#include "common/log.h"
#include "worker/http/date.h"
#include "worker/net/worker.h"

#include <algorithm>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

namespace fsrv::net {

std::string_view Worker::date() {
    if (std::exchange(date_is_new_, true)) return date_;
    const FileTime now = wall_now();
    if (now.seconds != date_second_) {
        date_second_ = now.seconds;
        date_ = http::format_date(now.seconds).value_or("Thu, 01 Jan 1970 00:00:00 GMT");
        date_line_ = fmt::format("Date: {}\r\n\r\n", date_);
    }
    return date_;
}

std::unique_ptr<Exchange> Worker::take_exchange() {
    if (spare_exchanges_.empty()) {
        return std::make_unique<Exchange>(http::ParserLimits{
            .max_head_bytes = static_cast<std::size_t>(options().max_header_size)});
    }
    std::unique_ptr<Exchange> exchange = std::move(spare_exchanges_.back());
    spare_exchanges_.pop_back();
    return exchange;
}

void Worker::give_back(std::unique_ptr<Exchange> exchange) {
    if (exchange->lookup.plan) closer_.let_go(std::move(exchange->lookup.plan->body));
    if (spare_exchanges_.size() >= limits::kMaxSpareExchanges) return;
    exchange->forget();
    spare_exchanges_.push_back(std::move(exchange));
}

void Worker::adopt(int fd, const log::Peer& peer) {
    score().count(Metric::accepted);
    const auto admission = connections_.admit(now_ms());
    if (admission == serve::Connections::Admission::turned_away) {
        turn_away(fd);
        return;
    }
    auto* connection = new Connection(*this, fd, peer, next_id_++);
    connections_.add(*connection, admission, now_ms());
    score().set(Metric::connections, connections_.count());
    connection->start(admission == serve::Connections::Admission::overloaded);
}

// What has come is read, or the close would be a reset, and the answer lost with it.
void Worker::turn_away(int fd) {
    static constexpr std::string_view kAnswer = "HTTP/1.1 503 Service Unavailable\r\n"
                                                "Retry-After: 5\r\n"
                                                "Content-Length: 0\r\n"
                                                "Connection: close\r\n\r\n";
    const auto read_all = [&] {
        while (::recv(fd, scratch_bytes_.data(), scratch_bytes_.size(), MSG_DONTWAIT) > 0) {
        }
    };
    read_all();
    ::send(fd, kAnswer.data(), kAnswer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ::shutdown(fd, SHUT_WR);
    read_all();
    ::close(fd);
    count_close(CloseReason::turned_away);
}

void Worker::make_room_for_listing() {
    const std::uint64_t wanted =
        std::min<std::uint64_t>(limits::kListingRoomBytes, heritage_.budgets.listing_bytes / 4);
    std::uint64_t freed = 0;
    connections_.for_each(State::paused, [&](serve::Member& member) {
        Connection& c = connection_of(member);
        const std::uint64_t bytes = c.transfer()->sender.listing_bytes();
        if (bytes == 0 || freed >= wanted) return;
        c.close(CloseReason::shed_paused);
        c.transfer_.reset(); // its memory now, not at the end of the turn
        freed += bytes;
    });
}

void Worker::tell_of_accept_trouble(int error) {
    if (accept_trouble_ms_ == 0 || now_ms() - accept_trouble_ms_ >= limits::kTroubleReportMs) {
        log_warn("slot={} cannot accept: {}; trying again every {} ms", heritage_.slot,
                 errno_text(error), limits::kAcceptPauseMs);
        accept_trouble_ms_ = now_ms();
    }
}

void Worker::cannot_accept(int error) {
    tell_of_accept_trouble(error);
    accept_.failed(error);
    accept_paused_ = true;
    for (const auto& listener : listeners_) listener->suspend();
}

void Worker::continue_soon(Connection& connection) {
    ready_.push_back(&connection);
}

// As many as there is time for; who comes again meanwhile is behind the others.
void Worker::continue_connections() {
    if (ready_.empty()) return;
    const std::uint64_t end = uv_hrtime() + limits::kTurnsNs;
    do {
        Connection* const next = ready_.front();
        ready_.pop_front();
        next->go_on();
    } while (!ready_.empty() && uv_hrtime() < end);
}

const exchange::CachedFile* Worker::cached(std::string_view key) {
    if (!cache_.on()) return nullptr;
    exchange::CachedFile* const file = cache_.find(key, now_ms());
    score().count(file ? Metric::cache_hits : Metric::cache_misses);
    if (file) {
        date();
        file->set_date(date_second_, date_line_);
    }
    return file;
}

bool Worker::has_name(std::string_view host) {
    if (names_.answer(host)) return true;
    if (name_trouble_ms_ != 0 && now_ms() - name_trouble_ms_ < limits::kTroubleReportMs)
        return false;
    name_trouble_ms_ = now_ms();
    log_warn(
        "421 on a loopback address for the name {}, which a stranger's page could have given "
        "it: if it is this server's, start it with --server-name {}, or with --trusted-proxies "
        "and the address of the proxy that sends it",
        host, host);
    return false;
}

void Worker::count_answer(Asked method, int status, std::uint64_t started_ms) {
    score().count(Metric::requests, method, class_of_status(status));
    // The loop's clock may be behind by the length of a turn.
    score().observe(Metric::request_duration, now_ms() > started_ms ? now_ms() - started_ms : 0);
}

void Worker::count_close(CloseReason reason) {
    score().count(Metric::closed, to_label(reason));
}

void Worker::bury(Connection& connection) {
    connection.drop_exchange();
    connections_.bury(connection);
    score().set(Metric::connections, connections_.count());
}

} // namespace fsrv::net
