// Connections by a hand clock, without a socket.
#include "worker/session/connections.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace fsrv::session {
namespace {

using Admission = Connections::Admission;

// What was done to whom, in order.
using Events = std::vector<std::string>;

class Place final {
  public:
    explicit Place(std::size_t most) : connections(most) {}
    ~Place() {
        for (unsigned s = 0; s < kStates; ++s)
            connections.for_each(static_cast<State>(s),
                                 [&](Member& member) { member.close(CloseReason::done); });
        connections.destroy_buried();
    }

    Connections connections;
    Events events;
    std::uint64_t now_ms = 1'000;
};

class Client final : public Member {
  public:
    Client(Place& place, std::string name) : place_(place), name_(std::move(name)) {}
    ~Client() override { place_.events.push_back(name_ + " destroyed"); }

    void close(CloseReason reason) override {
        tell("closed " + std::string(name_of(reason)));
        place_.connections.move(*this, State::closing, place_.now_ms);
        place_.connections.bury(*this);
    }
    void on_deadline() override {
        tell("deadline");
        if (ends_by_deadline) close(CloseReason::idle_timeout);
    }
    bool leave(CloseReason reason) override {
        tell("left " + std::string(name_of(reason)));
        if (!is_willing) return false;
        close(reason);
        return true;
    }
    bool is_deserted() const override { return deserted; }
    void give_way() override { tell("gave way"); }
    std::uint64_t listing_bytes() const override { return listing; }

    bool ends_by_deadline = true;
    bool is_willing = true; // false: a request has come
    bool deserted = false;
    std::uint64_t listing = 0;

  private:
    void tell(const std::string& what) { place_.events.push_back(name_ + " " + what); }
    Place& place_;
    std::string name_;
};

class ConnectionsTest : public testing::Test {
  protected:
    Client& come(const std::string& name, State state = State::accepted,
                 Admission admission = Admission::yes) {
        auto* client = new Client(place_, name);
        place_.connections.add(*client, admission, place_.now_ms);
        if (state != State::accepted) to(*client, state);
        return *client;
    }
    void to(Client& client, State state) { place_.connections.move(client, state, place_.now_ms); }
    Admission admit() { return place_.connections.admit(place_.now_ms); }
    Events take_events() { return std::exchange(place_.events, {}); }

