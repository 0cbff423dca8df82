// The asking end of the control socket: one question, one verdict, no waiting.
#pragma once

#include "common/result.h"
#include "common/unique_fd.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <sys/un.h>

namespace fsrv {

struct CtlReply {
    bool good = false;
    std::string text; // for a person
    UniqueFd fd;      // that came along
};

class CtlCall final {
  public:
    static Result<CtlCall, Errno> ask(const sockaddr_un& server, std::string_view command);

    int fd() const { return socket_.get(); } // readable: receive() has news
    // Nothing: no verdict yet. An error (ECONNRESET when the server hung up): there will be none.
    Result<std::optional<CtlReply>, Errno> receive();

  private:
    explicit CtlCall(UniqueFd socket) : socket_(std::move(socket)) {}
    UniqueFd socket_;
};

using CtlAsk = std::function<Result<CtlCall, Errno>()>; // always the same question

// The verdict of the server with a descriptor, which stays the caller's; -1: none. Never waits.
void send_ctl_reply(int socket, bool good, std::string_view text, int fd = -1);

} // namespace fsrv
