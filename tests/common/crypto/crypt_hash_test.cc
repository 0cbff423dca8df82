#include "common/crypto/crypt_hash.h"

#include <gtest/gtest.h>

namespace fsrv::crypto {
namespace {

// Of "secret".
struct Known {
    const char* method;
    const char* hash;
};
constexpr Known kKnown[] = {
#include "tests/common/crypto/known_hashes.def"
};

TEST(CryptHash, HashesOfOtherProgramsAreGoodAndMatchTheirPassword) {
    for (const Known& known : kKnown) {
        EXPECT_EQ(why_no_password_hash(known.hash), "") << known.method;
        EXPECT_TRUE(password_matches("secret", known.hash)) << known.method;
        EXPECT_FALSE(password_matches("Secret", known.hash)) << known.method;
        EXPECT_FALSE(password_matches("", known.hash)) << known.method;
    }
}

TEST(CryptHash, WhatIsMadeIsYescryptWithASaltOfItsOwn) {
    const auto first = hash_password("p\xC3\xA4sswort"), second = hash_password("p\xC3\xA4sswort");
    ASSERT_TRUE(first && second);
    EXPECT_TRUE(first->starts_with("$y$")) << *first;
    EXPECT_NE(*first, *second);
    EXPECT_EQ(why_no_password_hash(*first), "");
    EXPECT_TRUE(password_matches("p\xC3\xA4sswort", *first));
    EXPECT_FALSE(password_matches("passwort", *first));
}

TEST(CryptHash, WhatIsEasyToGuessIsRefusedByNameWithTheCommandThatMakesABetterOne) {
    struct Case {
        const char* hash;
        const char* what;
    };
    const Case table[] = {
        {"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "{SHA}"},
        {"{SSHA}AbCdEf0123456789AbCdEf0123456789", "{SSHA}"},
        {"{SMD5}x", "LDAP"},
        {"$apr1$m2rJFKPc$SNOBzBQkHfdTUiWfnHcCC.", "apr1"},
        {"$1$abcdefgh$G//4keteveJp0qb8z2DxG/", "MD5"},
        {"$md5,rounds=904$x$y", "MD5"},
        {"$3$$8846f7eaee8fb117ad06bdd830b7586c", "MD4"},
        {"$sha1$1$x$y", "SHA-1"},
        {"$2x$05$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234", "flaw"},
        {"$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA", "argon2"},
        {"_J9..rasmBYk8r9AiWNc", "DES"},
        {"rl.3StKT.4T8M", "DES"},
        {"!", "locked"},
        {"*", "locked"},
        {"hunter2", "plain text"},
        {"", "plain text"},
        {"$6$short$abc", "not whole"},
        {"$y$j9T$only-a-setting", "not whole"},
        {"$y$", "not whole"},
        {"$2b$", "not whole"},
        {"$2", "not whole"},
    };
    for (const Case& c : table) {
        const std::string why = why_no_password_hash(c.hash);
        EXPECT_NE(why.find(c.what), std::string::npos) << c.hash << ": " << why;
        EXPECT_NE(why.find("fsrv --hash-password"), std::string::npos) << why;
        if (std::string_view(c.hash).size() > 6) {
            EXPECT_EQ(why.find(c.hash), std::string::npos) << why;
        }
    }
}

TEST(CryptHash, APasswordThatCryptCannotTakeMatchesNothing) {
    const auto hash = hash_password("a");
    ASSERT_TRUE(hash);
    EXPECT_FALSE(password_matches(std::string_view("a\0b", 3), *hash));
    EXPECT_FALSE(password_matches(std::string(kMaxPasswordBytes + 1, 'a'), *hash));
    EXPECT_EQ(hash_password(std::string_view("a\0b", 3)).error(), Errno{EINVAL});
    EXPECT_EQ(hash_password(std::string(kMaxPasswordBytes + 1, 'a')).error(), Errno{EINVAL});
    const std::string longest(kMaxPasswordBytes, 'a');
    const auto of_longest = hash_password(longest);
    ASSERT_TRUE(of_longest);
    EXPECT_TRUE(password_matches(longest, *of_longest));
}

} // namespace
} // namespace fsrv::crypto
