#include "common/secret.h"

#include <gtest/gtest.h>

namespace fsrv {
namespace {

TEST(Secret, LeavesNothingWhereItWas) {
    Secret key(std::string(100, 'k'));
    const char* const at = key.data();
    key.clear(); // its memory is still its own
    EXPECT_TRUE(key.empty());
    for (int i = 0; i < 100; ++i) ASSERT_EQ(at[i], '\0') << i;
}

TEST(Secret, MovesAndIsCopiedOnlyByName) {
    Secret key(std::string(100, 'k'));
    const Secret other = key.copy();
    EXPECT_EQ(key, other);
    Secret moved(std::move(key));
    EXPECT_EQ(moved, other);
    EXPECT_TRUE(key.empty()); // NOLINT(bugprone-use-after-move): that is what is tested
    key = std::move(moved);
    EXPECT_EQ(key.view(), std::string(100, 'k'));
}

} // namespace
} // namespace fsrv
