// Where the admin process listens (--admin): bound by the supervisor once, so that it outlives the
// process.
#pragma once

#include "common/result.h"
#include "common/unique_fd.h"
#include "supervisor/start_error.h"
#include "supervisor/unix_listener.h"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace fsrv {

class AdminListener final {
  public:
    // ADDR:PORT, [ADDR]:PORT or unix:PATH. Looks at the text alone.
    static Result<void, StartError> check(const std::string& where);

    // A name with several addresses is bound on all that this machine has. A Unix socket has mode
    // 0660.
    static Result<AdminListener, StartError> open(const std::string& where);

    std::span<const int> fds() const { return fds_; }
    const std::string& url() const { return url_; } // "http://127.0.0.1:9090/", "unix:/run/x"

    void stop_listening();

  private:
    Result<void, StartError> open_tcp(const std::string& where);

    std::vector<UniqueFd> sockets_;
    std::optional<UnixListener> unix_;
    std::vector<int> fds_; // borrowed
    std::string url_;
};

} // namespace fsrv
