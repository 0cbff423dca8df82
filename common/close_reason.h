// Why a connection ended; the table is common/close_reason.def.
#pragma once

#include "common/metrics.h"

#include <string_view>

namespace fsrv {

enum class CloseReason {
#define FSRV_CLOSE_REASON(id, name, meaning) id,
#include "common/close_reason.def"
#undef FSRV_CLOSE_REASON
};

inline constexpr unsigned kCloseReasons = 0
#define FSRV_CLOSE_REASON(id, name, meaning) +1
#include "common/close_reason.def"
#undef FSRV_CLOSE_REASON
    ;
static_assert(kCloseReasons <= kValuesOf<Reason>, "make room in common/metrics.def");

constexpr Reason to_label(CloseReason reason) {
    return static_cast<Reason>(reason);
}

constexpr std::string_view name_of(CloseReason reason) {
    switch (reason) {
#define FSRV_CLOSE_REASON(id, name, meaning)                                                       \
    case CloseReason::id:                                                                          \
        return name;
#include "common/close_reason.def"
#undef FSRV_CLOSE_REASON
    }
    return "?";
}

} // namespace fsrv
