#include "worker/net/first_threads.h"

#include "common/check.h"
#include "common/heritage.h"

#include <csignal>
#include <exception>
#include <unistd.h>

namespace fsrv::net {
namespace {

[[noreturn]] void end_it() {
    ::_exit(kExitTasks);
}

void on_abort(int) {
    end_it();
}

} // namespace

NoThreadsEndIt::NoThreadsEndIt() : terminate_before_(std::set_terminate(end_it)) {
    std::signal(SIGABRT, on_abort);
}

NoThreadsEndIt::~NoThreadsEndIt() {
    std::signal(SIGABRT, SIG_DFL);
    std::set_terminate(terminate_before_);
}

void start_pool_threads(uv_loop_t& loop) {
    const NoThreadsEndIt otherwise;
    auto* const work = new uv_work_t;
    const int error = uv_queue_work(
        &loop, work, [](uv_work_t*) {}, [](uv_work_t* done, int) { delete done; });
    FSRV_CHECK(error == 0, "the pool takes no work");
}

} // namespace fsrv::net
