#include "common/crypto/signed_link.h"

#include "common/crypto/base64.h"

#include <functional>
#include <gtest/gtest.h>
#include <vector>

namespace fsrv::crypto {
namespace {

constexpr std::int64_t kNow = 1'800'000'000;

SigningKey key_named(const char* id, char filling) {
    return {.id = id, .secret = Secret(std::string(40, filling))};
}

std::vector<SigningKey> two_keys() {
    std::vector<SigningKey> keys;
    keys.push_back(key_named("new", 'n'));
    keys.push_back(key_named("old", 'o'));
    return keys;
}

LinkTerms some_terms() {
    return {.begin_by = kNow + 10, .resume_by = kNow + 100};
}

in6_addr address(const char* text) {
    return *parse_address(text);
}

Result<Link, LinkFault> verify(std::string_view query, std::string_view path,
                               std::int64_t now = kNow, const char* client = "192.0.2.7") {
    const auto keys = two_keys();
    return verify_link(query, path, address(client), keys, now);
}

std::string fault_of(const Result<Link, LinkFault>& link) {
    return link ? "none" : std::string(text_of(link.error()));
}

// By hand, as docs/LINKS.md has it: the values in the query are as they are signed.
std::string signed_by_hand(const std::string& query, const std::string& path,
                           const char* secret = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn") {
    std::string text = "fsrv-link-1\n" + query + "&";
    for (char& c : text)
        if (c == '&') c = '\n';
    text += "/" + path;
    return query + "&sig=" + encode_base64(hmac_sha256(secret, text).view(), Base64::url);
}

TEST(SignedLink, WhatIsSignedIsTheTextOfTheDocument) {
    const auto keys = two_keys();
    EXPECT_EQ(sign_link(some_terms(), "pub/file.bin", keys[0]),
              signed_by_hand("expires=1800000010&key=new&resume=1800000100", "pub/file.bin"));
    LinkTerms all{.begin_by = kNow,
                  .resume_by = kNow + 1,
                  .prefix = 1,
                  .client = "192.0.2.0/24",
                  .uses = 3,
                  .id = "i",
                  .attachment = "n"};
    std::string by_hand =
        signed_by_hand("attachment=n&client=192.0.2.0/24&expires=1800000000&id=i&key=new&prefix=1&"
                       "resume=1800000001&uses=3",
                       "pub");
    by_hand.replace(by_hand.find("0/24"), 4, "0%2F24");
    EXPECT_EQ(sign_link(all, "pub/file.bin", keys[0]), by_hand);
}

TEST(SignedLink, SaysWhatWasSigned) {
    const auto keys = two_keys();
    const LinkTerms table[] = {
        some_terms(),
        {.begin_by = kNow},
        {.begin_by = kNow, .client = "192.0.2.0/24"},
        {.begin_by = kNow, .client = "192.0.2.7"},
        {.begin_by = kNow, .uses = 4'000'000'000},
        {.begin_by = kNow, .uses = 1, .id = "a b+c%&=\xC3\xA4"},
        {.begin_by = kNow, .attachment = "Report & \"more\"; 2026.pdf"},
        {.begin_by = kNow, .prefix = 0},
        {.begin_by = kNow, .prefix = 1},
        {.begin_by = kNow, .prefix = 3},
    };
    for (const LinkTerms& terms : table) {
        for (const SigningKey& key : keys) {
            const auto link = verify(sign_link(terms, "a/b/c d", key), "a/b/c d");
            ASSERT_TRUE(link) << fault_of(link);
            EXPECT_EQ(link->terms, terms);
            EXPECT_EQ(link->key_id, key.id);
            EXPECT_TRUE(link->covers("a/b/c d"));
        }
    }
}

TEST(SignedLink, ADownloadBeginsUntilItExpiresAndGoesOnUntilLater) {
    const auto keys = two_keys();
    const std::string both = sign_link(some_terms(), "f", keys[0]);
    const std::string one = sign_link({.begin_by = kNow + 10}, "f", keys[0]);
    EXPECT_TRUE(verify(both, "f", kNow + 10)->may_begin(kNow + 10));
    const auto later = verify(both, "f", kNow + 11);
    ASSERT_TRUE(later);
    EXPECT_FALSE(later->may_begin(kNow + 11));
    EXPECT_TRUE(verify(both, "f", kNow + 100));
    EXPECT_EQ(fault_of(verify(both, "f", kNow + 101)), "expired");
    EXPECT_TRUE(verify(one, "f", kNow + 10));
    EXPECT_EQ(fault_of(verify(one, "f", kNow + 11)), "expired");
}

TEST(SignedLink, IsForOnePathOrForAllBelowAFolder) {
    const auto keys = two_keys();
    const std::string one = sign_link(some_terms(), "a/b", keys[0]);
    for (const char* path : {"", "a", "a/b/c", "a/bc", "a/B", "b", "/a/b"})
        EXPECT_EQ(fault_of(verify(one, path)), "bad signature") << path;
    LinkTerms terms = some_terms();
    terms.prefix = 2;
    const std::string folder = sign_link(terms, "a/b", keys[0]);
    for (const char* path : {"a/b", "a/b/c", "a/b/c/d e"}) {
        const auto link = verify(folder, path);
        ASSERT_TRUE(link) << path;
        EXPECT_EQ(link->path, "a/b");
        for (const char* covered : {"a/b", "a/b/c", "a/b/x/y"})
            EXPECT_TRUE(link->covers(covered)) << covered;
        for (const char* other : {"", "a", "a/bc", "a/bc/d", "b"})
            EXPECT_FALSE(link->covers(other)) << other;
    }
    for (const char* path : {"", "a", "a/bc", "a/bc/d", "b/a/b"})
        EXPECT_EQ(fault_of(verify(folder, path)), "bad signature") << path;
    terms.prefix = 0;
    const auto all = verify(sign_link(terms, "a/b", keys[0]), "any/where");
    ASSERT_TRUE(all);
    EXPECT_TRUE(all->covers("") && all->covers("x"));
}

TEST(SignedLink, IsForClientsOfItsNetworkAlone) {
    const auto keys = two_keys();
    LinkTerms terms = some_terms();
    terms.client = "2001:db8::/32";
    const std::string link = sign_link(terms, "f", keys[0]);
    EXPECT_TRUE(verify(link, "f", kNow, "2001:db8:1::1"));
    EXPECT_EQ(fault_of(verify(link, "f", kNow, "2001:db9::1")), "other client");
    EXPECT_EQ(fault_of(verify(link, "f", kNow, "192.0.2.7")), "other client");
    EXPECT_EQ(fault_of(verify_link(link, "f", in6_addr{}, keys, kNow)), "other client");
}

TEST(SignedLink, WhatIsNotTheLinksMayStandBesideIt) {
    const auto keys = two_keys();
    const std::string link = sign_link(some_terms(), "f", keys[0]);
    const auto first = verify(link, "f");
    for (const std::string& query :
         {"archive=zip&" + link, link + "&format=json", "&&" + link + "&=&x&format=%zz"}) {
        const auto other = verify(query, "f");
        ASSERT_TRUE(other) << query;
        EXPECT_EQ(other->identity, first->identity);
    }
}

TEST(SignedLink, NothingOfItCanBeChanged) {
    const auto keys = two_keys();
    LinkTerms terms = some_terms();
    terms.uses = 1;
    const std::string link = sign_link(terms, "f", keys[0]);
    const std::size_t sig = link.find("&sig=") + 5;
    for (std::size_t at = 0; at < link.size(); ++at) {
        std::string other = link;
        other[at] = other[at] == '2' ? '3' : '2';
        EXPECT_FALSE(verify(other, "f")) << other;
    }
    EXPECT_EQ(fault_of(verify(link.substr(0, link.size() - 1), "f")), "bad signature");
    EXPECT_EQ(fault_of(verify(link + "=", "f")), "bad signature");
    EXPECT_EQ(fault_of(verify(link.substr(0, sig), "f")), "bad signature");
    EXPECT_EQ(fault_of(verify(link.substr(0, sig - 5), "f")), "malformed");
    EXPECT_EQ(fault_of(verify(link + "&client=192.0.2.0/24", "f")), "bad signature");
    EXPECT_EQ(fault_of(verify(link + "&uses=2", "f")), "malformed");
    EXPECT_EQ(fault_of(verify(link + "&sig=x", "f")), "malformed");
    EXPECT_EQ(fault_of(verify("", "f")), "malformed");
}

TEST(SignedLink, OfAKeyThatIsGoneIsNotGood) {
    const SigningKey gone = key_named("gone", 'g'), impostor = key_named("new", 'x');
    EXPECT_EQ(fault_of(verify(sign_link(some_terms(), "f", gone), "f")), "unknown key");
    EXPECT_EQ(fault_of(verify(sign_link(some_terms(), "f", impostor), "f")), "bad signature");
    EXPECT_EQ(fault_of(verify_link(sign_link(some_terms(), "f", gone), "f", in6_addr{}, {}, kNow)),
              "unknown key");
}

TEST(SignedLink, SignedNonsenseIsNoLink) {
    const char* const table[] = {
        "expires=&key=new",
        "expires=-1&key=new",
        "expires=01800000010&key=new",
        "expires=1800000010000&key=new", // milliseconds
        "expires=99999999999999999999999&key=new",
        "expires=1800000010&key=new&resume=x",
        "expires=1800000010&key=new&uses=0",
        "expires=1800000010&key=new&uses=-1",
        "client=somewhere&expires=1800000010&key=new",
        "expires=1800000010&key=new&prefix=x",
        "expires=1800000010&key=new&prefix=",
        "expires=1800000010",
        "key=new",
    };
    for (const char* query : table)
        EXPECT_EQ(fault_of(verify(signed_by_hand(query, "f"), "f")), "malformed") << query;
    EXPECT_EQ(fault_of(verify(signed_by_hand("expires=1800000010&key=new&prefix=2", "f"), "f")),
              "bad signature");
    const std::string newline = "attachment=a%0Auses%3D1&expires=1800000010&key=new&sig=x";
    EXPECT_EQ(fault_of(verify(newline, "f")), "malformed");
    EXPECT_EQ(fault_of(verify("attachment=%zz&expires=1&key=new&sig=x", "f")), "malformed");
}

TEST(SignedLink, LinksThatDifferInAnythingAreCountedApart) {
    const auto keys = two_keys();
    std::vector<std::function<void(LinkTerms&)>> changes = {
        [](LinkTerms&) {},
        [](LinkTerms& t) { t.id = "other"; },
        [](LinkTerms& t) { t.begin_by += 1; },
        [](LinkTerms& t) { t.uses = 2; },
    };
    std::vector<Digest> identities;
    for (const auto& change : changes) {
        LinkTerms terms = some_terms();
        terms.uses = 1;
        change(terms);
        identities.push_back(verify(sign_link(terms, "f", keys[0]), "f")->identity);
    }
    for (std::size_t a = 0; a < identities.size(); ++a)
        for (std::size_t b = 0; b < a; ++b) EXPECT_NE(identities[a], identities[b]) << a << b;
}

TEST(SignedLink, AQueryIsSignedWhenItHasASignature) {
    for (const char* query : {"sig=", "sig", "a=b&sig=x", "sig=x&a=b"})
        EXPECT_TRUE(is_signed(query)) << query;
    for (const char* query : {"", "a=sig", "sigs=x", "Sig=x", "a&b&&"})
        EXPECT_FALSE(is_signed(query)) << query;
}

TEST(SignedLink, WhatCannotStandInALinkIsTold) {
    EXPECT_EQ(why_not_in_link("a name.pdf"), "");
    EXPECT_EQ(why_not_in_link(""), "empty");
    EXPECT_EQ(why_not_in_link("a\nb"), "with a control character");
    EXPECT_EQ(why_not_in_link(std::string(256, 'x')), "longer than 255 bytes");
}

} // namespace
} // namespace fsrv::crypto
