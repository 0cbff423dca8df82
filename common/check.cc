#include "common/check.h"

#include "common/log.h"

#include <cstdlib>

namespace fsrv {

void check_failed(const char* file, int line, const char* condition, std::string_view detail) {
    log_error("{}:{}: broken invariant: {} ({})", file, line, condition, detail);
    std::abort();
}

} // namespace fsrv
