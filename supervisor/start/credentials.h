// Who the workers will be: --user and --group, looked up while names can be.
#pragma once

#include "common/heritage.h"
#include "common/result.h"
#include "supervisor/start_error.h"

#include <optional>
#include <string>

namespace fsrv {

// Names or numbers. None: the workers stay who we are; so it is without --user, and where --user
// names ourselves.
Result<std::optional<Credentials>, StartError> look_up_credentials(const std::string& user,
                                                                   const std::string& group);

} // namespace fsrv
