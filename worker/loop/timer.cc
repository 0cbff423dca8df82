#include "worker/loop/timer.h"

#include <utility>
#include <uv.h>

namespace fsrv::loop {

struct Timer::Handle {
    uv_timer_t uv{};
    Function function;
};

Timer::Timer(Loop& loop) : loop_(loop), handle_(new Handle) {
    uv_timer_init(loop_.uv_.get(), &handle_->uv); // cannot fail
    handle_->uv.data = handle_;
    ++loop_.open_;
}

void Timer::start(std::uint64_t after_ms, std::uint64_t repeat_ms, Function function) {
    handle_->function = std::move(function);
    const auto call = [](uv_timer_t* uv) {
        const Function due = static_cast<Handle*>(uv->data)->function; // it may start another
        due();
    };
    uv_timer_start(&handle_->uv, call, after_ms, repeat_ms);
    loop_.changed();
}

void Timer::repeat_every(std::uint64_t repeat_ms) {
    if (uv_timer_get_repeat(&handle_->uv) == repeat_ms) return;
    uv_timer_set_repeat(&handle_->uv, repeat_ms);
    uv_timer_again(&handle_->uv);
    loop_.changed();
}

void Timer::stop() {
    uv_timer_stop(&handle_->uv);
    loop_.changed();
}

Timer::~Timer() {
    --loop_.open_;
    loop_.changed();
    uv_close(reinterpret_cast<uv_handle_t*>(&handle_->uv),
             [](uv_handle_t* uv) { delete static_cast<Handle*>(uv->data); });
}

} // namespace fsrv::loop
