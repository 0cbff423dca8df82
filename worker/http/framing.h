// What the fields of a sound head say of the message itself: Host, Content-Length,
// Transfer-Encoding, Connection, Expect (RFC 9112 3.2, 6, 9). Strict where two readers could see
// two different messages.
#pragma once

#include "worker/http/parser.h"
#include "worker/http/request.h"

#include <optional>

namespace fsrv::http {

// Fills keep_alive, chunked, content_length, expects_continue and host (unless the target gave
// one). Needs minor_version and the fields. A refusal when
//   Host is missing in 1.1, repeated or malformed (an empty one is well-formed: RFC 9112 3.2)
//   Content-Length is repeated, a list, not all digits, or over 2^63-1
//   Transfer-Encoding comes with 1.0 or with Content-Length, is repeated or malformed, or is
//   anything but one "chunked": 501 when it is well-formed and names a coding fsrv does not have,
//   else 400
std::optional<Refusal> apply_fields(Request& request);

} // namespace fsrv::http
