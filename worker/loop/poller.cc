#include "worker/loop/poller.h"

#include "common/quick_calls.h"

#include <algorithm>

namespace fsrv::loop {
namespace {

constexpr std::uint32_t kEdges = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

} // namespace

bool Poller::watch_edges(int fd, PollTarget& target) {
    return control(EPOLL_CTL_ADD, fd, kEdges, target);
}

bool Poller::watch_readable(int fd, PollTarget& target) {
    return control(EPOLL_CTL_ADD, fd, EPOLLIN, target);
}

bool Poller::watch_shared(int fd, PollTarget& target) {
    return control(EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLEXCLUSIVE, target);
}

void Poller::remove(int fd) {
    ::epoll_ctl(set_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void Poller::tell_again(int fd, PollTarget& target) {
    control(EPOLL_CTL_MOD, fd, kEdges, target);
}

bool Poller::control(int operation, int fd, std::uint32_t events, PollTarget& target) {
    epoll_event event{.events = events, .data = {.ptr = &target}};
    return ::epoll_ctl(set_.get(), operation, fd, &event) == 0;
}

void Poller::wait(int timeout_ms) {
    const int n = quick_epoll_wait(set_.get(), events_.data(), static_cast<int>(events_.size()),
                                   timeout_ms); // a signal is as good as an event
    come_ = std::span<const epoll_event>(events_).first(static_cast<std::size_t>(std::max(n, 0)));
}

void Poller::dispatch() {
    for (const epoll_event& event : come_)
        static_cast<PollTarget*>(event.data.ptr)->on_ready(event.events);
    come_ = {};
}

} // namespace fsrv::loop
