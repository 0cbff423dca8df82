#include "worker/wire/queue_bound.h"

#include "common/limits.h"

#include <gtest/gtest.h>

namespace fsrv::wire {
namespace {

TEST(QueueBound, TheLastNumberIsTheLargestSize) {
    struct Row {
        std::string_view text;
        std::optional<std::uint64_t> number;
    };
    const Row rows[] = {
        {"4096\t131072\t33554432\n", 33'554'432},
        {"212992\n", 212'992},
        {"1 2 3", 3},
        {"", std::nullopt},
        {" \n", std::nullopt},
        {"12 x", std::nullopt},
        {"1\t-5\n", std::nullopt},
        {"99999999999999999999999", std::nullopt},
    };
    for (const Row& row : rows) EXPECT_EQ(last_number(row.text), row.number) << row.text;
}

TEST(QueueBound, IsMoreThanAnyQueueStartsWith) {
    EXPECT_GT(most_queued_bytes(), 1024U * 1024);
    EXPECT_LT(most_queued_bytes(), std::uint64_t{1} << 40);
}

} // namespace
} // namespace fsrv::wire
