#include "common/figures/figures_text.h"

#include "common/number_text.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace fsrv {

std::string rate_text(double bytes) {
    return human_size(static_cast<std::uint64_t>(std::max(bytes, 0.0))) + "/s";
}

std::string count_text(double number) {
    return number < 10 && number > 0 ? fmt::format("{:.1f}", number)
                                     : grouped(static_cast<std::uint64_t>(std::lround(number)));
}

} // namespace fsrv
