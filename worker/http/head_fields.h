// The head of an answer, from the text that HTTP/1 sends to what other versions of HTTP take: the
// status, and fields with names in lower case (RFC 9113 8.2). One text is made, for all of them.
#pragma once

#include "worker/http/request.h"

#include <string>
#include <string_view>
#include <vector>

namespace fsrv::http {

struct HeadFields {
    std::string_view status; // "200"
    std::vector<Field> fields;
};

// `head`: as response_head.h makes it; its names become lower case, and the result has views into
// it. Left out is what only HTTP/1 has: Connection, Transfer-Encoding.
void split_head(std::string& head, HeadFields& result);

} // namespace fsrv::http
