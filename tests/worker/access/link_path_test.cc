#include "worker/access/link_path.h"

#include <gtest/gtest.h>

namespace fsrv::access {
namespace {

TEST(LinkPath, IsThePathThatIsLookedUpWhateverItsSpelling) {
    const std::pair<const char*, const char*> table[] = {
        {"/", ""},
        {"/a/b", "a/b"},
        {"/a/b/", "a/b"},
        {"//a/./x/../%62?format=json", "a/b"},
        {"/a%20b/%C3%A4", "a b/\xC3\xA4"},
        {"/files?path=a/b", "a/b"},
        {"/files?x=y&path=./a//b%20c+d", "a/b c d"},
    };
    for (const auto& [origin, path] : table) {
        const auto found = link_path(origin, true);
        ASSERT_TRUE(found) << origin << ": " << found.error();
        EXPECT_EQ(*found, path) << origin;
    }
    EXPECT_EQ(link_path("/files?path=a", false), "files") << "a name like others without --api";
}

TEST(LinkPath, WhatIsNoFileAndNoFolderHasNone) {
    for (const char* origin : {"/-/health", "/-/other", "*", "/files?path=/etc/passwd", "/files",
                               "/..", "/a%2Fb", "/%zz", "/a%00"}) {
        const auto found = link_path(origin, true);
        ASSERT_FALSE(found) << origin;
        EXPECT_FALSE(found.error().empty());
    }
}

} // namespace
} // namespace fsrv::access
