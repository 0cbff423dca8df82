#include "worker/access/tokens.h"

#include "common/crypto/base64.h"

namespace fsrv::access {

std::optional<crypto::Digest> parse_sha256(std::string_view text) {
    crypto::Digest digest;
    const auto bytes = crypto::decode_hex(text);
    if (!bytes || bytes->size() != digest.bytes.size()) return std::nullopt;
    bytes->copy(digest.bytes.data(), digest.bytes.size());
    return digest;
}

Tokens::Tokens(std::span<const Token> tokens) {
    for (const Token& token : tokens)
        if (const auto digest = parse_sha256(token.sha256))
            entries_.push_back({.digest = *digest, .token = &token});
}

const Token* Tokens::find(std::string_view bearer) const {
    const crypto::Digest digest = crypto::sha256(bearer);
    const Token* found = nullptr;
    for (const Entry& entry : entries_)
        if (crypto::equal_in_constant_time(entry.digest.view(), digest.view())) found = entry.token;
    return found;
}

} // namespace fsrv::access
