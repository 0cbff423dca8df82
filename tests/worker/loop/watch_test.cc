#include "worker/loop/watch.h"

#include "tests/support/files.h"
#include "tests/worker/loop/pipe.h"
#include "worker/loop/timer.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <optional>
#include <string>
#include <sys/socket.h>

namespace fsrv::loop {
namespace {

using test::Pipe;

TEST(Watch, TellsAsLongAsThereIsSomething) {
    Loop loop;
    const Pipe pipe;
    pipe.put();
    Watch watch(loop, pipe.out.get());
    int times = 0;
    watch.start({.readable = true}, [&](Readiness what) {
        EXPECT_TRUE(what.readable && !what.writable && !what.exceptional && !what.failed);
        if (++times == 3) watch.stop();
    });
    loop.run();
    EXPECT_EQ(times, 3);
}

TEST(Watch, TellsNothingWhenNothingIsLeft) {
    Loop loop;
    const Pipe pipe;
    pipe.put();
    Watch watch(loop, pipe.out.get());
    Timer end(loop);
    int times = 0;
    watch.start({.readable = true}, [&](Readiness) {
        ++times;
        pipe.take();
        end.start(5, 0, [&] { watch.stop(); });
    });
    loop.run();
    EXPECT_EQ(times, 1);
}

TEST(Watch, TheEndOfAPipeIsSomethingToRead) {
    Loop loop;
    Pipe pipe;
    pipe.in.reset();
    Watch watch(loop, pipe.out.get());
    bool told = false;
    watch.start({.readable = true}, [&](Readiness what) {
        told = what.readable;
        watch.stop();
    });
    loop.run();
    EXPECT_TRUE(told);
}

TEST(Watch, TellsOfRoomToWriteOnlyIfAsked) {
    Loop loop;
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    const UniqueFd one(ends[0]), other(ends[1]);
    ASSERT_EQ(::send(other.get(), "x", 1, 0), 1);
    Watch watch(loop, one.get());
    std::string told;
    watch.start({.readable = true}, [&](Readiness first) {
        told += first.writable ? 'w' : 'r';
        watch.start({.writable = true}, [&](Readiness second) {
            told += second.readable ? 'r' : 'w';
            watch.stop();
        });
    });
    loop.run();
    EXPECT_EQ(told, "rw");
}

TEST(Watch, TellsWhatIsExceptional) {
    const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* const at = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof address;
    ASSERT_EQ(::bind(listener.get(), at, size), 0);
    ASSERT_EQ(::listen(listener.get(), 1), 0);
    ASSERT_EQ(::getsockname(listener.get(), at, &size), 0);
    ASSERT_EQ(::connect(client.get(), at, size), 0);
    const UniqueFd served(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    ASSERT_EQ(::send(client.get(), "!", 1, MSG_OOB), 1);

    Loop loop;
    Watch watch(loop, served.get());
    bool told = false;
    watch.start({.exceptional = true}, [&](Readiness what) {
        told = what.exceptional && !what.failed;
        watch.stop();
    });
    loop.run();
    EXPECT_TRUE(told);
}

TEST(Watch, AFailureIsToldOnceAndEndsIt) {
    Loop loop;
    Pipe pipe;
    pipe.out.reset(); // nobody reads: POLLERR
    Watch watch(loop, pipe.in.get());
    int times = 0;
    watch.start({.readable = true}, [&](Readiness what) {
        ++times;
        EXPECT_TRUE(what.failed);
    });
    EXPECT_TRUE(watch.is_started());
    loop.run();
    EXPECT_EQ(times, 1);
    EXPECT_FALSE(watch.is_started());
}

TEST(Watch, WhatCannotBeWatchedIsNoWatch) {
    Loop loop;
    const test::TempDir dir;
    test::write_file(dir / "file", "");
    const UniqueFd file(::open((dir / "file").c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(file);
    const Watch watch(loop, file.get());
    EXPECT_FALSE(watch);
}

TEST(Watch, MayBeDestroyedByWhatItTells) {
    Loop loop;
    const Pipe pipe;
    pipe.put();
    std::optional<Watch> watch(std::in_place, loop, pipe.out.get());
    std::string told;
    const std::string kept(100, 'a'); // on the heap: the function must outlast its call
    watch->start({.readable = true}, [&, kept](Readiness) {
        watch.reset();
        told += kept[99];
    });
    loop.run();
    EXPECT_EQ(told, "a");
}

TEST(Watch, ItsDescriptorMayBeClosedAfterIt) {
    Loop loop;
    for (int i = 0; i < 3; ++i) { // the same number again
        const Pipe pipe;
        pipe.put();
        Watch watch(loop, pipe.out.get());
        ASSERT_TRUE(watch);
        bool told = false;
        watch.start({.readable = true}, [&](Readiness) {
            told = true;
            watch.close();
        });
        loop.run();
        EXPECT_TRUE(told);
    }
}

TEST(Watch, ItsOwnerMayGoWhenTheIterationEnds) {
    struct Owner {
        Owner(Loop& loop, int fd) : watch(loop, fd) {}
        Watch watch;
    };
    Loop loop;
    const Pipe pipe;
    pipe.put();
    auto owner = std::make_unique<Owner>(loop, pipe.out.get());
    std::string order;
    owner->watch.start({.readable = true}, [&](Readiness) {
        owner->watch.close([&] {
            order += 'c';
            owner.reset();
        });
        order += owner->watch ? 'w' : 'n';
        owner->watch.close(); // once is enough
    });
    loop.run();
    EXPECT_EQ(order, "nc");
    EXPECT_EQ(owner, nullptr);
}

} // namespace
} // namespace fsrv::loop
