// A Status as a JSON document; docs/METRICS.md says what its members mean.
#pragma once

#include "common/figures/status.h"

#include <string>

namespace fsrv::admin {

std::string status_json(const Status& status);

} // namespace fsrv::admin
