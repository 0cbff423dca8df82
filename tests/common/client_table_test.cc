#include "common/client_table.h"

#include "common/network.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace fsrv {
namespace {

constexpr std::uint64_t kNow = 1'000'000; // ms

ClientKey key(const ClientTable& table, const char* address) {
    return table.key_of(*parse_address(address));
}

// Clients of one set, so that one more has to take another's place.
std::vector<ClientKey> neighbours(unsigned count) {
    std::vector<ClientKey> keys;
    for (unsigned i = 1; i <= count; ++i)
        keys.push_back({7 + std::uint64_t{i} * limits::kClientSets});
    return keys;
}

// A table with a seat for this process.
std::unique_ptr<ClientTable> seated() {
    auto table = std::make_unique<ClientTable>();
    table->open();
    table->sit_down(table->claim_seat());
    return table;
}

TEST(ClientTable, AClientIsAnAddressOfIPv6ItsSlash64) {
    ClientTable table;
    table.open();
    EXPECT_EQ(key(table, "192.0.2.1"), key(table, "192.0.2.1"));
    EXPECT_NE(key(table, "192.0.2.1"), key(table, "192.0.2.2"));
    EXPECT_EQ(key(table, "2001:db8::1"), key(table, "2001:db8::ffff:1"));
    EXPECT_NE(key(table, "2001:db8::1"), key(table, "2001:db8:0:1::1"));
    EXPECT_NE(table.key_of_user("ann"), table.key_of_user("bob"));
    const ClientKey ann = table.key_of_user("ann");
    EXPECT_NE(table.key_of_rule(ann, 1), table.key_of_rule(ann, 2));
    EXPECT_NE(table.key_of_rule(ann, 0), ann);
    ClientTable other;
    other.open();
    EXPECT_NE(key(table, "192.0.2.1"), key(other, "192.0.2.1")) << "under a secret";
}

TEST(ClientTable, CountsWhatAClientHasUnderWay) {
    const auto table = seated();
    const ClientKey ann = table->key_of_user("ann"), bob = table->key_of_user("bob");
    auto first = table->take_place(ann, 2, kNow);
    auto second = table->take_place(ann, 2, kNow);
    ASSERT_TRUE(first && second);
    EXPECT_FALSE(table->take_place(ann, 2, kNow));
    EXPECT_TRUE(table->take_place(bob, 1, kNow)) << "another client";
    EXPECT_EQ(table->count(ann), 2U) << "who is refused is not counted";
    first->leave();
    EXPECT_TRUE(table->take_place(ann, 2, kNow));
    const ClientTable::Place held = table->hold_place(ann, kNow),
                             more = table->hold_place(ann, kNow);
    EXPECT_EQ(table->count(ann), 3U);
    EXPECT_FALSE(table->take_place(ann, 2, kNow));
}

TEST(ClientTable, TheClientThatWasIdleTheLongestMakesRoom) {
    const auto table = seated();
    const auto keys = neighbours(limits::kClientWays + 2);
    std::vector<ClientTable::Place> places;
    for (unsigned i = 0; i < limits::kClientWays; ++i) {
        table->find(keys[i], kNow + 1'000 * i)->turn_ns = i + 1;
        if (i == 0) places.push_back(table->hold_place(keys[i], kNow)); // the oldest is not idle
    }
    EXPECT_EQ(table->find(keys[limits::kClientWays], kNow + 20'000)->turn_ns, 0U) << "it is new";
    EXPECT_EQ(table->count(keys[0]), 1U);
    EXPECT_EQ(table->find(keys[0], kNow + 20'000)->turn_ns, 1U);
    EXPECT_EQ(table->find(keys[2], kNow + 20'000)->turn_ns, 3U) << "not the oldest";
    EXPECT_EQ(table->find(keys[1], kNow + 20'000)->turn_ns, 0U) << "it had to go";
}

TEST(ClientTable, WhereAllHaveSomethingUnderWayNobodyNewIsLimited) {
    const auto table = seated();
    const auto keys = neighbours(limits::kClientWays + 1);
    std::vector<ClientTable::Place> places;
    for (unsigned i = 0; i < limits::kClientWays; ++i)
        places.push_back(table->hold_place(keys[i], kNow));
    EXPECT_EQ(table->find(keys.back(), kNow), nullptr);
    EXPECT_TRUE(table->take_place(keys.back(), 0, kNow));
    EXPECT_EQ(table->may_try_in_ms(keys.back(), 1, kNow), 0U);
    table->failed(keys.back(), 1, kNow);
    places.pop_back();
    EXPECT_NE(table->find(keys.back(), kNow), nullptr);
}

TEST(ClientTable, FailedProofsHaveABudgetPerMinute) {
    const auto table = seated();
    const ClientKey client = key(*table, "192.0.2.1");
    for (unsigned i = 0; i < 10; ++i) {
        EXPECT_EQ(table->may_try_in_ms(client, 10, kNow), 0U);
        table->failed(client, 10, kNow);
    }
    EXPECT_EQ(table->may_try_in_ms(client, 10, kNow), 6'000U);
    EXPECT_EQ(table->may_try_in_ms(client, 10, kNow + 5'999), 1U);
    EXPECT_EQ(table->may_try_in_ms(client, 10, kNow + 6'000), 0U);
    EXPECT_EQ(table->may_try_in_ms(key(*table, "192.0.2.2"), 10, kNow), 0U);
    table->proved(client, 10);
    EXPECT_EQ(table->may_try_in_ms(client, 10, kNow), 0U);
}

TEST(ClientTable, WhatAKilledProcessHadCountedIsGivenBackWithItsSeat) {
    const auto table = seated();
    const ClientKey client = key(*table, "192.0.2.1");
    const ClientTable::Place own = table->hold_place(client, kNow);
    const unsigned seat = table->claim_seat().value();
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        table->sit_down(seat);
        std::vector<ClientTable::Place> places;
        for (unsigned i = 0; i < 5; ++i) places.push_back(table->hold_place(client, kNow));
        [[maybe_unused]] const ssize_t n = write(ends[1], "x", 1);
        pause();
        _exit(0);
    }
    char byte;
    ASSERT_EQ(read(ends[0], &byte, 1), 1);
    EXPECT_EQ(table->count(client), 6U);
    kill(child, SIGKILL);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    EXPECT_EQ(table->count(client), 6U);
    table->clear_seat(seat);
    EXPECT_EQ(table->count(client), 1U);
    EXPECT_EQ(table->claim_seat(), seat) << "it is free";
    close(ends[0]);
    close(ends[1]);
}

// A server that was killed with its workers clears nothing; the next one does.
TEST(ClientTable, SeatsOfAServerThatHasDiedAreFreeForTheNext) {
    ClientTable table;
    table.open();
    const pid_t child = fork();
    if (child == 0) {
        table.sit_down(table.claim_seat());
        new ClientTable::Place(table.hold_place(table.key_of_user("ann"), kNow));
        _exit(0);
    }
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    EXPECT_EQ(table.count(table.key_of_user("ann")), 1U);
    EXPECT_EQ(table.claim_seat(), 0U);
    EXPECT_EQ(table.count(table.key_of_user("ann")), 0U);
}

TEST(ClientTable, TheServerThatReplacesThisOneGoesOnInTheSameMemory) {
    ClientTable old;
    old.open();
    ClientTable fresh;
    fresh.inherit(UniqueFd(fcntl(old.fd(), F_DUPFD_CLOEXEC, 0)));
    EXPECT_FALSE(fresh.is_open());
    fresh.open();
    const ClientKey client = key(old, "2001:db8::1");
    EXPECT_EQ(key(fresh, "2001:db8::1"), client) << "the same secret";
    EXPECT_NE(old.claim_seat(), fresh.claim_seat());
    old.find(client, kNow)->turn_ns = 42;
    EXPECT_EQ(fresh.find(client, kNow)->turn_ns, 42U);
}

TEST(ClientTable, MemoryOfAnotherFormIsLeftAlone) {
    ClientTable fresh;
    UniqueFd small(memfd_create("other", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    ASSERT_EQ(ftruncate(small.get(), 4096), 0);
    fresh.inherit(std::move(small));
    fresh.open();
    EXPECT_TRUE(fresh.is_open());
    EXPECT_NE(fresh.find(fresh.key_of_user("ann"), kNow), nullptr);
}

TEST(ClientTable, NobodyCanMakeItSmaller) {
    ClientTable table;
    table.open();
    EXPECT_EQ(ftruncate(table.fd(), 4096), -1);
    EXPECT_EQ(errno, EPERM);
}

// As a worker that was taken over could: nothing of it leads out of the table.
TEST(ClientTable, WhateverIsWrittenThereIsOnlyNumbers) {
    const auto table = seated();
    const ClientKey client = table->key_of_user("ann");
    ClientTable opened;
    opened.open();
    struct stat found {};
    ASSERT_EQ(fstat(opened.fd(), &found), 0);
    const auto size = static_cast<std::size_t>(found.st_size);
    void* const raw = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, opened.fd(), 0);
    ASSERT_NE(raw, MAP_FAILED);
    opened.sit_down(opened.claim_seat());
    // The seats but for the first stay as they are: they take 32 MiB.
    const std::size_t used = size - std::size_t{32} * 1024 * 1023;
    for (const int byte : {0xFF, 0x80, 0x01, 0x00}) {
        std::fill_n(static_cast<unsigned char*>(raw), used, static_cast<unsigned char>(byte));
        auto place = opened.take_place(client, 1, kNow);
        if (place) place->leave();
        opened.hold_place(client, kNow).leave();
        if (ClientEntry* const entry = opened.find(client, kNow)) {
            EXPECT_LE(entry->bytes.paid_ns(kNow * 1'000'000, 0),
                      kNow * 1'000'000 + limits::kMostDebtNs);
        }
        EXPECT_LE(opened.may_try_in_ms(client, 10, kNow), limits::kMostDebtNs / 1'000'000 + 6'000);
        opened.failed(client, 10, kNow);
        opened.proved(client, 10);
    }
    munmap(raw, size);
}

TEST(ClientTable, ThreadsFindOneEntryForOneClient) {
    const auto table = seated();
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            for (unsigned i = 0; i < 2'000; ++i) {
                const ClientKey client{7 + std::uint64_t{i % 40 + 1} * limits::kClientSets};
                auto place = table->take_place(client, 2, kNow + i);
                if (ClientEntry* const entry = table->find(client, kNow + i))
                    entry->requests.take(1'000'000, (kNow + i) * 1'000'000, 1'000'000'000);
                table->failed(client, 10, kNow + i);
            }
        });
    for (std::thread& thread : threads) thread.join();
    for (const ClientKey client : neighbours(40)) EXPECT_EQ(table->count(client), 0U);
}

} // namespace
} // namespace fsrv
