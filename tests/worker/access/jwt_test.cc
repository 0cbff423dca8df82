#include "worker/access/jwt.h"

#include "common/crypto/base64.h"
#include "common/crypto/digest.h"
#include "tests/support/jws.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace fsrv::access {
namespace {

using test::JwsKey;

constexpr std::int64_t kNow = 1'800'000'000;

std::string url64(std::string_view text) {
    return crypto::encode_base64(text, crypto::Base64::url);
}

// One of each kind, made once: RSA takes a while.
const JwsKey& rsa() {
    static const JwsKey key(test::KeyKind::rsa2048);
    return key;
}
const JwsKey& p256() {
    static const JwsKey key(test::KeyKind::p256);
    return key;
}
const JwsKey& ed25519() {
    static const JwsKey key(test::KeyKind::ed25519);
    return key;
}

std::vector<crypto::PublicKey> keys_of(std::initializer_list<const JwsKey*> signers) {
    std::vector<crypto::PublicKey> keys;
    for (const JwsKey* signer : signers)
        keys.push_back(crypto::PublicKey::from_pem(signer->public_pem()).value());
    return keys;
}

std::string token(const JwsKey& key, std::string_view header, std::string_view payload) {
    const std::string text = url64(header) + "." + url64(payload);
    return text + "." + url64(key.sign(text));
}

std::string good_payload() {
    return fmt::format(R"({{"sub":"ann","exp":{},"groups":["staff","x y"]}})", kNow + 300);
}

std::string fault_of(std::string_view text, std::span<const crypto::PublicKey> keys,
                     std::string_view audience = "", std::int64_t now = kNow) {
    const auto claims = read_jwt(text, keys, audience, now);
    return claims ? "none" : std::string(text_of(claims.error()));
}

TEST(Jwt, OfEachAlgorithmSaysWhoSomebodyIs) {
    const auto keys = keys_of({&rsa(), &p256(), &ed25519()});
    const std::pair<const JwsKey*, const char*> table[] = {
        {&rsa(), "RS256"}, {&p256(), "ES256"}, {&ed25519(), "EdDSA"}};
    for (const auto& [key, algorithm] : table) {
        const auto claims =
            read_jwt(token(*key, fmt::format(R"({{"typ":"JWT","alg":"{}","kid":"1"}})", algorithm),
                           good_payload()),
                     keys, "", kNow);
        ASSERT_TRUE(claims) << algorithm << ": " << text_of(claims.error());
        EXPECT_EQ(claims->user, "ann");
        EXPECT_EQ(claims->groups, (std::vector<std::string>{"staff", "x y"}));
        EXPECT_EQ(claims->expires, kNow + 300);
    }
}

TEST(Jwt, TheKeyDecidesAboutTheAlgorithm) {
    const auto keys = keys_of({&p256()});
    const std::string payload = good_payload();
    for (const char* algorithm : {"none", "None", "NONE", "", "HS256", "HS512", "RS256", "EdDSA",
                                  "ES384", "es256", "PS256"}) {
        const std::string header = fmt::format(R"({{"alg":"{}"}})", algorithm);
        EXPECT_EQ(fault_of(token(p256(), header, payload), keys), "other algorithm") << algorithm;
        EXPECT_EQ(fault_of(url64(header) + "." + url64(payload) + ".", keys), "other algorithm");
        // The public key as the secret of an HMAC, the oldest of attacks.
        const std::string text = url64(header) + "." + url64(payload);
        const auto digest = crypto::hmac_sha256(p256().public_pem(), text);
        EXPECT_EQ(fault_of(text + "." + url64(digest.view()), keys), "other algorithm");
    }
    EXPECT_EQ(fault_of(token(p256(), R"({"alg":"ES256"})", payload), {}), "other algorithm");
}

TEST(Jwt, WhatAnotherKeyHasSignedOrWasChangedIsNotGood) {
    const JwsKey other(test::KeyKind::p256), second(test::KeyKind::p256);
    const auto keys = keys_of({&rsa(), &p256(), &second});
    const std::string header = R"({"alg":"ES256"})";
    EXPECT_EQ(fault_of(token(other, header, good_payload()), keys), "bad signature");
    EXPECT_EQ(fault_of(token(second, header, good_payload()), keys), "none") << "any of them";
    const std::string good = token(p256(), header, good_payload());
    ASSERT_EQ(fault_of(good, keys), "none");
    for (std::size_t at = 0; at < good.size(); ++at) {
        std::string changed = good;
        changed[at] = changed[at] == 'A' ? 'B' : 'A';
        EXPECT_NE(fault_of(changed, keys), "none") << at;
    }
    EXPECT_EQ(fault_of(good.substr(0, good.rfind('.') + 1), keys), "bad signature");
    EXPECT_EQ(fault_of(url64(header) + "." + url64(good_payload()) + "." + url64("x"), keys),
              "bad signature");
}

TEST(Jwt, HoldsFromNbfToExpWithALeewayForClocks) {
    const auto keys = keys_of({&ed25519()});
    const std::string text =
        token(ed25519(), R"({"alg":"EdDSA"})",
              fmt::format(R"({{"sub":"ann","nbf":{},"exp":{}.5}})", kNow, kNow + 300));
    EXPECT_EQ(fault_of(text, keys, "", kNow), "none");
    EXPECT_EQ(fault_of(text, keys, "", kNow - kJwtLeewayS), "none");
    EXPECT_EQ(fault_of(text, keys, "", kNow - kJwtLeewayS - 1), "not yet valid");
    EXPECT_EQ(fault_of(text, keys, "", kNow + 300 + kJwtLeewayS - 1), "none");
    EXPECT_EQ(fault_of(text, keys, "", kNow + 300 + kJwtLeewayS), "expired");
}

TEST(Jwt, IsForTheAudienceThatItNames) {
    const auto keys = keys_of({&ed25519()});
    struct Case {
        const char* claim;
        const char* audience;
        const char* fault;
    };
    const Case table[] = {
        {"", "", "none"},
        {"", "files", "other audience"},
        {R"("aud":"files",)", "files", "none"},
        {R"("aud":["a","files"],)", "files", "none"},
        {R"("aud":"files",)", "", "other audience"},
        {R"("aud":"file",)", "files", "other audience"},
        {R"("aud":["a","b"],)", "files", "other audience"},
        {R"("aud":[],)", "files", "other audience"},
        {R"("aud":{"files":1},)", "files", "other audience"},
        {R"("aud":null,)", "files", "other audience"},
        {R"("aud":[["files"]],)", "files", "other audience"},
    };
    for (const Case& c : table) {
        const std::string payload =
            fmt::format(R"({{{}"sub":"ann","exp":{}}})", c.claim, kNow + 300);
        EXPECT_EQ(fault_of(token(ed25519(), R"({"alg":"EdDSA"})", payload), keys, c.audience),
                  c.fault)
            << c.claim << " for " << c.audience;
    }
}

TEST(Jwt, WhatIsNotAsTheRfcHasItIsMalformed) {
    const auto keys = keys_of({&ed25519()});
    const std::string exp = fmt::format(R"("exp":{})", kNow + 300);
    const std::string payloads[] = {
        "",
        "[]",
        "\"ann\"",
        "{}",
        R"({"sub":"ann"})",
        "{" + exp + "}",
        R"({"sub":"",)" + exp + "}",
        R"({"sub":1,)" + exp + "}",
        R"({"sub":["ann"],)" + exp + "}",
        R"({"sub":"a\u0000b",)" + exp + "}",
        R"({"sub":"a\nb",)" + exp + "}",
        R"({"sub":")" + std::string(kMaxClaimBytes + 1, 'a') + R"(",)" + exp + "}",
        R"({"sub":"ann","sub":"bob",)" + exp + "}",
        R"({"sub":"ann","exp":"1900000000"})",
        R"({"sub":"ann","exp":1e400})",
        R"({"sub":"ann","exp":1e30})",
        R"({"sub":"ann","nbf":true,)" + exp + "}",
        R"({"sub":"ann","groups":"staff",)" + exp + "}",
        R"({"sub":"ann","groups":[1],)" + exp + "}",
        R"({"sub":"ann","groups":[""],)" + exp + "}",
        R"({"sub":"ann",)" + exp + "} ,",
    };
    for (const std::string& payload : payloads)
        EXPECT_EQ(fault_of(token(ed25519(), R"({"alg":"EdDSA"})", payload), keys), "malformed")
            << payload;
    for (const char* header : {"", "{}", "[]", R"({"alg":null})", R"({"alg":["EdDSA"]})",
                               R"({"alg":"EdDSA","alg":"none"})", R"({"alg":"none","alg":"EdDSA"})",
                               R"({"alg":"EdDSA","crit":["exp"]})"})
        EXPECT_EQ(fault_of(token(ed25519(), header, good_payload()), keys), "malformed") << header;
    const std::string good = token(ed25519(), R"({"alg":"EdDSA"})", good_payload());
    for (const std::string& text :
         {std::string(), std::string(".."), std::string("a.b"), good + ".", good + "=", "." + good,
          good + " ", std::string(kMaxJwtBytes, 'a') + good})
        EXPECT_EQ(fault_of(text, keys), "malformed") << text;
}

TEST(Jwts, KeepWhatTheyHaveVerifiedUntilItExpires) {
    const JwtKey keys[] = {{.pem = p256().public_pem(), .name = "key.pem"},
                           {.pem = "none", .name = "odd.pem"}};
    Jwts jwts(keys, "", 2);
    EXPECT_FALSE(jwts.empty());
    const std::string text = token(p256(), R"({"alg":"ES256"})", good_payload());
    for (int n = 0; n < 3; ++n) {
        const auto claims = jwts.find(text, kNow);
        ASSERT_TRUE(claims);
        EXPECT_EQ((*claims)->user, "ann");
    }
    EXPECT_EQ(jwts.find(text, kNow + 300 + kJwtLeewayS).error(), JwtFault::expired);
    EXPECT_EQ(jwts.find(text, kNow + 300 + kJwtLeewayS).error(), JwtFault::expired) << "again";
    EXPECT_TRUE(jwts.find(text, kNow)) << "a clock that was set back";
    EXPECT_EQ(jwts.find(text + "A", kNow).error(), JwtFault::bad_signature);
    EXPECT_EQ(jwts.find(std::string(kMaxJwtBytes + 1, 'a'), kNow).error(), JwtFault::malformed);
}

} // namespace
} // namespace fsrv::access
