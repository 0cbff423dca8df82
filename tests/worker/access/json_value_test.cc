#include "worker/access/json_value.h"

#include <gtest/gtest.h>

namespace fsrv::access {
namespace {

using Kind = JsonValue::Kind;

std::string nested(std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
}

TEST(JsonValue, ReadsWhatRfc8259Has) {
    const auto value = parse_json(
        " {\"s\" : \"a\\n\\u00e4\\uD83D\\uDE00\\\"\\/\" , \"n\":-0.5e+3,\"t\":true,\"f\":false,"
        "\"z\":null,\"a\":[1,[],{}],\"o\":{\"x\":\"y\"}}\r\n\t");
    ASSERT_TRUE(value);
    EXPECT_EQ(value->kind, Kind::object);
    EXPECT_EQ(value->find("s")->text, "a\n\xC3\xA4\xF0\x9F\x98\x80\"/");
    EXPECT_EQ(value->find("n")->text, "-0.5e+3");
    EXPECT_EQ(value->find("t")->kind, Kind::boolean);
    EXPECT_EQ(value->find("z")->kind, Kind::null);
    EXPECT_EQ(value->find("a")->elements.size(), 3U);
    EXPECT_EQ(value->find("o")->find("x")->text, "y");
    EXPECT_EQ(value->find("none"), nullptr);
    for (const char* text : {"0", "-1", "1.5", "1E9", "\"\"", "[]", "{}", "true", "null", "[ ]"})
        EXPECT_TRUE(parse_json(text)) << text;
}

TEST(JsonValue, WhatTwoReadersMayUnderstandInTwoWaysIsNone) {
    const char* const table[] = {
        "",
        " ",
        "{",
        "[",
        "\"",
        "{\"a\":1,\"a\":1}",
        "[1,]",
        "{\"a\":1,}",
        "{\"a\"}",
        "{a:1}",
        "{'a':1}",
        "[1 2]",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "-",
        "0x1",
        "NaN",
        "Infinity",
        "tru",
        "True",
        "nul",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"a\nb\"",
        "\"\xFF\"",
        "{} x",
        "1 1",
        "/**/1",
        "[\"a\",//\n1]",
        "\"\\u+123\"",
        "\"\\u-123\"",
        "\xEF\xBB\xBF{}",
    };
    for (const char* text : table) EXPECT_FALSE(parse_json(text)) << text;
}

TEST(JsonValue, HasBounds) {
    EXPECT_TRUE(parse_json(nested(kMaxJsonDepth + 1)));
    EXPECT_FALSE(parse_json(nested(kMaxJsonDepth + 2)));
    EXPECT_FALSE(parse_json(std::string(100'000, '[')));
    std::string many = "[0";
    for (unsigned n = 2; n < kMaxJsonValues; ++n) many += ",0";
    EXPECT_TRUE(parse_json(many + "]"));
    EXPECT_FALSE(parse_json(many + ",0]"));
}

} // namespace
} // namespace fsrv::access
