// RunningHash: 128 bits of things that are put in one after the other; the same on every machine.
// No secret: whoever makes the things can make two that fall together, if they try hard.
#pragma once

#include "common/siphash.h"

#include <cstdint>
#include <fmt/format.h>
#include <string>
#include <string_view>

namespace fsrv::content {

class RunningHash final {
  public:
    void put(std::string_view bytes) {
        low_ = siphash<2, 4>({.low = low_, .high = 0x6673727661726331}, bytes);
        high_ = siphash<2, 4>({.low = 0x6673727661726332, .high = high_}, bytes);
    }
    std::string text() const { return fmt::format("{:016x}{:016x}", high_, low_); }

  private:
    std::uint64_t low_ = 0;
    std::uint64_t high_ = 0;
};

} // namespace fsrv::content
