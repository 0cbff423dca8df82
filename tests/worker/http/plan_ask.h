// Making plans for tests, and reading them.
#pragma once

#include "tests/worker/http/ask.h"
#include "worker/http/plan.h"

#include <map>
#include <optional>

namespace fsrv::http::test {

using namespace std::string_literals;

inline constexpr FileTime kModified{.seconds = 784111777,
                                    .nanoseconds = 123}; // Sun, 06 Nov 1994 08:49:37 GMT
inline constexpr FileTime kNow{.seconds = 784120000};
#define MODIFIED "Sun, 06 Nov 1994 08:49:37 GMT"
#define OLDER "Sun, 06 Nov 1994 08:49:36 GMT"

inline std::string pattern(std::uint64_t size) {
    std::string bytes;
    for (std::uint64_t i = 0; i < size; ++i) bytes.push_back(static_cast<char>('a' + i % 26));
    return bytes;
}

// A file of `size` bytes, in memory so that what is sent can be looked at.
inline Resource file_of(std::uint64_t size, FileTime mtime = kModified) {
    return {.body = Body::of(pattern(size)),
            .content_type = "text/plain; charset=utf-8",
            .validators = make_validators({.size = size, .mtime = mtime}, kNow)};
}

inline std::string bytes_of(const Body& body) {
    std::string out;
    for (const Segment& segment : body.segments) out += std::get<MemoryExtent>(segment).view();
    return out;
}

using Fields = std::multimap<std::string, std::string>;

inline Fields fields_of(const Plan& plan) {
    Fields fields;
    std::string_view rest = plan.fields;
    while (!rest.empty()) {
        const auto end = rest.find("\r\n");
        EXPECT_NE(end, std::string_view::npos) << plan.fields;
        const auto line = rest.substr(0, end);
        EXPECT_EQ(line.find_first_of("\r\n"), std::string_view::npos);
        const auto colon = line.find(": ");
        EXPECT_NE(colon, std::string_view::npos) << line;
        fields.emplace(line.substr(0, colon), line.substr(colon + 2));
        rest.remove_prefix(end + 2);
    }
    return fields;
}

inline std::optional<std::string> field(const Plan& plan, const std::string& name) {
    const Fields fields = fields_of(plan);
    EXPECT_LE(fields.count(name), 1U) << name;
    const auto it = fields.find(name);
    return it == fields.end() ? std::nullopt : std::optional(it->second);
}

// What must hold of any plan.
inline void expect_sound(const Plan& plan, Method method) {
    for (const auto& [name, value] : fields_of(plan)) {
        EXPECT_EQ(fields_of(plan).count(name), 1U) << name;
        for (const char* own : {"Date", "Server", "Connection", "Transfer-Encoding"})
            EXPECT_NE(name, own);
    }
    const auto length = field(plan, "Content-Length");
    if (plan.status == 204 || plan.status == 304) {
        EXPECT_EQ(length, std::nullopt);
        EXPECT_EQ(plan.body.size(), 0U);
    } else {
        ASSERT_TRUE(length);
        if (method == Method::head)
            EXPECT_EQ(plan.body.size(), 0U);
        else
            EXPECT_EQ(*length, std::to_string(plan.body.size()));
        EXPECT_EQ(field(plan, "X-Content-Type-Options"), "nosniff");
        EXPECT_TRUE(field(plan, "Content-Type"));
    }
    EXPECT_FALSE(reason_phrase(plan.status).empty());
}

inline Plan plan(std::string_view line, const std::vector<std::string>& fields, FindResult found,
                 PlanConfig config = {}) {
    const Asked asked = ask(line, fields);
    Plan made = plan_resource(asked.request, std::move(found), config, kNow);
    expect_sound(made, asked.request.method);
    return made;
}

} // namespace fsrv::http::test
