// The figures in the text format of Prometheus, version 0.0.4.
#pragma once

#include "common/figures/status.h"

#include <string>

namespace fsrv::admin {

inline constexpr std::string_view kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

std::string metrics_text(const Status& status);

} // namespace fsrv::admin
