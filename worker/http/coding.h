// Content codings of a representation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fsrv::http {

enum class Coding : std::uint8_t {
    identity,
#define FSRV_CODING(name, token, alias, suffix) name,
#include "worker/http/codings.def"
#undef FSRV_CODING
};
inline constexpr std::size_t kCodings = 1
#define FSRV_CODING(name, token, alias, suffix) +1
#include "worker/http/codings.def"
#undef FSRV_CODING
    ;

std::string_view token_of(Coding coding);  // "identity" too
std::string_view suffix_of(Coding coding); // of a coded representation's tag

} // namespace fsrv::http
