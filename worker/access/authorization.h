// The field Authorization (RFC 9110 11.6.2): what somebody says of who they are, not yet whether it
// is true. Basic (RFC 7617) and Bearer (RFC 6750); whoever uses another scheme has said nothing.
#pragma once

#include "common/result.h"
#include "common/secret.h"
#include "worker/http/request.h"

#include <string>
#include <string_view>

namespace fsrv::access {

struct Authorization {
    enum class Kind {
        none,   // no field, or of another scheme
        basic,  // `user` and `password`
        bearer, // `token`
        broken, // of Basic or Bearer, and not as these are: a proof that has failed
    };
    Kind kind = Kind::none;
    std::string user; // UTF-8, no control characters, as neither has the password
    Secret password;
    std::string_view token; // of letters, digits and -._~+/=; a view into the request
    std::string_view why;   // of broken, for the log: nothing of what was sent
};

struct AuthorizationRefusal {
    int status = 400;
    std::string_view what;
};

// Refused is who sends more than one such field: there is no telling which one a proxy has looked
// at.
Result<Authorization, AuthorizationRefusal> read_authorization(const http::Request& request);

// The value of one field.
Authorization parse_authorization(std::string_view value);

} // namespace fsrv::access
