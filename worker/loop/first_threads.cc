#include "worker/loop/first_threads.h"

#include "common/heritage.h"

#include <csignal>
#include <exception>
#include <unistd.h>

namespace fsrv::loop {
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

} // namespace fsrv::loop
