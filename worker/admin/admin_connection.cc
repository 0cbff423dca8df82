#include "worker/admin/admin_connection.h"

#include "common/check.h"
#include "worker/admin/admin_server.h"
#include "worker/admin/agent.h"
#include "worker/admin/answer.h"
#include "worker/http/response_head.h"

#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace fsrv::admin {
namespace {

constexpr std::uint64_t kHeadMs = 10'000;
constexpr std::uint64_t kIdleMs = 30'000;
constexpr std::uint64_t kWriteMs = 10'000; // for all of an answer: it is small
constexpr std::uint64_t kLingerMs = 2'000;
constexpr std::size_t kMaxLinger = 64 * 1024;
constexpr unsigned kAnswersPerTurn = 8; // of pipelined requests

bool would_block(int error) {
    return error == EAGAIN || error == EINTR;
}

void append_body(std::string& out, const http::Body& body) {
    for (const http::Segment& segment : body.segments) {
        const auto* memory = std::get_if<http::MemoryExtent>(&segment);
        FSRV_CHECK(memory != nullptr, "the admin process serves no files");
        out.append(memory->view());
    }
}

} // namespace

AdminConnection::AdminConnection(AdminServer& server, int fd, bool local)
    : server_(server),
      fd_(fd),
      watch_(server.loop(), fd),
      checks_name_(local),
      parser_({.max_head_bytes = kMaxHead}) {}

AdminConnection::~AdminConnection() {
    FSRV_CHECK(fd_ < 0, "a connection died without close()");
}

void AdminConnection::start() {
    if (!watch_) { // where the kernel has no memory
        state_ = State::closing;
        server_.closed();
        ::close(std::exchange(fd_, -1));
        server_.destroy(*this);
        return;
    }
    enter(State::reading, kHeadMs);
    watch_for({.readable = true});
}

void AdminConnection::enter(State state, std::uint64_t patience_ms) {
    state_ = state;
    due_ms_ = server_.now_ms() + patience_ms;
}

void AdminConnection::watch_for(loop::Readiness wanted) {
    watch_.start(wanted, [this](loop::Readiness what) { on_ready(what); });
}

void AdminConnection::on_ready(loop::Readiness what) {
    if (what.failed) return close();
    if (what.readable && state_ != State::writing) receive();
    if (state_ == State::reading || state_ == State::writing) advance();
}

void AdminConnection::receive() {
    const bool wanted = state_ == State::reading;
    char* const to = wanted ? buffer_.data() + received_ : buffer_.data();
    const std::size_t room = wanted ? buffer_.size() - received_ : buffer_.size();
    if (room == 0) return;
    const ssize_t n = ::recv(fd_, to, room, 0);
    if (n < 0 && would_block(errno)) return;
    if (n <= 0) return close();
    if (!wanted) {
        lingered_ += static_cast<std::size_t>(n);
        if (lingered_ > kMaxLinger) close();
        return;
    }
    if (received_ == 0) enter(State::reading, kHeadMs);
    received_ += static_cast<std::size_t>(n);
}

void AdminConnection::advance() {
    for (unsigned turn = 0; turn < kAnswersPerTurn; ++turn) {
        if (state_ == State::reading && !take_request()) {
            if (state_ == State::reading) watch_for({.readable = true});
            return;
        }
        if (!write_out()) {
            if (state_ == State::writing) watch_for({.writable = true});
            return;
        }
        if (!keep_alive_) return linger();
        enter(State::reading, received_ > 0 ? kHeadMs : kIdleMs);
    }
    watch_for({.readable = true, .writable = true}); // others have their turn
}

bool AdminConnection::take_request() {
    const std::string_view received(buffer_.data(), received_);
    if (received.empty()) return false;
    if (fresh_) {
        switch (agent_word(received)) {
        case AgentWord::maybe: return false;
        case AgentWord::yes:
            out_ = agent_line(server_.status());
            keep_alive_ = false;
            enter(State::writing, kWriteMs);
            return true;
        case AgentWord::no: fresh_ = false;
        }
    }
    const http::HeadResult result = parser_.parse_head(received, request_);
    switch (result.status) {
    case http::HeadStatus::need_more:
        if (received_ < buffer_.size()) return false;
        refuse({.status = 431, .what = "the head is too large"});
        return true;
    case http::HeadStatus::refused: refuse(result.refusal); return true;
    case http::HeadStatus::complete: break;
    }
    const http::Plan plan =
        checks_name_ && !server_.names().answer(request_.host)
            ? http::plan_status(request_, 421,
                                "on a loopback address this page does not answer to that name: see "
                                "--server-name")
            : answer(request_, [this] { return server_.status(); });
    keep_alive_ = request_.keep_alive && !plan.close && !request_.has_body() && !server_.ending();
    answer_with(plan);
    received_ -= result.head_bytes;
    std::memmove(buffer_.data(), buffer_.data() + result.head_bytes, received_);
    parser_.reset();
    request_ = {}; // its views end here
    return true;
}

void AdminConnection::refuse(const http::Refusal& refusal) {
    keep_alive_ = false;
    request_ = {};
    answer_with(http::plan_refusal(refusal, {buffer_.data(), received_}));
}

void AdminConnection::answer_with(const http::Plan& plan) {
    out_.clear();
    http::append_response_head(out_, plan,
                               {.minor_version = request_.minor_version,
                                .keep_alive = keep_alive_,
                                .server_header = server_.options().server_header,
                                .date = server_.date()});
    append_body(out_, plan.body);
    enter(State::writing, kWriteMs);
}

bool AdminConnection::write_out() {
    while (sent_ < out_.size()) {
        const ssize_t n =
            ::send(fd_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return false;
        if (n < 0) {
            close();
            return false;
        }
        sent_ += static_cast<std::size_t>(n);
    }
    out_ = {};
    sent_ = 0;
    return true;
}

// What the client still sends must not turn into a reset that overtakes the answer.
void AdminConnection::linger() {
    if (::shutdown(fd_, SHUT_WR) != 0) return close();
    enter(State::lingering, kLingerMs);
    watch_for({.readable = true});
}

void AdminConnection::on_time(std::uint64_t now_ms) {
    if (state_ != State::closing && now_ms >= due_ms_) close();
}

void AdminConnection::leave() {
    keep_alive_ = false;
    if (state_ == State::reading && !fresh_ && received_ == 0) close();
}

void AdminConnection::close() {
    if (state_ == State::closing) return;
    state_ = State::closing;
    server_.closed();
    watch_.close([this] { server_.destroy(*this); });
    ::close(fd_);
    fd_ = -1;
}

} // namespace fsrv::admin
