// FSRV_CHECK(condition, "what it means"): on in release builds too. A broken invariant is logged
// with its place and aborts; the supervisor respawns the worker. Never for what a client, a file or
// the system can cause.
#pragma once

#include <string_view>

namespace fsrv {
[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               std::string_view detail);
} // namespace fsrv

#define FSRV_CHECK(condition, detail)                                                              \
    (static_cast<bool>(condition) ? static_cast<void>(0)                                           \
                                  : ::fsrv::check_failed(__FILE__, __LINE__, #condition, detail))
