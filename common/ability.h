// Ability: may a system call be tried? Yes; not until some time, since it failed for a reason that
// passes; or never again, since the system does not have it or forbids it.
#pragma once

#include "common/clock.h"
#include "common/limits.h"

#include <cerrno>
#include <cstdint>
#include <limits>

namespace fsrv {

class Ability final {
  public:
    static constexpr std::uint64_t kAgainMs = limits::kAbilityAgainMs;

    bool is_there() const { return again_ms_ == 0 || (again_ms_ != kNever && is_over()); }

    // `error`: errno of the call.
    void failed(int error) {
        const bool never = error == EINVAL || error == ENOSYS || error == EPERM ||
                           error == EOPNOTSUPP || error == ENOTTY;
        again_ms_ = never ? kNever : monotonic_ms() + kAgainMs;
    }
    bool is_gone() const { return again_ms_ == kNever; }

  private:
    static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
    bool is_over() const { return monotonic_ms() >= again_ms_; }

    std::uint64_t again_ms_ = 0; // 0: at once
};

} // namespace fsrv
