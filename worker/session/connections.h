// Connections: all of a worker's, by their states, in each the one that has been in it the longest
// first: so a deadline needs no timer of its own, and who makes room is found at once. Owns them
// from add() to the end of the iteration that bury() was called in. Knows no time but what it is
// told. Thread: the loop's.
#pragma once

#include "common/limits.h"
#include "worker/session/member.h"

#include <array>
#include <cstddef>
#include <limits>
#include <memory>
#include <vector>

namespace fsrv::session {

// Milliseconds that a state may last.
struct Deadlines {
    static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t& operator[](State state) { return ms[static_cast<unsigned>(state)]; }
    std::uint64_t operator[](State state) const { return ms[static_cast<unsigned>(state)]; }
    std::array<std::uint64_t, kStates> ms{};
};

class Connections final {
  public:
    explicit Connections(std::size_t most) : most_(most) {}
    Connections(const Connections&) = delete;
    Connections& operator=(const Connections&) = delete;
    ~Connections();

    enum class Admission {
        yes,
        overloaded,  // there is no room: it gets a 503
        turned_away, // nor for one more of those
    };
    // Of one that wants to come. Who has the least to lose makes room: silent, idle, gone from a
    // disk that does not answer, paused, waiting for such a disk; of each the one that has been so
    // the longest.
    Admission admit(std::uint64_t now_ms);

    // An object of new's, in State::accepted.
    void add(Member& member, Admission admission, std::uint64_t now_ms);
    void move(Member& member, State to, std::uint64_t now_ms);
    void touch(Member& member, std::uint64_t now_ms); // its deadline starts anew
    // It is closing, and nothing refers to it but its callers, who may look at it until
    // destroy_buried().
    void bury(Member& member);
    void destroy_buried() { dead_.clear(); }

    // on_deadline() of all whose time is over.
    void sweep(const Deadlines& deadlines, std::uint64_t now_ms);
    // leave() of all that are idle.
    void let_idle_leave(CloseReason reason);
    // Ends paused listings, the oldest first, until `wanted` bytes are free.
    void free_listings(std::uint64_t wanted);

    // `look(Member&)` may end that one.
    template <class Look>
    void for_each(State state, Look look) {
        for (Member* member = list(state).front(); member;) {
            Member* const following = List::next(*member);
            look(*member);
            member = following;
        }
    }

    std::size_t count() const { return count_; } // alive, closing ones included
    std::size_t count(State state) const { return lists_[static_cast<unsigned>(state)].size(); }
    std::size_t most() const { return most_; }

  private:
    using List = IntrusiveList<Member, &Member::hook_>;
    List& list(State state) { return lists_[static_cast<unsigned>(state)]; }
    // Those that linger owe nothing but time: they make room when too many others are there.
    std::size_t live() const { return count_ - count(State::closing) - count(State::lingering); }
    bool make_room(std::uint64_t now_ms);

    const std::size_t most_;
    std::array<List, kStates> lists_;
    std::vector<std::unique_ptr<Member>> dead_;
    std::size_t count_ = 0;
    std::size_t overload_answers_ = 0;
};

} // namespace fsrv::session
