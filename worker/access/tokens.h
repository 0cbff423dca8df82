// Opaque bearer tokens: the server has their SHA-256 alone.
#pragma once

#include "common/access_material.h"
#include "common/crypto/digest.h"

#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace fsrv::access {

// As Token::sha256 has it: 64 hexadecimal digits. None: it is something else.
std::optional<crypto::Digest> parse_sha256(std::string_view text);

class Tokens final {
  public:
    // Borrows them. One whose sha256 is none belongs to nobody.
    explicit Tokens(std::span<const Token> tokens);

    bool empty() const { return entries_.empty(); }
    // Null: nobody's. Takes as long whichever it is.
    const Token* find(std::string_view bearer) const;

  private:
    struct Entry {
        crypto::Digest digest;
        const Token* token = nullptr;
    };
    std::vector<Entry> entries_;
};

} // namespace fsrv::access
