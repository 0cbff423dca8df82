// What the admin process answers to what. Pure, but for the status that it is given the means to
// ask for.
#pragma once

#include "common/figures/status.h"
#include "worker/http/plan.h"
#include "worker/http/request.h"

#include <functional>
#include <optional>

namespace fsrv::admin {

// Nothing: the scoreboard cannot be read just now.
using StatusSource = std::function<std::optional<Status>()>;

http::Plan answer(const http::Request& request, const StatusSource& status);

} // namespace fsrv::admin
