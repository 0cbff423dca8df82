#include "common/ability.h"

#include "tests/support/await.h"

#include <gtest/gtest.h>

namespace fsrv {
namespace {

TEST(Ability, IsGoneForGoodWhereTheSystemDoesNotHaveIt) {
    for (const int error : {EINVAL, ENOSYS, EPERM, EOPNOTSUPP}) {
        Ability ability;
        EXPECT_TRUE(ability.is_there());
        ability.failed(error);
        EXPECT_FALSE(ability.is_there());
        EXPECT_TRUE(ability.is_gone());
    }
}

TEST(Ability, ComesBackAfterWhatPasses) {
    for (const int error : {EAGAIN, ENOMEM, EINTR, EMFILE}) {
        Ability ability;
        ability.failed(error);
        EXPECT_FALSE(ability.is_gone());
        EXPECT_TRUE(test::await([&] { return ability.is_there(); }));
    }
}

} // namespace
} // namespace fsrv
