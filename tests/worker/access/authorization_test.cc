#include "worker/access/authorization.h"

#include "common/crypto/base64.h"

#include <gtest/gtest.h>

namespace fsrv::access {
namespace {

using Kind = Authorization::Kind;

std::string basic(std::string_view text) {
    return "Basic " + crypto::encode_base64(text, crypto::Base64::standard);
}

TEST(Authorization, BasicIsAUserAndAPassword) {
    struct Case {
        std::string value;
        const char* user;
        const char* password;
    };
    const Case table[] = {
        {"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame"}, // RFC 7617
        {"Basic dGVzdDoxMjPCow==", "test", "123\xC2\xA3"},                // likewise
        {basic("a:b:c"), "a", "b:c"},
        {basic("a:"), "a", ""},
        {basic(":b"), "", "b"},
        {basic(":"), "", ""},
        {"bAsIc   " + basic("a:b").substr(6), "a", "b"},
        {basic("\xC3\xA4:\xE2\x82\xAC"), "\xC3\xA4", "\xE2\x82\xAC"},
    };
    for (const Case& c : table) {
        const Authorization said = parse_authorization(c.value);
        EXPECT_EQ(said.kind, Kind::basic) << c.value << ": " << said.why;
        EXPECT_EQ(said.user, c.user);
        EXPECT_EQ(said.password.view(), c.password);
    }
}

TEST(Authorization, BearerIsAToken) {
    for (const char* token : {"abc", "a.b.c", "AZaz09-._~+/", "abc==", "mF_9.B5f-4.1JqM"}) {
        const std::string value = std::string("Bearer ") + token;
        const Authorization said = parse_authorization(value);
        EXPECT_EQ(said.kind, Kind::bearer) << token;
        EXPECT_EQ(said.token, token);
    }
}

TEST(Authorization, WhoUsesAnotherSchemeHasSaidNothing) {
    for (const char* value : {"", " ", "Digest username=\"a\"", "Negotiate YII=", "Basically x",
                              "Bearer2 x", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="})
        EXPECT_EQ(parse_authorization(value).kind, Kind::none) << value;
}

TEST(Authorization, WhatIsNotAsItsSchemeHasItIsBroken) {
    const std::string table[] = {
        "Basic",
        "Basic ",
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ", // no padding
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ== ",
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==x",
        "Basic QWxh ZGRpbg==",
        "Basic a:b",
        basic("no colon"),
        basic("a\nb:c"),
        basic("a:b\x7F"),
        basic(std::string_view("a\0:b", 4)),
        basic("\xE4:latin 1"),
        basic("a:\xC0\x80"),
        "Bearer",
        "Bearer ",
        "Bearer =",
        "Bearer a b",
        "Bearer a=b",
        "Bearer a,b",
        "Bearer \"a\"",
        "Bearer \xC3\xA4",
    };
    for (const std::string& value : table) {
        const Authorization said = parse_authorization(value);
        EXPECT_EQ(said.kind, Kind::broken) << value;
        EXPECT_FALSE(said.why.empty());
    }
}

TEST(Authorization, MoreThanOneFieldIsRefused) {
    http::Request request;
    EXPECT_EQ(read_authorization(request)->kind, Kind::none);
    request.fields[0] = {.name = "AUTHORIZATION", .value = "Bearer x"};
    request.fields[1] = {.name = "authorization", .value = "Bearer x"};
    request.field_count = 1;
    EXPECT_EQ(read_authorization(request)->token, "x");
    request.field_count = 2;
    const auto refused = read_authorization(request);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().status, 400);
}

} // namespace
} // namespace fsrv::access
