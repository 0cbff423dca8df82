// Every row of the documents' HTTP table that a plan decides: files and ranges.
#include "tests/worker/http/plan_ask.h"

#include <fmt/format.h>

namespace fsrv::http::test {
namespace {

struct Row {
    const char* name;
    std::vector<std::string> fields;
    int status;
    std::string content_range; // of the answer; empty: none
    std::string body;          // of a 200 or 206 in one part; empty: not looked at
    std::uint64_t size = 1000;
    std::string_view line = "GET /t";
};

TEST(Plan, AnswersAFileAsTheTableSays) {
    const std::string all = pattern(1000);
    const Row table[] = {
        {"plain", {}, 200, "", all},
        {"HEAD", {}, 200, "", "", 1000, "HEAD /t"},
        {"first 500", {"Range: bytes=0-499"}, 206, "bytes 0-499/1000", all.substr(0, 500)},
        {"from 500", {"Range: bytes=500-"}, 206, "bytes 500-999/1000", all.substr(500)},
        {"last 500", {"Range: bytes=-500"}, 206, "bytes 500-999/1000", all.substr(500)},
        {"end past EOF", {"Range: bytes=990-5000"}, 206, "bytes 990-999/1000", all.substr(990)},
        {"suffix of more than all", {"Range: bytes=-5000"}, 206, "bytes 0-999/1000", all},
        {"behind the end", {"Range: bytes=1000-"}, 416, "bytes */1000", ""},
        {"suffix of nothing", {"Range: bytes=-0"}, 416, "bytes */1000", ""},
        {"backwards", {"Range: bytes=500-100"}, 416, "bytes */1000", ""},
        {"letters", {"Range: bytes=abc"}, 416, "bytes */1000", ""},
        {"no comma", {"Range: bytes=1-2 3-"}, 416, "bytes */1000", ""},
        {"other unit", {"Range: items=0-1"}, 200, "", all},
        {"Range on HEAD", {"Range: bytes=0-1"}, 200, "", "", 1000, "HEAD /t"},
        {"bad Range on HEAD", {"Range: bytes=x"}, 200, "", "", 1000, "HEAD /t"},
        {"Range twice", {"Range: bytes=0-1", "Range: bytes=0-1"}, 200, "", all},
        {"Range twice, one bad", {"Range: bytes=0-1", "Range: bytes=x"}, 200, "", all},
        {"one satisfiable of two",
         {"Range: bytes=5000-,0-9"},
         206,
         "bytes 0-9/1000",
         all.substr(0, 10)},
        {"more than the file", {"Range: bytes=0-500,500-"}, 200, "", all},
        {"empty file, Range", {"Range: bytes=0-"}, 200, "", "", 0},
        {"empty file, suffix", {"Range: bytes=-5"}, 200, "", "", 0},
        {"number over 2^63", {"Range: bytes=10-9223372036854775808"}, 206, "bytes 10-999/1000", ""},
        {"30 digits", {"Range: bytes=999999999999999999999999999999-"}, 416, "bytes */1000", ""},
        {"If-None-Match", {"If-None-Match: *"}, 304, "", ""},
        {"If-None-Match on HEAD", {"If-None-Match: *"}, 304, "", "", 1000, "HEAD /t"},
        {"If-Modified-Since", {"If-Modified-Since: " MODIFIED}, 304, "", ""},
        {"If-Modified-Since older", {"If-Modified-Since: " OLDER}, 200, "", all},
        {"If-Match", {"If-Match: \"other\""}, 412, "", ""},
        {"If-Match on HEAD", {"If-Match: \"other\""}, 412, "", "", 1000, "HEAD /t"},
        {"If-Unmodified-Since", {"If-Unmodified-Since: " OLDER}, 412, "", ""},
        {"RG17 304 wins over Range", {"Range: bytes=0-1", "If-None-Match: *"}, 304, "", ""},
        {"RG17 304 wins over a bad Range", {"Range: bytes=x", "If-None-Match: *"}, 304, "", ""},
        {"RG17 412 wins over Range", {"Range: bytes=0-1", "If-Match: \"other\""}, 412, "", ""},
        {"If-Range date", {"Range: bytes=0-1", "If-Range: " MODIFIED}, 206, "bytes 0-1/1000", "ab"},
        {"If-Range other date", {"Range: bytes=0-1", "If-Range: " OLDER}, 200, "", all},
        {"If-Range other tag", {"Range: bytes=0-1", "If-Range: \"other\""}, 200, "", all},
        {"If-Range fails, bad Range", {"Range: bytes=x", "If-Range: \"other\""}, 200, "", all},
        {"If-Range without Range", {"If-Range: \"other\""}, 200, "", all},
    };
    for (const Row& row : table) {
        SCOPED_TRACE(row.name);
        const Plan made = plan(row.line, row.fields, file_of(row.size));
        EXPECT_EQ(made.status, row.status);
        EXPECT_EQ(field(made, "Content-Range").value_or(""), row.content_range);
        if (!row.body.empty()) {
            EXPECT_EQ(bytes_of(made.body), row.body);
        }
        EXPECT_FALSE(made.close);
        const bool file = made.status == 200 || made.status == 206;
        const Validators validators = make_validators({row.size, kModified}, kNow);
        EXPECT_EQ(field(made, "ETag"),
                  file || made.status == 304 ? std::optional(validators.etag) : std::nullopt);
        EXPECT_EQ(field(made, "Last-Modified"), file ? std::optional(MODIFIED ""s) : std::nullopt);
        EXPECT_EQ(field(made, "Accept-Ranges"), file ? std::optional("bytes"s) : std::nullopt);
    }
}

TEST(Plan, IfRangeWithTheFilesOwnTagGivesTheRange) {
    const std::string etag = make_validators({1000, kModified}, kNow).etag;
    const Plan made = plan("GET /t", {"Range: bytes=1-2", "If-Range: " + etag}, file_of(1000));
    EXPECT_EQ(made.status, 206);
    EXPECT_EQ(bytes_of(made.body), "bc");
}

TEST(Plan, YoungFileNeverMatchesIfRange) {
    const std::string weak = make_validators({1000, kNow}, kNow).etag;
    ASSERT_TRUE(weak.starts_with("W/"));
    for (const std::string& value : {weak, weak.substr(2), "Sun, 06 Nov 1994 11:06:40 GMT"s}) {
        const Plan made =
            plan("GET /t", {"Range: bytes=1-2", "If-Range: " + value}, file_of(1000, kNow));
        EXPECT_EQ(made.status, 200) << value;
    }
    EXPECT_EQ(plan("GET /t", {"Range: bytes=1-2"}, file_of(1000, kNow)).status, 206);
    EXPECT_EQ(plan("GET /t", {"If-None-Match: " + weak}, file_of(1000, kNow)).status, 304);
}

TEST(Plan, HeadHasTheFieldsOfGet) { // CD11
    struct Case {
        const char* name;
        FindResult found;
    };
    Resource listing{.body = Body::of("<html>"s), .content_type = "text/html; charset=utf-8"};
    Resource attachment = file_of(10);
    attachment.content_disposition = "attachment; filename=\"t\"";
    const Case cases[] = {
        {"file", file_of(1000)},
        {"empty file", file_of(0)},
        {"attachment", attachment},
        {"listing", listing},
        {"missing", unexpected(Miss{.status = 404})},
        {"redirect", unexpected(Miss{.status = 301, .location = "/t/"})},
        {"busy", unexpected(Miss{.status = 503})},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        const Plan get = plan("GET /t", {}, c.found);
        const Plan head = plan("HEAD /t", {}, c.found);
        EXPECT_EQ(head.status, get.status);
        EXPECT_EQ(head.fields, get.fields);
        EXPECT_TRUE(head.body.segments.empty());
    }
}

TEST(Plan, AttachmentSaysSo) {
    Resource resource = file_of(10);
    resource.content_disposition = "attachment; filename=\"t\"";
    EXPECT_EQ(field(plan("GET /t", {}, resource), "Content-Disposition"),
              "attachment; filename=\"t\"");
    EXPECT_EQ(field(plan("GET /t", {"Range: bytes=0-1"}, resource), "Content-Disposition"),
              "attachment; filename=\"t\"");
    EXPECT_EQ(field(plan("GET /t", {}, file_of(10)), "Content-Disposition"), std::nullopt);
}

TEST(Plan, ListingHasNoValidatorsNoConditionsAndNoRanges) {
    const Resource listing{.body = Body::of("0123456789"s),
                           .content_type = "text/html; charset=utf-8",
                           .extra_fields = "Vary: Accept\r\n"};
    for (const char* line :
         {"Range: bytes=0-1", "Range: bytes=x", "If-None-Match: *", "If-Match: \"x\"",
          "If-Modified-Since: " MODIFIED, "If-Unmodified-Since: " OLDER}) {
        const Plan made = plan("GET /t/", {line}, listing);
        EXPECT_EQ(made.status, 200) << line;
        EXPECT_EQ(bytes_of(made.body), "0123456789");
        EXPECT_EQ(field(made, "ETag"), std::nullopt);
        EXPECT_EQ(field(made, "Last-Modified"), std::nullopt);
        EXPECT_EQ(field(made, "Accept-Ranges"), std::nullopt);
        EXPECT_EQ(field(made, "Vary"), "Accept");
    }
}

TEST(Plan, NotModifiedRepeatsWhatCachesNeedAndNothingElse) { // CD06
    Resource resource = file_of(10);
    resource.content_disposition = "attachment";
    resource.extra_fields = "Vary: Accept\r\nX-Own: a\r\ncache-control: no-cache\r\n"
                            "Content-Security-Policy: x\r\nContent-Location: /y\r\nExpires: 0\r\n";
    const Plan made = plan("GET /t", {"If-None-Match: *"}, resource);
    EXPECT_EQ(made.status, 304);
    EXPECT_EQ(made.fields, "ETag: " + resource.validators->etag +
                               "\r\nVary: Accept\r\ncache-control: no-cache\r\n"
                               "Content-Location: /y\r\nExpires: 0\r\n");
}

TEST(Plan, MaxRangesZeroTurnsRangesOff) {
    for (const char* value : {"bytes=0-1", "bytes=x", "bytes=5000-"}) {
        const Plan made = plan("GET /t", {"Range: "s + value}, file_of(1000), {.max_ranges = 0});
        EXPECT_EQ(made.status, 200) << value;
        EXPECT_EQ(field(made, "Accept-Ranges"), std::nullopt);
        EXPECT_TRUE(field(made, "ETag"));
    }
}

TEST(Plan, MoreRangesThanMayBeGiveTheWhole) {
    const std::vector<std::string> three = {"Range: bytes=0-0,2-2,4-4"};
    EXPECT_EQ(plan("GET /t", three, file_of(1000), {.max_ranges = 2}).status, 200);
    EXPECT_EQ(plan("GET /t", three, file_of(1000), {.max_ranges = 3}).status, 206);
}

struct Part {
    std::string content_range, content_type, bytes;
};

// Reads a multipart/byteranges body as RFC 2046 5.1 has it.
std::vector<Part> parts_of(const Plan& plan) {
    const auto type = field(plan, "Content-Type").value_or("");
    const std::string prefix = "multipart/byteranges; boundary=";
    EXPECT_TRUE(type.starts_with(prefix)) << type;
    const std::string delimiter = "--" + type.substr(prefix.size());
    EXPECT_LE(delimiter.size(), 72U);
    EXPECT_EQ(delimiter.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-"),
              std::string::npos);
    std::vector<Part> parts;
    std::string rest = bytes_of(plan.body);
    EXPECT_TRUE(rest.starts_with("\r\n" + delimiter + "\r\n"));
    rest.erase(0, 2 + delimiter.size());
    while (rest.starts_with("\r\n")) {
        const auto head_end = rest.find("\r\n\r\n");
        const auto part_end = rest.find("\r\n" + delimiter);
        if (head_end == std::string::npos || part_end == std::string::npos) break;
        Part part{.bytes = rest.substr(head_end + 4, part_end - head_end - 4)};
        const Fields fields = fields_of({.fields = rest.substr(2, head_end)});
        EXPECT_EQ(fields.size(), 2U);
        part.content_type = fields.find("Content-Type")->second;
        part.content_range = fields.find("Content-Range")->second;
        parts.push_back(part);
        rest.erase(0, part_end + 2 + delimiter.size());
    }
    EXPECT_EQ(rest, "--\r\n");
    return parts;
}

TEST(Plan, SeveralRangesAreAMultipartInTheOrderAsked) { // RG13
    const std::string all = pattern(1000);
    struct Multi {
        const char* value;
        std::vector<std::pair<std::size_t, std::size_t>> ranges; // first, length
    };
    const Multi table[] = {
        {"bytes=0-9,20-29", {{0, 10}, {20, 10}}},
        {"bytes=20-29,0-9", {{20, 10}, {0, 10}}},
        {"bytes=0-9,10-19", {{0, 10}, {10, 10}}},
        {"bytes=0-9,5-14", {{0, 10}, {5, 10}}},
        {"bytes=0-0,-1", {{0, 1}, {999, 1}}},
        {"bytes=0-0,5000-,7-7,-0,9-9", {{0, 1}, {7, 1}, {9, 1}}},
        {"bytes=500-,0-499", {{500, 500}, {0, 500}}},
    };
    for (const Multi& row : table) {
        SCOPED_TRACE(row.value);
        const Plan made =
            plan("GET /t", {"Range: "s + row.value}, file_of(1000), {.boundary_key = 5});
        EXPECT_EQ(made.status, 206);
        EXPECT_EQ(field(made, "Content-Range"), std::nullopt);
        EXPECT_TRUE(field(made, "ETag"));
        const auto parts = parts_of(made);
        ASSERT_EQ(parts.size(), row.ranges.size());
        for (std::size_t i = 0; i < parts.size(); ++i) {
            const auto [first, length] = row.ranges[i];
            EXPECT_EQ(parts[i].content_type, "text/plain; charset=utf-8");
            EXPECT_EQ(parts[i].content_range,
                      fmt::format("bytes {}-{}/1000", first, first + length - 1));
            EXPECT_EQ(parts[i].bytes, all.substr(first, length));
        }
    }
}

TEST(Plan, MultipartOfAFileOpensItOnceAndReadsNothing) {
    auto file = std::make_shared<OpenFile>();
    file->size = 1ULL << 40;
    const Resource resource{.body = Body::of(std::shared_ptr<const OpenFile>(file)),
                            .content_type = "application/octet-stream",
                            .validators = make_validators({file->size, kModified}, kNow)};
    const Plan made = plan("GET /t", {"Range: bytes=4294967295-4294967296,-4"}, resource); // RG21
    std::vector<std::pair<std::uint64_t, std::uint64_t>> extents;
    for (const Segment& segment : made.body.segments)
        if (const auto* extent = std::get_if<FileExtent>(&segment)) {
            EXPECT_EQ(extent->file, file);
            extents.emplace_back(extent->offset, extent->length);
        }
    EXPECT_EQ(extents, (std::vector<std::pair<std::uint64_t, std::uint64_t>>{
                           {4294967295, 2}, {(1ULL << 40) - 4, 4}}));
}

TEST(Plan, BoundaryDependsOnTheKeyAndTheFile) {
    const auto boundary = [](std::uint64_t key, std::uint64_t size) {
        return *field(
            plan("GET /t", {"Range: bytes=0-0,2-2"}, file_of(size), {.boundary_key = key}),
            "Content-Type");
    };
    EXPECT_EQ(boundary(1, 1000), boundary(1, 1000));
    EXPECT_NE(boundary(1, 1000), boundary(2, 1000));
    EXPECT_NE(boundary(1, 1000), boundary(1, 1001));
}

TEST(Plan, FileWithoutATimeHasNoLastModified) { // CD09
    for (const std::int64_t seconds :
         std::initializer_list<std::int64_t>{-99999999999999, 0, 1, 315532800}) {
        Resource file = file_of(10, {.seconds = seconds}); // nor a ctime: nothing tells it apart
        const Plan bare = plan("GET /t", {"If-None-Match: \"x\""}, file);
        EXPECT_EQ(bare.status, 200);
        EXPECT_EQ(field(bare, "Last-Modified"), std::nullopt);
        EXPECT_EQ(field(bare, "ETag"), std::nullopt);
        EXPECT_EQ(field(bare, "Accept-Ranges"), "bytes");
        EXPECT_EQ(plan("GET /t", {"Range: bytes=1-2"}, file).status, 206);
        EXPECT_EQ(plan("GET /t", {"Range: bytes=1-2", "If-Range: \"\""}, file).status, 200);
        const Plan same = plan("GET /t", {"If-None-Match: *"}, file);
        EXPECT_EQ(same.status, 304);
        EXPECT_EQ(same.fields, "");
        file.validators =
            make_validators({.size = 10, .mtime = {.seconds = seconds}, .ctime = kModified}, kNow);
        const Plan made = plan("GET /t", {}, file);
        EXPECT_EQ(field(made, "Last-Modified"), std::nullopt);
        EXPECT_TRUE(field(made, "ETag")->starts_with("W/"));
    }
}

TEST(Plan, FileFromTheFutureIsAsOldAsTheAnswer) { // CD09
    const Plan made = plan("GET /t", {}, file_of(10, {.seconds = kNow.seconds + 1000}));
    EXPECT_EQ(field(made, "Last-Modified"), "Sun, 06 Nov 1994 11:06:40 GMT");
    EXPECT_TRUE(field(made, "ETag")->starts_with('"'));
}

// A text of 1,000 bytes, and what codings make of it.
Resource coded_file() {
    Resource file = file_of(1000);
    file.negotiated = true;
    for (const Coding coding : {Coding::gzip, Coding::zstd})
        file.coded.push_back(
            {.coding = coding,
             .body = Body::of("in " + std::string(token_of(coding))),
             .validators = coded_validators(*file.validators, coding, coding == Coding::zstd)});
    return file;
}

TEST(Plan, ChoosesARepresentationByAcceptEncoding) {
    const std::string tag = coded_file().validators->etag;
    const std::string gzip_tag = tag.substr(0, tag.size() - 1) + "-gz\"";
    const std::string zstd_tag = "W/" + tag.substr(0, tag.size() - 1) + "-zst\"";
    const struct {
        const char* name;
        std::vector<std::string> fields;
        int status;
        std::string coding; // of the answer; empty: identity
        std::string etag;
    } table[] = {
        {"no field", {}, 200, "", tag},
        {"gzip", {"Accept-Encoding: gzip"}, 200, "gzip", gzip_tag},
        {"the server's order", {"Accept-Encoding: gzip, zstd"}, 200, "zstd", zstd_tag},
        {"one that is not there", {"Accept-Encoding: br, gzip;q=0.5"}, 200, "", tag},
        {"Range", {"Accept-Encoding: gzip", "Range: bytes=0-9"}, 206, "", tag},
        {"bad Range", {"Accept-Encoding: gzip", "Range: bytes=9-0"}, 416, "", ""},
        {"its tag", {"Accept-Encoding: gzip", "If-None-Match: " + gzip_tag}, 304, "", gzip_tag},
        {"its tag, weak",
         {"Accept-Encoding: zstd", "If-None-Match: " + zstd_tag},
         304,
         "",
         zstd_tag},
        {"another one's tag",
         {"Accept-Encoding: gzip", "If-None-Match: " + tag},
         200,
         "gzip",
         gzip_tag},
        {"a coded one's tag for the identity", {"If-None-Match: " + gzip_tag}, 200, "", tag},
        {"If-Match", {"Accept-Encoding: gzip", "If-Match: " + gzip_tag}, 200, "gzip", gzip_tag},
        {"If-Match, another one's", {"Accept-Encoding: gzip", "If-Match: " + tag}, 412, "", ""},
        {"If-Match, weak", {"Accept-Encoding: zstd", "If-Match: " + zstd_tag}, 412, "", ""},
        {"date", {"Accept-Encoding: gzip", "If-Modified-Since: " MODIFIED}, 304, "", gzip_tag},
        {"If-Range with a coded one's tag",
         {"Accept-Encoding: gzip", "Range: bytes=0-9", "If-Range: " + gzip_tag},
         200,
         "",
         tag},
        {"no-transform", {"Accept-Encoding: gzip", "Cache-Control: no-transform"}, 200, "", tag},
    };
    for (const auto& row : table) {
        for (const char* method : {"GET /t", "HEAD /t"}) {
            SCOPED_TRACE(std::string(method) + " " + row.name);
            const bool head = method[0] == 'H';
            const Plan made = plan(method, row.fields, coded_file());
            if (row.status == 206 || row.status == 416) {
                EXPECT_EQ(made.status, head ? 200 : row.status);
            } else {
                EXPECT_EQ(made.status, row.status);
            }
            EXPECT_EQ(field(made, "Content-Encoding").value_or(""), row.coding);
            EXPECT_EQ(field(made, "ETag").value_or(""), head && row.status == 416 ? tag : row.etag);
            EXPECT_NE(field(made, "Vary").value_or("").find("Accept-Encoding"), std::string::npos);
            EXPECT_EQ(field(made, "Accept-Ranges").has_value(),
                      row.coding.empty() && (made.status == 200 || made.status == 206));
            if (!row.coding.empty() && !head) {
                EXPECT_EQ(bytes_of(made.body), "in " + row.coding);
            }
        }
    }
    EXPECT_EQ(field(plan("GET /t", {}, file_of(1000)), "Vary"), std::nullopt);
}

TEST(Plan, WhatIsOnlyAStreamHasNeitherLengthNorRanges) {
    Resource packed = coded_file();
    packed.coded.clear();
    packed.body.segments = {Stream{}};
    const Asked asked = ask("GET /t", {"Range: bytes=0-5"});
    const Plan made = plan_resource(asked.request, std::move(packed), {}, kNow);
    EXPECT_EQ(made.status, 200);
    EXPECT_EQ(field(made, "Content-Length"), std::nullopt);
    EXPECT_EQ(field(made, "Accept-Ranges"), std::nullopt);
    EXPECT_TRUE(field(made, "ETag").has_value());
}

TEST(Plan, TellsTheDigestOfTheSelectedRepresentationToWhoWantsIt) {
    const std::string tag = "If-None-Match: " + file_of(10).validators->etag;
    const struct {
        const char* line;
        std::vector<std::string> fields;
        int status;
        const char* digest; // none: no such field
    } rows[] = {
        {"GET /t", {}, 200, nullptr},
        {"GET /t", {"Want-Repr-Digest: sha-256=0"}, 200, nullptr},
        {"GET /t", {"Want-Repr-Digest: sha-512=9"}, 200, nullptr},
        {"GET /t", {"Want-Repr-Digest: sha-256=1"}, 200, "identity"},
        {"HEAD /t", {"Want-Repr-Digest: sha-256=1"}, 200, "identity"},
        {"GET /t", {"Want-Repr-Digest: sha-256=1", "Range: bytes=0-1"}, 206, "identity"},
        {"GET /t", {"Want-Repr-Digest: sha-256=1", "Range: bytes=0-1,4-5"}, 206, "identity"},
        {"GET /t", {"Want-Repr-Digest: sha-256=1", tag}, 304, "identity"},
        {"GET /t", {tag}, 304, nullptr},
        // What is sent then is no representation of the file.
        {"GET /t", {"Want-Repr-Digest: sha-256=1", "Range: bytes=99-"}, 416, nullptr},
        {"GET /t", {"Want-Repr-Digest: sha-256=1", "If-Match: \"x\""}, 412, nullptr},
        {"GET /t", {"Want-Repr-Digest: sha-256=1", "Accept-Encoding: gzip"}, 200, "coded"},
        {"GET /t", {"Want-Repr-Digest: sha-256=1", "Accept-Encoding: br"}, 200, nullptr},
    };
    for (const auto& row : rows) {
        SCOPED_TRACE(row.line + (row.fields.empty() ? "" : " " + row.fields.back()));
        for (const bool allowed : {true, false}) {
            Resource found = file_of(10);
            found.repr_digest = "identity";
            found.digests = allowed;
            found.negotiated = true;
            for (const Coding coding : {Coding::gzip, Coding::br})
                found.coded.push_back(
                    {.coding = coding,
                     .body = Body::of("coded"),
                     .validators = coded_validators(*found.validators, coding, false),
                     .repr_digest = coding == Coding::gzip ? "coded" : ""});
            const Plan made = plan(row.line, row.fields, std::move(found));
            EXPECT_EQ(made.status, row.status);
            const auto digest = field(made, "Repr-Digest");
            EXPECT_EQ(digest.has_value(), allowed && row.digest != nullptr);
            EXPECT_EQ(digest.value_or(""), allowed && row.digest ? row.digest : "");
        }
    }
}

TEST(Plan, AStreamHasNoLength) {
    Resource file = coded_file();
    file.coded[0].body.segments = {Stream{}};
    const Asked asked = ask("GET /t", {"Accept-Encoding: gzip"});
    const Plan made = plan_resource(asked.request, std::move(file), {}, kNow);
    EXPECT_EQ(made.status, 200);
    EXPECT_EQ(field(made, "Content-Encoding"), "gzip");
    EXPECT_EQ(field(made, "Content-Length"), std::nullopt);
    EXPECT_FALSE(made.body.has_known_size());
}

} // namespace
} // namespace fsrv::http::test
