#include "worker/http/accept_encoding.h"

#include "tests/worker/http/ask.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace fsrv::http::test {
namespace {

Coding wanted(const std::vector<std::string>& fields, unsigned minor_version = 1) {
    const Asked asked = ask("GET /t", fields);
    Request request = asked.request;
    request.minor_version = minor_version;
    return wanted_coding(request);
}

TEST(AcceptEncoding, DecidesTheCodingAsTheTableSays) {
    const struct {
        const char* value;
        Coding coding;
    } table[] = {
        {"", Coding::identity},
        {"gzip, deflate, br, zstd", Coding::zstd}, // browsers
        {"gzip, deflate, br", Coding::br},
        {"gzip, deflate", Coding::gzip},
        {"deflate, gzip, br, zstd", Coding::zstd}, // curl --compressed
        {"gzip", Coding::gzip},
        {"x-gzip", Coding::gzip},
        {"GZip", Coding::gzip},
        {"zstd", Coding::zstd},
        {"br", Coding::br},
        {"*", Coding::zstd},
        {"identity", Coding::identity},
        {"deflate", Coding::identity},
        {"compress, xz, lzma", Coding::identity},
        {"gzipped", Coding::identity},
        {"gzip;q=1.0, br;q=0.9, zstd;q=0.8", Coding::gzip},
        {"gzip;q=0.5, br;q=0.5", Coding::br},
        {"gzip;q=0.001", Coding::gzip},
        {"gzip;q=0", Coding::identity},
        {"gzip;q=0.000", Coding::identity},
        {"gzip; q=0.3 , br ; q=0.2", Coding::gzip},
        {"gzip;q=0, *", Coding::zstd},
        {"zstd;q=0, *", Coding::br},
        {"zstd;q=0, br;q=0, *;q=0.5", Coding::gzip},
        {"zstd;q=0, br;q=0, gzip;q=0, *", Coding::identity},
        {"*;q=0", Coding::identity},
        {"*;q=0, gzip", Coding::gzip},
        {"*;q=0.1, gzip;q=0.2", Coding::gzip},
        {"*;q=0.3, gzip;q=0.2", Coding::zstd},
        {"identity;q=1, gzip;q=0.5", Coding::identity},
        {"identity;q=0.5, gzip;q=1", Coding::gzip},
        {"identity, gzip", Coding::gzip},
        {"identity;q=0", Coding::identity},
        {"identity;q=0, gzip", Coding::gzip},
        {"identity;q=0, *", Coding::zstd},
        {"identity;q=0.5, *;q=0.4", Coding::identity},
        {"gzip;q=2", Coding::identity}, // a malformed weight takes its element along
        {"gzip;q=0.1234", Coding::identity},
        {"gzip;q=", Coding::identity},
        {"gzip;q=-1, br;q=0.1", Coding::br},
        {"gzip;level=9", Coding::gzip},
        {"gzip, gzip;q=0", Coding::gzip}, // named twice: the larger
        {",,gzip,,", Coding::gzip},
        {"\"gzip\"", Coding::identity},
        {"\"gzip", Coding::identity},
        {";", Coding::identity},
        {"* ;q=1", Coding::zstd},
        {"gzip br", Coding::identity},
    };
    for (const auto& row : table)
        EXPECT_EQ(wanted({std::string("Accept-Encoding: ") + row.value}), row.coding) << row.value;
}

TEST(AcceptEncoding, WithoutTheFieldNothingIsCoded) {
    EXPECT_EQ(wanted({}), Coding::identity);
    EXPECT_EQ(wanted({"TE: gzip", "Accept: gzip"}), Coding::identity);
}

TEST(AcceptEncoding, SeveralFieldsAreOneList) {
    EXPECT_EQ(wanted({"Accept-Encoding: gzip", "accept-encoding: br"}), Coding::br);
    EXPECT_EQ(wanted({"Accept-Encoding: gzip", "Accept-Encoding: *;q=0"}), Coding::gzip);
}

TEST(AcceptEncoding, ReasonsAgainstACoding) {
    const struct {
        const char* field;
        Coding coding;
    } table[] = {
        {"Range: bytes=0-1", Coding::identity},
        {"range: nonsense", Coding::identity},
        {"Cache-Control: no-transform", Coding::identity},
        {"Cache-Control: max-age=0, No-Transform", Coding::identity},
        {"Cache-Control: no-cache", Coding::gzip},
        {"Cache-Control: no-transformers", Coding::gzip},
        {"If-Range: \"x\"", Coding::gzip},
        {"Pragma: no-transform", Coding::gzip},
    };
    for (const auto& row : table) {
        EXPECT_EQ(wanted({"Accept-Encoding: gzip", row.field}), row.coding) << row.field;
        EXPECT_EQ(wanted({row.field, "Accept-Encoding: gzip"}), row.coding) << row.field;
    }
    EXPECT_EQ(wanted({"Accept-Encoding: gzip"}, 0), Coding::identity) << "HTTP/1.0";
}

TEST(AcceptEncoding, EachCodingHasItsNames) {
    EXPECT_EQ(token_of(Coding::identity), "identity");
    EXPECT_EQ(token_of(Coding::zstd), "zstd");
    EXPECT_EQ(token_of(Coding::gzip), "gzip");
    EXPECT_EQ(suffix_of(Coding::br), "br");
    EXPECT_EQ(suffix_of(Coding::gzip), "gz");
}

} // namespace
TEST(AcceptEncoding, ListsAllThatAreWantedTheBestFirst) {
    const struct {
        const char* value;
        std::vector<Coding> codings;
    } table[] = {
        {"", {}},
        {"gzip", {Coding::gzip}},
        {"gzip, br", {Coding::br, Coding::gzip}},
        {"gzip;q=0.9, br;q=0.5, zstd;q=0.7", {Coding::gzip, Coding::zstd, Coding::br}},
        {"gzip;q=0.5, br;q=0.4, identity;q=0.5", {Coding::gzip}},
        {"*", {Coding::zstd, Coding::br, Coding::gzip}},
        {"*;q=0.1, br;q=0", {Coding::zstd, Coding::gzip}},
        {"identity;q=0, gzip;q=0.1", {Coding::gzip}},
    };
    for (const auto& row : table) {
        const Asked asked = ask("GET /t", {std::string("Accept-Encoding: ") + row.value,
                                           "Range: bytes=0-", "Cache-Control: no-transform"});
        const CodingList list = wanted_codings(asked.request);
        const auto all = list.all();
        EXPECT_EQ(std::vector<Coding>(all.begin(), all.end()), row.codings) << row.value;
    }
}

} // namespace fsrv::http::test
