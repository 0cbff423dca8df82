#include "worker/access/passwords.h"

#include "common/crypto/crypt_hash.h"

#include <functional>
#include <gtest/gtest.h>
#include <vector>

namespace fsrv::access {
namespace {

using State = Passwords::State;

// Cheap to compute, which is what a test wants; of "secret" and of "other".
constexpr const char* kOfSecret = "$2b$05$8fq9kzaSPid9ELjAT2MkKODRXIFOUvAZxsHIRjqzfk/gqhVfcQnVy";

std::vector<Login> logins() {
    return {{.name = "ann", .password_hash = kOfSecret, .groups = {"staff"}, .account = ""},
            {.name = "bob", .password_hash = kOfSecret, .groups = {}, .account = ""}};
}

struct Client final : PasswordWaiter {
    void on_password(const Login* login) override {
        ++calls;
        answer = login;
        if (then) then();
    }
    using PasswordWaiter::stop_waiting;

    int calls = 0;
    const Login* answer = nullptr;
    std::function<void()> then;
};

// A worker that hashes when it is told to.
struct Worker {
    std::vector<Login> users = logins();
    Passwords passwords;
    std::vector<PasswordJob> jobs;
    unsigned hashes = 0;

    explicit Worker(Passwords::Bounds bounds = {}) : passwords(users, bounds) {}

