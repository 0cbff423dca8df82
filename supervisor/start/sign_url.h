// --sign: a link, printed.
#pragma once

#include "common/access_material.h"
#include "common/link_order.h"
#include "common/options.h"
#include "common/result.h"

#include <cstdint>
#include <string>

namespace fsrv {

// The URL with what lets in behind it. Or why there is none: one line. `now`: seconds since the
// epoch; `id`: tells links with the same terms apart.
Result<std::string, std::string> signed_url(const LinkOrder& order, const SigningKey& key,
                                            LinkPath path_of, bool api, std::int64_t now,
                                            std::string id);

// Reads the keys, and prints the link: the exit status.
int run_sign(const Options& options, const Places& places, const LinkOrder& order,
             LinkPath path_of);

} // namespace fsrv
