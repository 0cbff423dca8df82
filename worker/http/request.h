// A request's head, parsed. All views point into the buffer that was given to the parser, or into
// the parser: they live until the connection takes the next request, that is at least until the
// answer to this one is complete or the connection is gone. Method, target and version stand one
// behind the other, as a line.
#pragma once

#include "common/limits.h"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace fsrv::http {

// What fsrv tells apart. `other`: HTTP knows it, fsrv does not offer it (405). An unknown token is
// refused by the parser (501).
enum class Method { get, head, options, other };

struct Field {
    std::string_view name;  // as sent; compare without case
    std::string_view value; // surrounding white space removed
};

struct Request {
    Method method = Method::get;
    std::string_view method_token;
    std::string_view target; // for the log: as sent, but bytes above 0x7F are percent-encoded
    std::string_view origin; // origin-form (path and query): `target` without scheme and authority;
                             // "*" for OPTIONS *
    std::string_view
        host; // authority of an absolute-form target, else Host; empty in HTTP/1.0 without one
    unsigned minor_version = 1;
    bool keep_alive = true; // RFC 9112 9.3, before fsrv's own reasons to close

    // Framing of the body (RFC 9112 6). A body is never used, only skipped.
    bool chunked = false;
    std::uint64_t content_length = 0;
    bool has_body() const { return chunked || content_length > 0; }
    bool expects_continue = false;

    // False: no field asks for a part or a digest, or sets a condition (Range, Want-Repr-Digest,
    // If-*).
    bool may_be_conditional = true;

    std::array<Field, limits::kMaxFields> fields;
    unsigned field_count = 0;

    std::span<const Field> all_fields() const { return {fields.data(), field_count}; }
    // The value of the only field of that name (ASCII, any case). None when it is absent, and when
    // it was sent more than once: then there is no telling which one is meant. count() tells these
    // two apart.
    std::optional<std::string_view> field(std::string_view name) const;
    unsigned count(std::string_view name) const;
};

// ASCII only: HTTP's names have no locale.
bool equal_ignoring_case(std::string_view a, std::string_view b);

} // namespace fsrv::http
