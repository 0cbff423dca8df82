// The pure code that every request runs through.
#include "tests/bench/allocations.h"
#include "worker/http/parser.h"
#include "worker/http/plan.h"
#include "worker/http/ranges.h"
#include "worker/http/response_head.h"
#include "worker/http/target.h"

#include <memory>
#include <string>
#include <string_view>

namespace fsrv::http {
namespace {

using bench::AllocationColumn;
constexpr FileTime kNow{.seconds = 1'800'000'000, .nanoseconds = 0};
constexpr FileTime kMtime{.seconds = 1'700'000'000, .nanoseconds = 123'456'789};
constexpr std::uint64_t kGiB = 1024 * 1024 * 1024;

constexpr std::string_view kShortHead = "GET /1k.bin HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";
constexpr std::string_view kBrowserHead =
    "GET /video/holiday.mp4 HTTP/1.1\r\n"
    "Host: files.example.org\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/120.0.0.0 Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Accept-Language: en-GB,en;q=0.9\r\n"
    "Referer: http://files.example.org/video/\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef\r\n"
    "Range: bytes=1048576-\r\n"
    "If-Range: \"40000000-18b3ad5c5e1cd15\"\r\n"
    "Connection: keep-alive\r\n\r\n";
constexpr std::string_view kRangeHead = "GET /1g.bin HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"
                                        "Range: bytes=1048576-1114111\r\n\r\n";
constexpr std::string_view kMatchHead = "GET /1g.bin HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"
                                        "If-None-Match: *\r\n\r\n";

void parse_head(benchmark::State& state, std::string_view head) {
    RequestParser parser({});
    const auto request = std::make_unique<Request>();
    const AllocationColumn column(state);
    for (auto _ : state) {
        parser.reset();
        const HeadResult result = parser.parse_head(head, *request);
        if (result.status != HeadStatus::complete) state.SkipWithError("refused");
        benchmark::DoNotOptimize(result);
    }
}
BENCHMARK_CAPTURE(parse_head, short, kShortHead);
BENCHMARK_CAPTURE(parse_head, range, kRangeHead);
BENCHMARK_CAPTURE(parse_head, browser, kBrowserHead);

void target(benchmark::State& state, std::string_view origin) {
    const AllocationColumn column(state);
    for (auto _ : state) benchmark::DoNotOptimize(parse_target(origin));
}
BENCHMARK_CAPTURE(target, short, "/1k.bin");
BENCHMARK_CAPTURE(target, long, "/a/folder/with%20spaces/and/../more/holiday%20of%202024.mp4");
BENCHMARK_CAPTURE(target, api, "/files?path=test_files%2F1000MB-file.tar");

void ranges(benchmark::State& state, std::string_view value) {
    const AllocationColumn column(state);
    for (auto _ : state) benchmark::DoNotOptimize(evaluate_ranges(value, kGiB, 64));
}
BENCHMARK_CAPTURE(ranges, one, "bytes=1048576-1114111");
BENCHMARK_CAPTURE(ranges, four, "bytes=0-4095,100000-104095,200000-204095,300000-304095");

Resource big_file() {
    auto file = std::make_shared<OpenFile>();
    file->size = kGiB;
    file->mtime = kMtime;
    return {.body = Body::of(std::shared_ptr<const OpenFile>(file)),
            .content_type = "application/octet-stream",
            .validators = make_validators({.size = kGiB, .mtime = kMtime}, kNow),
            .path = "1g.bin",
            .content_disposition = "",
            .extra_fields = ""};
}

// What a cached file costs that is not answered with its ready head: a copy of the resource, too.
void plan(benchmark::State& state, std::string_view head) {
    RequestParser parser({});
    const auto request = std::make_unique<Request>();
    parser.parse_head(head, *request);
    const Resource resource = big_file();
    const PlanConfig config{.boundary_key = 7};
    const AllocationColumn column(state);
    for (auto _ : state)
        benchmark::DoNotOptimize(plan_resource(*request, FindResult(resource), config, kNow));
}
BENCHMARK_CAPTURE(plan, whole, kShortHead);
BENCHMARK_CAPTURE(plan, range, kRangeHead);
BENCHMARK_CAPTURE(plan, not_modified, kMatchHead);

void response_head(benchmark::State& state) {
    RequestParser parser({});
    const auto request = std::make_unique<Request>();
    parser.parse_head(kRangeHead, *request);
    const Plan planned = plan_resource(*request, FindResult(big_file()), {}, kNow);
    std::string head;
    const AllocationColumn column(state);
    for (auto _ : state) {
        head.clear();
        append_response_head(head, planned, {.date = "Fri, 15 Jan 2027 08:00:00 GMT"});
        benchmark::DoNotOptimize(head.data());
    }
}
BENCHMARK(response_head);

} // namespace
} // namespace fsrv::http
BENCHMARK_MAIN(); // here, since the tests' support brings a main of its own
