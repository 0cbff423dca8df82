// Texts that gain by a coding, and what decodes them: the libraries' decoders, not fsrv's coders.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace fsrv::test {

// A text of that length, that becomes a fifth by any coding.
std::string gaining_text(std::size_t length);
// Bytes of that length that no coding makes fewer.
std::string noise(std::size_t length);
// "zstd", "br" or "gzip" of `bytes`; nothing but "?" if they are not all of one such. "" and
// "identity": as they are.
std::string decoded(std::string_view coding, std::string_view bytes);

} // namespace fsrv::test