    State ask(std::string_view user, std::string_view password, Client& client) {
        const auto look = passwords.look(user, password);
        if (look.state == State::must_be_hashed)
            jobs.push_back(passwords.began(look, user, password));
        if (look.state == State::must_be_hashed || look.state == State::is_being_hashed)
            passwords.join(look, client);
        return look.state;
    }
    void hash_all() {
        for (PasswordJob& job : std::exchange(jobs, {})) {
            job.run();
            ++hashes;
            passwords.ended(job);
        }
    }
    // The verdict on one who waits for it.
    const Login* prove(std::string_view user, std::string_view password) {
        Client client;
        const auto look = passwords.look(user, password);
        if (look.state == State::right) return look.login;
        ask(user, password, client);
        hash_all();
        return client.answer;
    }
};

TEST(Passwords, TheRightOneIsRightAndIsHashedOnce) {
    Worker worker;
    EXPECT_EQ(worker.prove("ann", "secret"), &worker.users[0]);
    for (int n = 0; n < 100; ++n) EXPECT_EQ(worker.prove("ann", "secret"), &worker.users[0]);
    EXPECT_EQ(worker.hashes, 1U);
    EXPECT_EQ(worker.prove("bob", "secret"), &worker.users[1]) << "another user's is another one";
    EXPECT_EQ(worker.hashes, 2U);
}

TEST(Passwords, AWrongOneIsWrongAndIsHashedOnce) {
    Worker worker;
    Client client;
    EXPECT_EQ(worker.prove("ann", "Secret"), nullptr);
    EXPECT_EQ(worker.ask("ann", "Secret", client), State::wrong);
    EXPECT_EQ(worker.prove("ann", ""), nullptr);
    EXPECT_EQ(worker.hashes, 2U);
    EXPECT_EQ(client.calls, 0);
}

TEST(Passwords, TwoThousandRequestsWithTheSameCredentialCostOneHash) {
    Worker worker;
    std::vector<Client> clients(2'000);
    for (Client& client : clients) worker.ask("ann", "secret", client);
    EXPECT_EQ(worker.passwords.under_way(), 1U);
    worker.hash_all();
    EXPECT_EQ(worker.hashes, 1U);
    for (const Client& client : clients) {
        EXPECT_EQ(client.calls, 1);
        EXPECT_EQ(client.answer, &worker.users[0]);
    }
}

TEST(Passwords, OfAThousandRandomOnesNoMoreAreUnderWayThanIsAllowed) {
    Worker worker({.hashes = 3});
    std::vector<Client> clients(1'000);
    unsigned refused = 0;
    for (std::size_t n = 0; n < clients.size(); ++n)
        refused += worker.ask("ann", std::to_string(n), clients[n]) == State::too_many;
    EXPECT_EQ(worker.passwords.under_way(), 3U);
    EXPECT_EQ(refused, 997U);
    worker.hash_all();
    EXPECT_EQ(worker.hashes, 3U);
    EXPECT_EQ(worker.passwords.under_way(), 0U);
}

TEST(Passwords, AnUnknownUserCostsAHashAndIsWrongWhateverItSays) {
    Worker worker;
    Client client;
    const auto look = worker.passwords.look("eve", "secret");
    ASSERT_EQ(look.state, State::must_be_hashed);
    const PasswordJob first = worker.passwords.began(look, "eve", "secret");
    EXPECT_EQ(first.hash, kOfSecret) << "as costly as a real one, and of the same kind";
    worker.passwords.gave_up(first);
    EXPECT_EQ(worker.prove("eve", "secret"), nullptr);
    EXPECT_EQ(worker.hashes, 1U);
    EXPECT_EQ(worker.ask("eve", "secret", client), State::wrong);
}

TEST(Passwords, WithoutUsersNothingIsHashed) {
    Passwords passwords({}, {});
    EXPECT_EQ(passwords.look("ann", "secret").state, State::wrong);
}

TEST(Passwords, WhatCryptCannotTakeIsWrongWithoutAHash) {
    Worker worker;
    Client client;
    EXPECT_EQ(worker.ask("ann", std::string(crypto::kMaxPasswordBytes + 1, 'a'), client),
              State::wrong);
    EXPECT_EQ(worker.ask("eve", std::string(crypto::kMaxPasswordBytes + 1, 'a'), client),
              State::wrong);
}

TEST(Passwords, NameAndPasswordAreNotTakenForEachOther) {
    Worker worker;
    EXPECT_EQ(worker.prove("ann", "secret"), &worker.users[0]);
    Client client;
    EXPECT_EQ(worker.ask("anns", "ecret", client), State::must_be_hashed);
    worker.hash_all();
    EXPECT_EQ(client.answer, nullptr);
}

TEST(Passwords, WhoLeavesIsNotCalled) {
    Worker worker;
    Client stays;
    {
        Client dies, leaves;
        worker.ask("ann", "secret", dies);
        worker.ask("ann", "secret", leaves);
        worker.ask("ann", "secret", stays);
        leaves.stop_waiting();
        EXPECT_EQ(leaves.calls, 0);
    }
    worker.hash_all();
    EXPECT_EQ(stays.calls, 1);
}

TEST(Passwords, WhoIsCalledMayAskAgainAndEndOthers) {
    Worker worker;
    Client first, again;
    auto other = std::make_unique<Client>();
    State seen{};
    worker.ask("ann", "wrong", first);
    worker.ask("ann", "wrong", *other);
    first.then = [&] {
        other.reset();
        seen = worker.ask("ann", "wrong", again);
        worker.ask("ann", "secret", first);
        first.then = nullptr;
    };
    worker.hash_all();
    EXPECT_EQ(seen, State::wrong);
    worker.hash_all();
    EXPECT_EQ(first.calls, 2);
    EXPECT_EQ(first.answer, &worker.users[0]);
}

TEST(Passwords, WhoHasNotBegunAfterAllMayBeginAgain) {
    Worker worker;
    Client client;
    worker.ask("ann", "secret", client);
    worker.passwords.gave_up(worker.jobs.front());
    worker.jobs.clear();
    EXPECT_EQ(worker.passwords.under_way(), 0U);
    EXPECT_EQ(client.calls, 0);
    EXPECT_EQ(worker.ask("ann", "secret", client), State::must_be_hashed);
    worker.hash_all();
    EXPECT_EQ(client.calls, 1);
}

TEST(Passwords, OfThoseThatAreKeptTheOneGoesThatWasNotAskedForTheLongest) {
    Worker worker({.right = 1, .wrong = 2});
    EXPECT_TRUE(worker.prove("ann", "secret"));
    EXPECT_FALSE(worker.prove("ann", "1"));
    EXPECT_FALSE(worker.prove("ann", "2"));
    Client client;
    EXPECT_EQ(worker.ask("ann", "1", client), State::wrong);
    EXPECT_FALSE(worker.prove("ann", "3"));
    EXPECT_EQ(worker.ask("ann", "1", client), State::wrong);
    EXPECT_EQ(worker.ask("ann", "2", client), State::must_be_hashed);
    worker.hash_all();
    EXPECT_EQ(worker.passwords.look("ann", "secret").state, State::right) << "no wrong one's room";
    EXPECT_TRUE(worker.prove("bob", "secret"));
    EXPECT_EQ(worker.passwords.look("ann", "secret").state, State::must_be_hashed);
}

TEST(Passwords, EndWhileSomebodyWaits) {
    Client client;
    {
        Worker worker;
        worker.ask("ann", "secret", client);
    }
    client.stop_waiting();
    EXPECT_EQ(client.calls, 0);
}

TEST(Fingerprints, TellTextsApartAndAreOfOneStart) {
    const Fingerprints mine, others;
    EXPECT_EQ(mine.of("a secret"), mine.of("a secret"));
    EXPECT_NE(mine.of("a secret"), mine.of("a secreT"));
    EXPECT_NE(mine.of(""), mine.of(std::string_view("\0", 1)));
    const Fingerprint a = mine.of("a secret"), b = others.of("a secret");
    EXPECT_NE(a.low, b.low);
    EXPECT_NE(a.high, b.high);
    EXPECT_NE(a.low, a.high);
}

TEST(Kept, HasOneValueForAKey) {
    Kept<int> kept(2);
    const Fingerprint a{.low = 1, .high = 1}, b{.low = 1, .high = 2}; // of one bucket
    kept.keep(a, 1);
    kept.keep(a, 2);
    kept.keep(b, 3);
    EXPECT_EQ(kept.size(), 2U);
    EXPECT_EQ(*kept.find(a), 2);
    kept.drop(a);
    kept.drop(a);
    EXPECT_EQ(kept.find(a), nullptr);
    EXPECT_EQ(*kept.find(b), 3);
}

} // namespace
} // namespace fsrv::access
