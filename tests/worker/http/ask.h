// Requests for the tests of pure code: written as a client would send them, parsed as the server
// would parse them.
#pragma once

#include "worker/http/parser.h"
#include "worker/http/request.h"

#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace fsrv::http::test {

// A request, and the bytes and the parser that its views point into.
struct Asked {
    std::unique_ptr<std::string> bytes;
    std::unique_ptr<RequestParser> parser;
    HeadResult result;
    Request request;
};

inline Asked parse(std::string bytes, ParserLimits limits = {}) {
    Asked asked{.bytes = std::make_unique<std::string>(std::move(bytes)),
                .parser = std::make_unique<RequestParser>(limits)};
    asked.result = asked.parser->parse_head(*asked.bytes, asked.request);
    return asked;
}

// "GET /t", {"Range: bytes=0-1"}: with a version and a Host; must be sound.
inline Asked ask(std::string_view line, const std::vector<std::string>& fields = {}) {
    std::string bytes = std::string(line) + " HTTP/1.1\r\nHost: h\r\n";
    for (const std::string& field : fields) bytes += field + "\r\n";
    Asked asked = parse(bytes + "\r\n");
    EXPECT_EQ(asked.result.status, HeadStatus::complete) << bytes << asked.result.refusal.what;
    return asked;
}

inline std::string repeat(std::string_view text, std::size_t times) {
    std::string all;
    for (std::size_t i = 0; i < times; ++i) all += text;
    return all;
}

} // namespace fsrv::http::test
