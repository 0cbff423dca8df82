#include "worker/content/mounts.h"

#include <gtest/gtest.h>
#include <sys/sysmacros.h>

namespace fsrv::content {
namespace {

constexpr std::string_view kTable =
    "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
    "23 22 0:21 / /proc rw - proc proc rw\n"
    "40 22 8:1 / /srv rw - ext4 /dev/sda1 rw\n"
    "41 40 8:2 /inner /srv/www/slow\\040disk rw master:3 propagate_from:2 - nfs4 host:/x rw\n"
    "42 41 8:3 / /srv/www/slow\\040disk/fast rw - tmpfs tmpfs rw\n"
    "43 40 8:4 / /srv/www/twice rw - tmpfs tmpfs rw\n"
    "44 43 8:5 / /srv/www/twice rw - tmpfs tmpfs rw\n"
    "45 40 8:6 / /srv/wwwelsewhere rw - tmpfs tmpfs rw\n"
    "nonsense\n"
    "46 40 x:y / /srv/www/bad rw - tmpfs tmpfs rw\n"
    "47 40 8:7";

TEST(Mounts, TheDeepestMountThatHoldsAPathTellsItsDevice) {
    struct Row {
        std::string_view root, path;
        dev_t device;
    };
    const Row rows[] = {
        {"/srv/www", "/srv/www", makedev(8, 1)},
        {"/srv/www", "/srv/www/a/b", makedev(8, 1)},
        {"/srv/www", "/srv/www/slow disk", makedev(8, 2)},
        {"/srv/www", "/srv/www/slow disk/a", makedev(8, 2)},
        {"/srv/www", "/srv/www/slow diskette", makedev(8, 1)},
        {"/srv/www", "/srv/www/slow disk/fast/a", makedev(8, 3)},
        {"/srv/www", "/srv/www/twice/a", makedev(8, 5)},
        {"/srv/www", "/srv/www/bad/a", makedev(8, 1)},
        {"/", "", makedev(254, 0)},
        {"/", "/etc/passwd", makedev(254, 0)},
        {"/", "/proc/1", makedev(0, 21)},
        {"/", "/srv/wwwelsewhere/x", makedev(8, 6)},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.path);
        EXPECT_EQ(device_of(parse_mountinfo(kTable, row.root), row.path), row.device);
    }
}

TEST(Mounts, WithoutATableEverythingIsOneDevice) {
    EXPECT_EQ(device_of(parse_mountinfo("", "/srv"), "/srv/a"), 0U);
    EXPECT_EQ(device_of(parse_mountinfo("\n\n 1 2 3", "/srv"), "/srv/a"), 0U);
}

TEST(Mounts, WhatIsNotServedIsKnownByItsType) {
    for (const Mount& mount : parse_mountinfo(kTable, "/"))
        EXPECT_EQ(mount.pseudo, mount.point == "/proc") << mount.point;
}

TEST(Mounts, TheRootsDeviceMayBeToldBetter) {
    const Mounts mounts("/", makedev(99, 1));
    EXPECT_EQ(mounts.device_of("", false), makedev(99, 1));
    EXPECT_NE(mounts.device_of("proc/self", false), makedev(99, 1));
}

TEST(Mounts, OfThisSystemKnowsProc) {
    const Mounts mounts("/");
    ASSERT_GE(mounts.fd(), 0);
    EXPECT_NE(mounts.device_of("proc/self", false), mounts.device_of("", false));
    EXPECT_EQ(mounts.device_of("proc/self", false), mounts.device_of("proc/self", true));
}

} // namespace
} // namespace fsrv::content
