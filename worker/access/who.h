// Who asks: what is known of the client of one request by the time that rules are asked. A plain
// value; it belongs to the request and has no views
// of that.
#pragma once

#include "common/access_material.h"

#include <netinet/in.h>
#include <string>
#include <vector>

namespace fsrv::access {

struct Who {
    in6_addr address{};              // as common/network.h has it; all zero: on a Unix socket
    std::string user;                // proven; empty: nobody has proven anything
    std::vector<std::string> groups; // of `user`
    const Account* account =
        nullptr;                  // local, of [[login]], for permissions; lives as the worker does
    bool has_link = false;        // a valid one, for what is asked for
    bool has_certificate = false; // of a CA that --tls-client-ca names
    std::vector<std::string> certificate_names; // its CN and SANs
};

} // namespace fsrv::access
