// Which coding of a representation a client is sent (RFC 9110 12.5.3).
#pragma once

#include "worker/http/coding.h"
#include "worker/http/request.h"

#include <array>
#include <cstddef>
#include <span>

namespace fsrv::http {

// What the fields Accept-Encoding prefer, all of them being one list: of what has a weight above 0
// the heaviest, and of those that are as heavy the first of codings.def, before identity. Identity
// where no coding is preferred to it, and where none is acceptable: what cannot be had uncoded
// either is sent so all the same. An element with a malformed weight is none. Bounded time, any
// input.
//
// Identity as well where a coding must not or cannot be: HTTP/1.0, a Range (bytes of the identity
// are meant), no-transform in Cache-Control.
Coding wanted_coding(const Request& request);

struct CodingList {
    std::array<Coding, kCodings - 1> codings{};
    std::size_t count = 0;
    std::span<const Coding> all() const { return {codings.data(), count}; }
};

// All that are not less wanted than the identity, the best first: for what is coded already, which
// has ranges of its own and is not transformed.
CodingList wanted_codings(const Request& request);

} // namespace fsrv::http
