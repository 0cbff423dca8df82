// Poller: tells which sockets are ready. An epoll set of the worker's own, in which the loop of
// libuv is but one descriptor: what comes from clients costs no look at libuv's table, connections
// hold no handle of it, and most of them are watched edge by edge, so that the kernel looks at each
// once for an event and not twice.
//
// Edge-triggered: an event says that something has come (data, an end, room to send), once. So
// whoever is told keeps it in mind until a receive or send has found nothing more: one that got
// fewer bytes than it asked for has.
//
// Thread: the loop's.
#pragma once

#include "common/unique_fd.h"

#include <array>
#include <cstdint>
#include <span>
#include <sys/epoll.h>

namespace fsrv::loop {

class PollTarget {
  public:
    virtual void on_ready(std::uint32_t events) = 0; // of epoll(7)

  protected:
    ~PollTarget() = default;
};

class Poller final {
  public:
    // Events of the descriptor go to the target until remove() or close(2), the latter only for
    // descriptors that no other process holds. Targets live on until the end of the dispatch() in
    // which they go. False: the kernel has no room for one more.
    bool watch_edges(int fd, PollTarget& target);    // of both directions, and of errors
    bool watch_readable(int fd, PollTarget& target); // as long as it is, not by edges
    // The same of one that other processes watch too: one of them is woken, not all.
    bool watch_shared(int fd, PollTarget& target);
    void remove(int fd);
    // Tells anew what is ready now.
    void tell_again(int fd, PollTarget& target);

    // Waits for events, at most `timeout_ms` (-1: without an end).
    void wait(int timeout_ms);
    // Hands out those that have come.
    void dispatch();

  private:
    static constexpr std::size_t kMostEvents = 256; // taken at a time

    bool control(int operation, int fd, std::uint32_t events, PollTarget& target);

    UniqueFd set_{::epoll_create1(EPOLL_CLOEXEC)};
    std::array<epoll_event, kMostEvents> events_;
    std::span<const epoll_event> come_;
};

} // namespace fsrv::loop
