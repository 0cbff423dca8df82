#include "common/number_text.h"

#include <gtest/gtest.h>

namespace fsrv {
namespace {

TEST(NumberText, IsForPeople) {
    struct Row {
        std::uint64_t bytes;
        const char* human;
        const char* grouped;
    };
    const Row rows[] = {
        {0, "0 B", "0"},
        {1, "1 B", "1"},
        {999, "999 B", "999"},
        {1000, "1000 B", "1,000"},
        {1023, "1023 B", "1,023"},
        {1024, "1.0 KiB", "1,024"},
        {1536, "1.5 KiB", "1,536"},
        {1048524, "1023.9 KiB", "1,048,524"},
        {1048525, "1.0 MiB", "1,048,525"},
        {1048576, "1.0 MiB", "1,048,576"},
        {std::uint64_t{5} << 30, "5.0 GiB", "5,368,709,120"},
        {std::uint64_t{1} << 40, "1.0 TiB", "1,099,511,627,776"},
        {UINT64_MAX, "16.0 EiB", "18,446,744,073,709,551,615"},
    };
    for (const Row& row : rows) {
        std::string text;
        append_human_size(text, row.bytes);
        EXPECT_EQ(text, row.human);
        text.clear();
        append_grouped(text, row.bytes);
        EXPECT_EQ(text, row.grouped);
        text.clear();
        append_number(text, row.bytes);
        EXPECT_EQ(text, std::to_string(row.bytes));
    }
}

} // namespace
} // namespace fsrv
