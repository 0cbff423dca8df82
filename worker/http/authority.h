// Host and the authority of an absolute-form target (RFC 3986 3.2, RFC 9112 3.2).
#pragma once

#include <optional>
#include <string_view>

namespace fsrv::http {

// uri-host [ ":" port ]: a name, an IPv4 address, or an IPv6 or later address (IPvFuture) in
// brackets, and a port of 0 to 65535 or none. Stricter than RFC 3986: a name is letters, digits,
// "-", "_", "." and "~" or %HH, without empty labels (one dot at its end may be), for no name that
// can be looked up needs more. No userinfo, no zone. Empty is not valid here.
bool is_authority(std::string_view text);

// Of a valid one, or of nothing: the host alone, brackets included.
std::string_view without_port(std::string_view authority);

struct AbsoluteForm {
    std::string_view authority;
    std::string_view
        origin; // path and query; "/" when both are missing; begins with "?" when only the path is
};

// http:// or https:// and a valid authority; nothing for anything else.
std::optional<AbsoluteForm> split_absolute(std::string_view target);

} // namespace fsrv::http
