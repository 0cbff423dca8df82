// One client of the admin process: a request, its answer, the next request. The lexical check and
// the parser are those of the workers; bodies are not read, they end the connection. An agent's
// word instead of a request gets its line and a close.
//
// Owned by the server; close() is the only way down and idempotent, the object dies when that
// iteration of the loop ends.
#pragma once

#include "worker/http/parser.h"
#include "worker/http/plan.h"
#include "worker/http/request.h"
#include "worker/loop/watch.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace fsrv::admin {

class AdminServer;

class AdminConnection final {
  public:
    // `local`: of a loopback address, where a stranger's page may have led a browser.
    AdminConnection(AdminServer& server, int fd, bool local);
    AdminConnection(const AdminConnection&) = delete;
    AdminConnection& operator=(const AdminConnection&) = delete;
    ~AdminConnection();

    void start();
    void close();
    void leave(); // the process ends: its last answer, if it has had none
    void on_time(std::uint64_t now_ms);
    bool is_closing() const { return state_ == State::closing; }
    bool is_waiting() const { return state_ == State::reading || state_ == State::lingering; }

  private:
    enum class State { reading, writing, lingering, closing };
    static constexpr std::size_t kMaxHead = 8 * 1024;

    void watch_for(loop::Readiness wanted);
    void on_ready(loop::Readiness what);
    void receive();
    void advance();
    bool take_request(); // true: there is an answer to write
    void answer_with(const http::Plan& plan);
    void refuse(const http::Refusal& refusal);
    bool write_out(); // true: all of it
    void linger();
    void enter(State state, std::uint64_t patience_ms);

    AdminServer& server_;
    int fd_;
    loop::Watch watch_;
    bool checks_name_;
    State state_ = State::reading;
    std::uint64_t due_ms_ = 0;
    bool fresh_ = true; // nothing was answered yet
    bool keep_alive_ = true;
    std::size_t received_ = 0;
    std::size_t lingered_ = 0;
    std::array<char, kMaxHead + 64> buffer_;
    http::RequestParser parser_;
    http::Request request_;
    std::string out_;
    std::size_t sent_ = 0;
};

} // namespace fsrv::admin