    Place place_{3};
};

TEST_F(ConnectionsTest, AreCountedByTheirStates) {
    Client& client = come("a");
    EXPECT_EQ(place_.connections.count(State::accepted), 1U);
    to(client, State::sending);
    EXPECT_EQ(place_.connections.count(State::accepted), 0U);
    EXPECT_EQ(place_.connections.count(State::sending), 1U);
    EXPECT_EQ(client.state(), State::sending);
    client.close(CloseReason::done);
    EXPECT_EQ(place_.connections.count(), 0U);
    EXPECT_EQ(take_events(), Events({"a closed done"})) << "its callers may still look at it";
    place_.connections.destroy_buried();
    EXPECT_EQ(take_events(), Events({"a destroyed"}));
}

TEST_F(ConnectionsTest, ReachTheirDeadlinesInOrderOfTime) {
    Deadlines deadlines;
    deadlines.ms.fill(Deadlines::kNever);
    deadlines[State::idle] = 100;
    deadlines[State::sending] = 50;
    Client& a = come("a", State::idle);
    place_.now_ms += 10;
    come("b", State::idle);
    Client& c = come("c", State::sending);
    c.ends_by_deadline = false;
    come("d", State::paused);
    place_.now_ms += 40;
    place_.connections.touch(a, place_.now_ms);
    place_.connections.sweep(deadlines, place_.now_ms + 9);
    EXPECT_EQ(take_events(), Events()) << "c is 49 ms old";
    place_.connections.sweep(deadlines, place_.now_ms + 10);
    EXPECT_EQ(take_events(), Events({"c deadline"})) << "50";
    place_.now_ms += 60;
    place_.connections.sweep(deadlines, place_.now_ms);
    EXPECT_EQ(take_events(), Events({"b deadline", "b closed idle-timeout", "c deadline"}));
    place_.now_ms += 40;
    place_.connections.touch(c, place_.now_ms);
    place_.connections.sweep(deadlines, place_.now_ms);
    EXPECT_EQ(take_events(), Events({"a deadline", "a closed idle-timeout"}));
}

TEST_F(ConnectionsTest, MakeRoomWhereTheLeastIsLost) {
    struct Row {
        const char* name;
        State state;
        std::uint64_t age_ms;
        bool deserted;
        Events events; // empty: it makes no room
    };
    const Row rows[] = {
        {"silent", State::accepted, 1'000, false, {"x left shed-silent", "x closed shed-silent"}},
        {"just come", State::accepted, 999, false, {}},
        {"idle", State::idle, 0, false, {"x left shed-idle", "x closed shed-idle"}},
        {"half a head", State::reading_head, 9'000, false, {}},
        {"gone from a disk", State::preparing, 0, true, {"x closed client-aborted"}},
        {"paused", State::paused, 0, false, {"x closed shed-paused"}},
        {"waits for a disk", State::preparing, 1'000, false, {"x gave way"}},
        {"has just asked", State::preparing, 999, false, {}},
        {"a download", State::sending, 9'000, false, {}},
        {"a body", State::skipping_body, 9'000, false, {}},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.name);
        Place place(1);
        auto* client = new Client(place, "x");
        client->deserted = row.deserted;
        place.connections.add(*client, Admission::yes, place.now_ms);
        place.connections.move(*client, row.state, place.now_ms);
        place.now_ms += row.age_ms;
        EXPECT_EQ(place.connections.admit(place.now_ms),
                  row.events.empty() ? Admission::overloaded : Admission::yes);
        EXPECT_EQ(place.events, row.events);
    }
}

TEST_F(ConnectionsTest, ThatHaveARequestByNowDoNotMakeRoom) {
    come("a", State::idle).is_willing = false;
    come("b", State::idle);
    come("c", State::sending);
    EXPECT_EQ(admit(), Admission::yes);
    EXPECT_EQ(take_events(),
              Events({"a left shed-idle", "b left shed-idle", "b closed shed-idle"}));
}

TEST_F(ConnectionsTest, ThatAreRefusedAreFewAtATime) {
    for (const char* name : {"a", "b", "c"}) come(name, State::sending);
    std::vector<Client*> refused;
    for (unsigned i = 0; i < limits::kMaxOverloadAnswers; ++i) {
        ASSERT_EQ(admit(), Admission::overloaded);
        refused.push_back(&come("r", State::sending, Admission::overloaded));
    }
    EXPECT_EQ(admit(), Admission::turned_away);
    refused.front()->close(CloseReason::overload);
    EXPECT_EQ(admit(), Admission::overloaded);
}

TEST_F(ConnectionsTest, ThatLingerTakeNoPlaceUpToAShare) {
    for (std::size_t i = 0; i <= limits::kLeastLingering; ++i)
        come("l" + std::to_string(i), State::lingering);
    EXPECT_EQ(admit(), Admission::yes);
    EXPECT_EQ(take_events(), Events({"l0 closed done"}));
    EXPECT_EQ(admit(), Admission::yes);
    EXPECT_EQ(take_events(), Events());
}

TEST_F(ConnectionsTest, ThatAreIdleLeaveForADrain) {
    come("a", State::idle);
    come("b", State::sending);
    come("c", State::idle).is_willing = false;
    place_.connections.let_idle_leave(CloseReason::drained);
    EXPECT_EQ(take_events(), Events({"a left drained", "a closed drained", "c left drained"}));
}

TEST_F(ConnectionsTest, EndPausedListingsUntilThereIsRoom) {
    come("file", State::paused);
    for (const char* name : {"a", "b", "c"}) come(name, State::paused).listing = 100;
    come("taking", State::sending).listing = 100;
    place_.connections.free_listings(150);
    EXPECT_EQ(take_events(), Events({"a closed shed-paused", "b closed shed-paused"}));
}

} // namespace
} // namespace fsrv::session
