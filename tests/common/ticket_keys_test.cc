#include "common/ticket_keys.h"

#include <atomic>
#include <cstdio>
#include <fstream>
#include <functional>
#include <gtest/gtest.h>
#include <set>
#include <string>
#include <sys/mman.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace fsrv {
namespace {

constexpr std::uint64_t kHour = limits::kTicketRotationMs;

TicketKeySet read(const TicketKeys& keys) {
    TicketKeySet set;
    EXPECT_TRUE(keys.ring()->read(set));
    return set;
}

TEST(TicketKeys, BeginWithOneAndHaveThreeAtMostTheNewestFirst) {
    TicketKeys keys;
    EXPECT_FALSE(keys.is_open());
    EXPECT_EQ(keys.next_rotation(), ~std::uint64_t{0});
    keys.open(1000);
    ASSERT_EQ(read(keys).count, 1U);
    EXPECT_EQ(read(keys).keys[0].made_ms, 1000U);
    std::set<std::array<std::uint8_t, 32>> all;
    for (unsigned i = 1; i <= 5; ++i) {
        const TicketKeySet before = read(keys);
        all.insert(before.keys[0].aes);
        all.insert(before.keys[0].hmac);
        EXPECT_EQ(keys.next_rotation(), 1000 + i * kHour);
        keys.rotate_if_due(1000 + i * kHour - 1);
        EXPECT_EQ(keys.ring()->version(), before.version) << "not yet";
        keys.rotate_if_due(1000 + i * kHour);
        const TicketKeySet after = read(keys);
        EXPECT_NE(after.version, before.version);
        EXPECT_EQ(after.version, keys.ring()->version());
        EXPECT_EQ(after.count, std::min(i + 1, 3U));
        EXPECT_EQ(after.keys[1], before.keys[0]);
        EXPECT_EQ(after.keys[0].made_ms, 1000 + i * kHour);
    }
    EXPECT_EQ(all.size(), 10U) << "no bytes twice";
}

TEST(TicketKeys, AServerThatReplacesAnotherGoesOnWithItsKeys) {
    TicketKeys old;
    old.open(1000);
    old.rotate_if_due(1000 + kHour);
    TicketKeys fresh;
    fresh.open(5 * kHour, old.keys().all());
    EXPECT_EQ(read(fresh).count, 2U);
    EXPECT_EQ(read(fresh).keys, read(old).keys);
    fresh.rotate_if_due(5 * kHour);
    EXPECT_EQ(read(fresh).keys[1], read(old).keys[0]);
    fresh.open(6 * kHour);
    EXPECT_EQ(read(fresh).count, 3U) << "it is open already";
}

// True: it held in a child.
bool in_child(const std::function<bool()>& holds) {
    const pid_t child = fork();
    if (child == 0) _exit(holds() ? 0 : 1);
    int status = -1;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(TicketKeys, AChildReadsWhatIsMadeLaterAndCanNeverWrite) {
    TicketKeys keys;
    keys.open(1000);
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const std::uint64_t before = keys.ring()->version();
    const pid_t child = fork();
    if (child == 0) {
        close(ends[1]); // what is read next is the end of the parent's copy
        keys.keep_read_only();
        char byte;
        [[maybe_unused]] const ssize_t end = ::read(ends[0], &byte, 1);
        TicketKeySet set;
        const bool reads = keys.ring()->version() != before && keys.ring()->read(set) &&
                           set.count == 2 && keys.keys().all()[0].aes == TicketKey{}.aes;
        auto* page = const_cast<TicketKeyRing*>(keys.ring());
        const bool writes = mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0;
        _exit((reads ? 0 : 1) + (writes ? 2 : 0));
    }
    close(ends[0]);
    keys.rotate_if_due(1000 + kHour);
    close(ends[1]);
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_TRUE(in_child([&] {
        keys.forget();
        return !keys.is_open() && keys.ring() == nullptr;
    }));
}

// "VmFlags: rd sh mr mw me ms dd": of the mapping that holds the address.
std::string flags_of(const void* at) {
    std::ifstream maps("/proc/self/smaps");
    const auto wanted = reinterpret_cast<std::uintptr_t>(at);
    bool inside = false;
    for (std::string line; std::getline(maps, line);) {
        unsigned long from = 0, to = 0;
        if (std::sscanf(line.c_str(), "%lx-%lx ", &from, &to) == 2)
            inside = from <= wanted && wanted < to;
        if (inside && line.starts_with("VmFlags:")) return line + ' ';
    }
    return {};
}

TEST(TicketKeys, StandInNoCore) {
    TicketKeys keys;
    keys.open(1000);
    if (flags_of(&keys).empty()) GTEST_SKIP() << "this kernel shows no flags of mappings";
    EXPECT_NE(flags_of(keys.ring()).find(" dd "), std::string::npos) << flags_of(keys.ring());
    EXPECT_TRUE(in_child([&] {
        keys.keep_read_only();
        const std::string flags = flags_of(keys.ring());
        return flags.find(" dd ") != flags.npos && flags.find(" mw ") == flags.npos;
    }));
}

TEST(TicketKeys, AReaderNeverSeesAMixture) {
    TicketKeys keys;
    keys.open(0);
    std::atomic<bool> over{false};
    std::atomic<unsigned> copies{0};
    std::vector<std::thread> readers;
    for (int i = 0; i < 2; ++i)
        readers.emplace_back([&] {
            std::uint64_t newest = 0;
            while (!over) {
                TicketKeySet set;
                if (!keys.ring()->read(set)) continue;
                EXPECT_GE(set.keys[0].made_ms, newest);
                newest = set.keys[0].made_ms;
                for (unsigned k = 0; k + 1 < set.count; ++k)
                    EXPECT_EQ(set.keys[k].made_ms, set.keys[k + 1].made_ms + kHour);
                ++copies;
            }
        });
    for (std::uint64_t i = 1; i < 20'000 || copies < 100; ++i) keys.rotate_if_due(i * kHour);
    over = true;
    for (std::thread& reader : readers) reader.join();
}

} // namespace
} // namespace fsrv
