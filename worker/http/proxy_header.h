// The PROXY protocol: what a proxy says of its client before the first byte of a request. Version 1
// is a line, version 2 binary; both as HAProxy's proxy-protocol.txt has them. Pure: bytes in,
// values out; the same result however the bytes are cut.
#pragma once

#include <cstddef>
#include <cstdint>
#include <netinet/in.h>
#include <string_view>

namespace fsrv::http {

enum class ProxyStatus { need_more, refused, complete };

struct ProxyHeader {
    ProxyStatus status = ProxyStatus::refused;
    std::size_t bytes = 0; // of the header, when complete: what follows is the request's
    // Where the client is. False: the proxy speaks for itself (LOCAL, a health check) or does not
    // know (UNKNOWN, UNSPEC): the connection's own peer it is.
    bool has_source = false;
    in6_addr source{}; // as in common/network.h: all zero is a Unix socket
    std::uint16_t port = 0;
};

ProxyHeader parse_proxy_header(std::string_view bytes);

} // namespace fsrv::http
