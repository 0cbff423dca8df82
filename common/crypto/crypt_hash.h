// Hashes of passwords, by crypt(3) of libxcrypt: yescrypt, scrypt, bcrypt, sha512crypt and
// sha256crypt. What is cheap to guess is refused by name.
#pragma once

#include "common/result.h"

#include <string>
#include <string_view>

namespace fsrv::crypto {

// What crypt(3) takes, in bytes. A longer password matches nothing.
inline constexpr std::size_t kMaxPasswordBytes = 511;

// Why nobody is let in by such a hash: what it is, what was expected, which command makes that.
// Empty: it is a good one. Never holds the hash. Hashes nothing, so it is quick.
std::string why_no_password_hash(std::string_view hash);

// Blocking: 20 ms of a core and more, and for yescrypt 16 MiB. Any thread. What the password
// is compared with, and whether it matches, does not show in the time. `hash`: a good one.
bool password_matches(std::string_view password, const std::string& hash);

// A yescrypt hash under a salt of its own. Blocking likewise. EINVAL: a password with a NUL, or
// longer than kMaxPasswordBytes; else what crypt(3) said.
Result<std::string, Errno> hash_password(std::string_view password);

} // namespace fsrv::crypto
