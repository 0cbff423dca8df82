// A child that goes through a wall, tries one thing, and tells the errno of it by its exit status.
#pragma once

#include "tests/support/await.h"

#include <cerrno>
#include <functional>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace fsrv::test {

inline constexpr int kNoWall = 250; // exit status of a child that could not lock itself in

// 0, or the errno of what `attempt` did, which returns a negative number when it failed.
inline int inside(const std::function<bool()>& wall, const std::function<long()>& attempt) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (!wall()) ::_exit(kNoWall);
        errno = 0;
        const long result = attempt();
        ::_exit(result < 0 ? errno : 0);
    }
    const auto status = await_child(child);
    EXPECT_TRUE(status && WIFEXITED(*status)) << "wait status " << status.value_or(-1);
    return status && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
}

} // namespace fsrv::test
