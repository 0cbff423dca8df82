#include "worker/loop/loop.h"

#include "common/check.h"

#include <algorithm>
#include <utility>
#include <uv.h>

namespace fsrv::loop {

Loop::Loop() : uv_(std::make_unique<uv_loop_t>()) {
    const int error = uv_loop_init(uv_.get());
    FSRV_CHECK(error == 0, "no event loop");
}

Loop::~Loop() {
    FSRV_CHECK(open_ == 0, "timers or watches outlive their loop");
    run();
    const int error = uv_loop_close(uv_.get());
    FSRV_CHECK(error == 0, "handles outlive their loop");
}

std::uint64_t Loop::now_ms() const {
    return uv_now(uv_.get());
}

void Loop::update_time() {
    uv_update_time(uv_.get());
    time_ms_ = now_ms();
}

void Loop::run() {
    uv_run(uv_.get(), UV_RUN_DEFAULT);
}

bool Loop::join(Poller& poller) {
    const bool watched = poller.watch_readable(uv_backend_fd(uv_.get()), *this);
    run_once(); // tells the kernel what to poll
    return watched;
}

void Loop::wait(Poller& poller, bool may_wait) {
    poller.wait(may_wait ? timeout_ms() : 0);
    update_time();
}

void Loop::dispatch(Poller& poller) {
    poller.dispatch();
    if (std::exchange(is_ready_, false) || is_due()) run_once();
}

void Loop::run_once() {
    uv_run(uv_.get(), UV_RUN_NOWAIT);
    time_ms_ = now_ms();
    changed();
}

int Loop::timeout_ms() {
    if (is_due()) return 0;
    if (due_ms_ == kNever) return -1;
    return static_cast<int>(
        std::min<std::uint64_t>(due_ms_ - time_ms_, std::numeric_limits<int>::max()));
}

void Loop::look_at_due() {
    const int timeout_ms = uv_backend_timeout(uv_.get());
    due_ms_ = timeout_ms < 0    ? kNever
              : timeout_ms == 0 ? 0
                                : time_ms_ + static_cast<std::uint64_t>(timeout_ms);
    due_is_known_ = true;
}

} // namespace fsrv::loop
