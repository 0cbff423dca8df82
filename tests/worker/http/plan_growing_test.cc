#include "worker/http/plan_growing.h"

#include "tests/worker/http/plan_ask.h"
#include "worker/http/ranges.h"

namespace fsrv::http::test {
namespace {

// Only knows where it is to begin.
class Remembers final : public Growing {
  public:
    explicit Remembers(std::uint64_t size) : size_(size) {}
    std::uint64_t size() const override { return size_; }
    void begin_at(std::uint64_t its_first, std::uint64_t its_end) override {
        begin = its_first;
        end = its_end;
    }
    Made produce(std::span<char>) override { return {.state = State::broken}; }
    bool may_have_more(std::uint64_t) override { return false; }
    void finish() override {}

    std::uint64_t begin = 12345;
    std::uint64_t end = 12345;

  private:
    const std::uint64_t size_;
};

struct Followed {
    explicit Followed(std::uint64_t size, std::optional<std::uint64_t> tail = {})
        : producer(std::make_shared<Remembers>(size)) {
        resource.body.segments.emplace_back(Stream{.producer = producer, .file = {}});
        resource.followed.emplace(Resource::Followed{.tail = tail});
        resource.content_type = "text/plain; charset=utf-8";
        resource.extra_fields = "Cache-Control: no-store\r\n";
    }
    std::shared_ptr<Remembers> producer;
    Resource resource;
};

Plan plan_of(const Followed& followed, std::string_view line,
             const std::vector<std::string>& fields = {}, PlanConfig config = {}) {
    const Asked asked = ask(line, fields);
    return plan_resource(asked.request, FindResult(followed.resource), config, kNow);
}

TEST(PlanGrowing, BeginsWhereTheRequestSays) {
    constexpr std::uint64_t kNoEnd = Growing::kNoEnd;
    const std::uint64_t very_end = kVeryLastByte + 1;
    const struct {
        std::optional<std::uint64_t> tail;
        std::vector<std::string> fields;
        int status;
        std::uint64_t begin = 0, end = 0;
        const char* content_range = nullptr;
    } table[] = {
        {{}, {}, 200, 0, kNoEnd},
        {10, {}, 200, 990, kNoEnd},
        {0, {}, 200, 1000, kNoEnd},
        {5000, {}, 200, 0, kNoEnd},
        {{}, {"Range: bytes=400-"}, 206, 400, very_end, "bytes 400-9007199254740991/*"},
        {{}, {"Range: bytes=1000-"}, 206, 1000, very_end, "bytes 1000-9007199254740991/*"},
        {{}, {"Range: bytes=-100"}, 206, 900, very_end, "bytes 900-9007199254740991/*"},
        {{}, {"Range: bytes=400-1999"}, 206, 400, 2000, "bytes 400-1999/*"},
        {{}, {"Range: bytes=1001-"}, 416, 0, 0, "bytes */1000"},
        {{}, {"Range: bytes=0-1,5-6"}, 200, 0, kNoEnd},
        {{}, {"Range: bytes=400-", "Range: bytes=500-"}, 200, 0, kNoEnd},
        {{}, {"Range: bytes=400-", "If-Range: \"tag\""}, 200, 0, kNoEnd},
        {10, {"Range: bytes=400-"}, 200, 990, kNoEnd},
        {{}, {"If-None-Match: *"}, 200, 0, kNoEnd},
        {{}, {"If-Match: \"tag\""}, 200, 0, kNoEnd},
    };
    for (const auto& row : table) {
        const Followed followed(1000, row.tail);
        const Plan made = plan_of(followed, "GET /t?follow", row.fields);
        const std::string what = row.fields.empty() ? "" : row.fields.front();
        EXPECT_EQ(made.status, row.status) << what;
        EXPECT_EQ(field(made, "Content-Range").value_or(""),
                  row.content_range ? row.content_range : "")
            << what;
        if (row.status == 416) continue;
        EXPECT_EQ(followed.producer->begin, row.begin) << what;
        EXPECT_EQ(followed.producer->end, row.end) << what;
        EXPECT_EQ(made.body.growing(), followed.producer.get());
        EXPECT_EQ(field(made, "Cache-Control"), "no-store");
        EXPECT_EQ(field(made, "X-Content-Type-Options"), "nosniff");
        for (const char* none : {"Content-Length", "ETag", "Last-Modified", "Accept-Ranges"})
            EXPECT_EQ(field(made, none), std::nullopt) << none;
    }
}

TEST(PlanGrowing, AHeadHasNoBodyAndNoRange) {
    const Followed followed(1000);
    const Plan made = plan_of(followed, "HEAD /t?follow", {"Range: bytes=400-"});
    EXPECT_EQ(made.status, 200);
    EXPECT_EQ(made.body.growing(), nullptr);
    EXPECT_TRUE(made.body.segments.empty());
}

TEST(PlanGrowing, WithoutRangesThereAreNone) {
    const Followed followed(1000);
    EXPECT_EQ(plan_of(followed, "GET /t?follow", {"Range: bytes=400-"}, {.max_ranges = 0}).status,
              200);
    EXPECT_EQ(followed.producer->begin, 0U);
}

TEST(PlanGrowing, Http10HasNoAnswerWithoutALength) {
    const Followed followed(1000);
    const Asked asked = ask("GET /t?follow", {});
    Request request = asked.request;
    request.minor_version = 0;
    const Plan made = plan_resource(request, FindResult(followed.resource), {}, kNow);
    EXPECT_EQ(made.status, 400);
    EXPECT_TRUE(field(made, "Content-Length"));
}

} // namespace
} // namespace fsrv::http::test
