// A worker's dealings with its connections: taking them in, making room, their lists and deadlines,
// what they share.
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
    if (exchange->plan) closer_.let_go(std::move(exchange->plan->body));
    if (spare_exchanges_.size() >= limits::kMaxSpareExchanges) return;
    exchange->forget();
    spare_exchanges_.push_back(std::move(exchange));
}

void Worker::adopt(int fd, const log::Peer& peer) {
    score().count(Metric::accepted);
    const std::size_t most_lingering =
        std::max(max_connections_ / limits::kLingeringShare, limits::kLeastLingering);
    if (list_size(State::lingering) > most_lingering)
        list(State::lingering).front()->close(CloseReason::done);
    const bool overloaded = live_connections() >= max_connections_ && !make_room();
    if (overloaded && overload_answers_ >= limits::kMaxOverloadAnswers) {
        turn_away(fd);
        return;
    }
    auto* connection = new Connection(*this, fd, peer, next_id_++);
    ++connections_;
    list(State::accepted).push_back(*connection);
    score().set(Metric::connections, connections_);
    if (overloaded) ++overload_answers_;
    connection->start(overloaded);
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

// Who has the least to lose goes first: silent, idle, gone from a disk that does not answer,
// paused, waiting for such a disk; of each the one that has been so the longest.
bool Worker::make_room() {
    const auto first_that = [this](State state, auto makes_room) {
        Connection* c = list(state).front();
        for (unsigned looks = 0; c && looks < limits::kShedLooks; ++looks) {
            Connection* const following = List::next(*c);
            if (makes_room(*c)) return true;
            c = following;
        }
        return false;
    };
    const auto is_old = [this](const Connection& c) {
        return now_ms() - c.since_ms() >= limits::kShedAfterMs;
    };
    return first_that(
               State::accepted,
               [&](Connection& c) { return is_old(c) && c.leave(CloseReason::shed_silent); }) ||
           first_that(State::idle, [](Connection& c) { return c.leave(CloseReason::shed_idle); }) ||
           first_that(State::preparing,
                      [](Connection& c) {
                          if (!c.is_deserted()) return false;
                          c.close(CloseReason::client_aborted);
                          return true;
                      }) ||
           first_that(State::paused,
                      [](Connection& c) {
                          c.close(CloseReason::shed_paused);
                          return true;
                      }) ||
           first_that(State::preparing, [&](Connection& c) {
               if (!is_old(c)) return false;
               c.refuse_look_up("the server is full, try again later", false);
               return true;
           });
}

namespace {

// Nobody waits for what it finds.
struct Probe final : disk::Job {
    Probe(const content::LocalStore& its_store, http::Target its_target, content::Reach its_reach)
        : store(its_store), target(std::move(its_target)), reach(std::move(its_reach)) {}
    void run() override { static_cast<void>(store.find(target, {.may_list = false}, reach)); }
    void on_done() override { delete this; }
    void on_ill() override {}
    void on_orphaned() override { delete this; }

    const content::LocalStore& store;
    http::Target target;
    content::Reach reach;
};

} // namespace

void Worker::probe(const http::Target& target, dev_t device) {
    content::Reach reach = reach_for(target);
    reach.device = device;
    pool_.probe(*new Probe(store_, target, std::move(reach)), device);
}

void Worker::make_room_for_listing() {
    const std::uint64_t wanted =
        std::min<std::uint64_t>(limits::kListingRoomBytes, heritage_.budgets.listing_bytes / 4);
    std::uint64_t freed = 0;
    for (Connection* c = list(State::paused).front(); c && freed < wanted;) {
        Connection* following = List::next(*c);
        if (const std::uint64_t bytes = c->transfer()->sender.listing_bytes(); bytes > 0) {
            c->close(CloseReason::shed_paused);
            c->transfer_.reset(); // its memory now, not at the end of the turn
            freed += bytes;
        }
        c = following;
    }
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

void Worker::moved(Connection& connection, State from, State to) {
    list(from).remove(connection);
    list(to).push_back(connection);
}

void Worker::touched(Connection& connection) {
    if (connection.since_ms_ == now_ms()) return;
    connection.since_ms_ = now_ms();
    List& own = list(connection.state_);
    own.remove(connection);
    own.push_back(connection);
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

void Worker::sweep(State state, std::uint64_t timeout_ms) {
    const std::uint64_t now = now_ms();
    for (Connection* c = list(state).front(); c && now - c->since_ms() >= timeout_ms;) {
        Connection* following = List::next(*c);
        c->on_deadline();
        c = following;
    }
}

const CachedFile* Worker::cached(std::string_view key) {
    if (!cache_.on()) return nullptr;
    CachedFile* const file = cache_.find(key, now_ms());
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
    list(State::closing).remove(connection);
    connection.drop_exchange();
    if (connection.overloaded_) --overload_answers_;
    dead_.emplace_back(&connection);
    --connections_;
    score().set(Metric::connections, connections_);
}

} // namespace fsrv::net
