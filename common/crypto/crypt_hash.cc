#include "common/crypto/crypt_hash.h"

#include "common/crypto/digest.h"
#include "common/secret.h"

#include <algorithm>
#include <crypt.h>
#include <fmt/format.h>
#include <memory>

namespace fsrv::crypto {
namespace {

static_assert(kMaxPasswordBytes == CRYPT_MAX_PASSPHRASE_SIZE - 1);

struct Method {
    std::string_view prefix;
    std::size_t digest; // characters after the last "$"; bcrypt has its salt there too
};
constexpr Method kGoodMethods[] = {
    {"$y$", 43},  {"$gy$", 43}, {"$7$", 43}, {"$2b$", 53},
    {"$2a$", 53}, {"$2y$", 53}, {"$6$", 86}, {"$5$", 43},
};

struct Refused {
    std::string_view prefix;
    std::string_view what;
};
constexpr Refused kRefusedMethods[] = {
    {"{SHA}", "{SHA}, a digest without a salt"},
    {"{SSHA}", "{SSHA}, a digest that is guessed by the billion in a second"},
    {"{", "a digest as LDAP has it"},
    {"$apr1$", "apr1, Apache's MD5"},
    {"$1$", "MD5"},
    {"$md5", "Sun's MD5"},
    {"$3$", "MD4, as Windows has it"},
    {"$sha1$", "SHA-1"},
    {"$2x$", "bcrypt of a version with a flaw"},
    {"$argon2", "argon2, which crypt(3) does not have here"},
    {"$2", "bcrypt, but not whole"},
    {"_", "DES"},
    {"!", "a locked account's"},
    {"*", "a locked account's"},
};

constexpr std::size_t kDesLength = 13;

bool is_crypt_text(std::string_view text) {
    return std::ranges::all_of(text, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '.' || c == '/';
    });
}

bool is_whole(std::string_view hash, const Method& method) {
    const std::size_t last = hash.rfind('$');
    return hash.size() < CRYPT_OUTPUT_SIZE && last + 1 >= method.prefix.size() &&
           hash.size() - last - 1 == method.digest && is_crypt_text(hash.substr(last + 1)) &&
           std::ranges::none_of(hash, [](char c) { return c <= ' ' || c > '~' || c == ':'; });
}

// 32 KiB, and afterwards full of what the password was.
struct Scratch {
    std::unique_ptr<crypt_data> data = std::make_unique<crypt_data>();
    ~Scratch() { wipe(data.get(), sizeof *data); }

    // None: no hash with that setting, errno says why.
    const char* hash(const char* password, const char* setting) {
        return crypt_rn(password, setting, data.get(), static_cast<int>(sizeof *data));
    }
};

bool can_be_hashed(std::string_view password) {
    return password.size() <= kMaxPasswordBytes && password.find('\0') == std::string_view::npos;
}

} // namespace

std::string why_no_password_hash(std::string_view hash) {
    constexpr std::string_view kAdvice = "expected a hash such as fsrv --hash-password makes";
    const auto begins = [&](const auto& method) { return hash.starts_with(method.prefix); };
    const auto* const good = std::ranges::find_if(kGoodMethods, begins);
    if (good != std::end(kGoodMethods)) {
        if (!is_whole(hash, *good))
            return fmt::format("its password is a hash that is not whole; {}", kAdvice);
        if (crypt_checksalt(std::string(hash).c_str()) == CRYPT_SALT_INVALID)
            return fmt::format("its password is a hash that this system's crypt(3) does not know; "
                               "{}",
                               kAdvice);
        return {};
    }
    const auto* const bad = std::ranges::find_if(kRefusedMethods, begins);
    if (bad != std::end(kRefusedMethods))
        return fmt::format("its password is no hash that is hard to guess ({}); {}", bad->what,
                           kAdvice);
    if (hash.size() == kDesLength && is_crypt_text(hash))
        return fmt::format("its password is no hash that is hard to guess (DES); {}", kAdvice);
    return fmt::format("its password is no hash, but perhaps plain text; {}", kAdvice);
}

bool password_matches(std::string_view password, const std::string& hash) {
    if (!can_be_hashed(password)) return false;
    const Secret text{std::string(password)};
    Scratch scratch;
    const char* const own = scratch.hash(text.data(), hash.c_str());
    return own != nullptr && equal_in_constant_time(own, hash);
}

Result<std::string, Errno> hash_password(std::string_view password) {
    if (!can_be_hashed(password)) return unexpected(Errno{EINVAL});
    const Secret text{std::string(password)};
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    if (crypt_gensalt_rn("$y$", 0, nullptr, 0, setting, sizeof setting) == nullptr)
        return unexpected(Errno::last());
    Scratch scratch;
    const char* const hash = scratch.hash(text.data(), setting);
    if (hash == nullptr) return unexpected(Errno::last());
    return std::string(hash);
}

} // namespace fsrv::crypto
