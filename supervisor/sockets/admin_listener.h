// Where the admin process listens (--admin): bound by the supervisor once, so that it outlives the
// process.
#pragma once

#include "common/result.h"
#include "common/unique_fd.h"
#include "supervisor/sockets/unix_listener.h"
#include "supervisor/start_error.h"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace fsrv {

class AdminListener final {
  public:
    // Of a Unix socket; an address is tried by open() alone.
    static Result<void, StartError> check(const std::string& where);

    // `where` as the option has it, not empty. A name with several addresses is bound on all that
    // this machine has. A Unix socket has mode 0660. Those of a predecessor that listen there
    // already are taken over; they are its own until own().
    static Result<AdminListener, StartError> open(const std::string& where,
                                                  std::vector<UniqueFd> inherited = {});

    AdminListener() = default;
    AdminListener(AdminListener&&) noexcept = default;
    AdminListener& operator=(AdminListener&&) noexcept = default;
    ~AdminListener(); // closes, and removes the Unix socket's file unless it is a predecessor's

    std::span<const int> fds() const { return fds_; }
    const std::string& url() const { return url_; } // "http://127.0.0.1:9090/", "unix:/run/x"

    void stop_listening();
    void own() { is_ours_ = true; }
    void forget(); // closes this process's copies: somebody else goes on

  private:
    Result<void, StartError> open_tcp(const std::string& where, std::vector<UniqueFd> inherited);

    std::vector<UniqueFd> sockets_;
    std::optional<UnixListener> unix_;
    std::vector<int> fds_; // borrowed
    std::string url_;
    bool is_ours_ = true;
};

} // namespace fsrv
