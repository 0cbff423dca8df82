#include "worker/loop/watch.h"

#include "common/check.h"

#include <memory>
#include <utility>
#include <uv.h>

namespace fsrv::loop {
namespace {

int uv_events(Readiness wanted) {
    return (wanted.readable ? UV_READABLE : 0) | (wanted.writable ? UV_WRITABLE : 0) |
           (wanted.exceptional ? UV_PRIORITIZED : 0);
}

Readiness readiness(int status, int events) {
    return {.readable = (events & UV_READABLE) != 0,
            .writable = (events & UV_WRITABLE) != 0,
            .exceptional = (events & UV_PRIORITIZED) != 0,
            .failed = status < 0};
}

} // namespace

struct Watch::Handle {
    uv_poll_t uv{};
    Function function;
    std::function<void()> closed;
};

Watch::Watch(Loop& loop, int fd) : loop_(loop) {
    auto handle = std::make_unique<Handle>();
    if (uv_poll_init(loop_.uv_.get(), &handle->uv, fd) != 0) return; // then it is no handle
    handle->uv.data = handle.get();
    handle_ = handle.release();
    ++loop_.open_;
}

void Watch::start(Readiness wanted, Function function) {
    FSRV_CHECK(handle_ != nullptr, "a descriptor that cannot be watched");
    handle_->function = std::move(function);
    const auto tell = [](uv_poll_t* uv, int status, int events) {
        const Function told = static_cast<Handle*>(uv->data)->function; // it may start another
        told(readiness(status, events));
    };
    uv_poll_start(&handle_->uv, uv_events(wanted), tell);
    loop_.changed();
}

void Watch::stop() {
    uv_poll_stop(&handle_->uv);
    loop_.changed();
}

bool Watch::is_started() const {
    return uv_is_active(reinterpret_cast<const uv_handle_t*>(&handle_->uv)) != 0;
}

void Watch::close(std::function<void()> closed) {
    if (handle_ == nullptr) return;
    --loop_.open_;
    loop_.changed();
    Handle* const handle = std::exchange(handle_, nullptr);
    handle->closed = std::move(closed);
    uv_close(reinterpret_cast<uv_handle_t*>(&handle->uv), [](uv_handle_t* uv) {
        const std::unique_ptr<Handle> over(static_cast<Handle*>(uv->data));
        if (over->closed) over->closed();
    });
}

Watch::~Watch() {
    close();
}

} // namespace fsrv::loop
