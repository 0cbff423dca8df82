// Where a client is, when proxies stand between: Forwarded (RFC 7239) and X-Forwarded-For, read
// from the right, where the nearest proxy wrote, to the left, for as long as the one who wrote is
// trusted. So nobody further away can make anything up. Pure.
#pragma once

#include "common/network.h"
#include "worker/http/request.h"

namespace fsrv::http {

// `peer` is who sent the request. It is the answer when it is not trusted, when it says nothing or
// nothing that can be read, and when the two fields disagree: a proxy writes one of them and may
// pass on the other as it came.
in6_addr client_address(const Request& request, const in6_addr& peer,
                        std::span<const Network> trusted);

} // namespace fsrv::http
