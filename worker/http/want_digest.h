// Want-Repr-Digest: which digest of a representation a client would like to have (RFC 9530 4).
#pragma once

#include "worker/http/request.h"

#include <string_view>

namespace fsrv::http {

// Whether SHA-256, the one algorithm that is offered here, is among those that the fields
// Want-Repr-Digest weigh above 0. All of them are one structured field, a dictionary (RFC 9651
// 3.2): if anything of it is malformed nothing was said, and of a key that comes again the last
// counts. What is no integer of 0 to 10 is no weight. Bounded time, any input.
bool wants_sha256(const Request& request);

// The same of one value.
bool wants_sha256(std::string_view dictionary);

} // namespace fsrv::http
