// sd_notify(3) by hand: tells the service manager how the start and the stop are going.
#pragma once

#include <string>
#include <string_view>

namespace fsrv {

class Notifier final {
  public:
    // From the value of NOTIFY_SOCKET: a path, or "@name" for an abstract socket. Null or empty:
    // nobody listens, and every send() does nothing. A bad value is logged once, and likewise.
    explicit Notifier(const char* socket_name);

    // One datagram of "NAME=value" lines. Never blocks; a failure is logged once.
    void send(std::string_view state);

  private:
    std::string address_; // as in sockaddr_un; empty: none
    bool complained_ = false;
};

} // namespace fsrv
