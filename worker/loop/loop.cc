#include "worker/loop/loop.h"

#include "common/check.h"

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
}

void Loop::run() {
    uv_run(uv_.get(), UV_RUN_DEFAULT);
}

bool Loop::join(Poller& poller) {
    const bool watched = poller.watch_readable(uv_backend_fd(uv_.get()), *this);
    uv_run(uv_.get(), UV_RUN_NOWAIT); // tells the kernel what to poll
    return watched;
}

void Loop::wait(Poller& poller, bool may_wait) {
    poller.wait(may_wait ? uv_backend_timeout(uv_.get()) : 0);
    update_time();
}

void Loop::dispatch(Poller& poller) {
    poller.dispatch();
    if (std::exchange(is_ready_, false) || uv_backend_timeout(uv_.get()) == 0)
        uv_run(uv_.get(), UV_RUN_NOWAIT);
}

} // namespace fsrv::loop
