// What a client would like to read (RFC 9110 12.5.1), as far as fsrv has a choice.
#pragma once

#include <string_view>

namespace fsrv::http {

enum class BodyForm { text, html, json };

// For an error's body: html when text/html (or application/xhtml+xml) is asked for by name, json
// when application/json or application/problem+json is preferred over it, else text. q-values
// count; q=0 excludes. Bounded time, any input.
BodyForm error_form(std::string_view accept);

// For a listing: true when application/json is asked for by name and not less than text/html.
bool prefers_json_listing(std::string_view accept);

} // namespace fsrv::http
