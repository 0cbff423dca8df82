#include "worker/http/head_fields.h"

#include <gtest/gtest.h>

namespace fsrv::http {
namespace {

struct Case {
    const char* name;
    std::string head;
    std::string status;
    std::vector<std::pair<std::string, std::string>> fields;
};

const Case kCases[] = {
    {"no field", "HTTP/1.1 204 No Content\r\n\r\n", "204", {}},
    {"names become lower case, values stay",
     "HTTP/1.1 200 OK\r\nETag: \"AbC\"\r\nX-Content-Type-Options: NoSniff\r\n\r\n",
     "200",
     {{"etag", "\"AbC\""}, {"x-content-type-options", "NoSniff"}}},
    {"the order stays, and what comes twice",
     "HTTP/1.1 206 Partial Content\r\nB: 1\r\nA: 2\r\nB: 3\r\n\r\n",
     "206",
     {{"b", "1"}, {"a", "2"}, {"b", "3"}}},
    {"what only HTTP/1 has is left out, whatever its case",
     "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: "
     "1\r\nTRANSFER-ENCODING: "
     "chunked\r\n\r\n",
     "503",
     {{"retry-after", "1"}}},
    {"colons and white space in values",
     "HTTP/1.1 200 OK\r\nDate:  Tue, 14 Nov 2023 22:13:20 GMT \r\n\r\n",
     "200",
     {{"date", "Tue, 14 Nov 2023 22:13:20 GMT"}}},
    {"an empty value", "HTTP/1.1 200 OK\r\nX:\r\nY: \r\n\r\n", "200", {{"x", ""}, {"y", ""}}},
    {"no reason", "HTTP/1.1 200 \r\nX: y\r\n\r\n", "200", {{"x", "y"}}},
};

TEST(SplitHead, IsTheHeadWithoutWhatOnlyHttp1Has) {
    HeadFields fields; // used again: nothing of the one before stays
    for (const Case& row : kCases) {
        SCOPED_TRACE(row.name);
        std::string head = row.head;
        split_head(head, fields);
        EXPECT_EQ(fields.status, row.status);
        ASSERT_EQ(fields.fields.size(), row.fields.size());
        for (std::size_t i = 0; i < row.fields.size(); ++i) {
            EXPECT_EQ(fields.fields[i].name, row.fields[i].first);
            EXPECT_EQ(fields.fields[i].value, row.fields[i].second);
        }
    }
}

TEST(SplitHeads, KnowsAHeadByWhatItSays) {
    SplitHeads heads;
    std::string head = "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nDate: one\r\n\r\n";
    const auto value_of_date = [&] {
        const HeadFields& fields = heads.split(head);
        EXPECT_EQ(fields.status, "200");
        EXPECT_TRUE(fields.names_last);
        EXPECT_EQ(fields.fields.front().name, "etag");
        return std::string(fields.fields.back().value);
    };
    EXPECT_EQ(value_of_date(), "one");
    EXPECT_EQ(value_of_date(), "one");
    head.replace(head.find("one"), 3, "two"); // at the same address
    EXPECT_EQ(value_of_date(), "two");
}

TEST(SplitHeads, NamesStayWhereTheyAre) {
    SplitHeads heads;
    const std::string_view name = heads.split("HTTP/1.1 200 OK\r\nETag: a\r\n\r\n").fields[0].name;
    std::vector<std::string> others;
    for (unsigned i = 0; i < 1'000; ++i)
        others.push_back("HTTP/1.1 200 OK\r\nServer: fsrv\r\nETag: " + std::to_string(i) +
                         "\r\n\r\n");
    for (const std::string& other : others)
        EXPECT_EQ(heads.split(other).fields[1].name.data(), name.data());
    EXPECT_EQ(name, "etag");
}

} // namespace
} // namespace fsrv::http
