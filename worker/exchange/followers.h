// Followers: the answers of a worker that follow a file (http::Growing). Who has sent all that
// there is waits here, without a thread and without a buffer, and is looked at every
// limits::kFollowLookMs, in turn. There is room for so many, since each stays as long as it likes.
// Thread: the loop's.
#pragma once

#include "common/intrusive_list.h"
#include "worker/exchange/iteration.h"
#include "worker/http/body.h"

#include <cstddef>
#include <cstdint>

namespace fsrv::exchange {

class Followers;

class FollowerHome {
  public:
    // After Follower::wait(): there may be more. May do anything, end the follower included.
    virtual void on_growth() = 0;

  protected:
    ~FollowerHome() = default;
};

// Of an answer, for as long as it takes.
class Follower final {
  public:
    Follower(Followers& all, http::Growing& growing, FollowerHome& home);
    ~Follower();
    Follower(const Follower&) = delete;
    Follower& operator=(const Follower&) = delete;

    void wait(); // there is no more yet

  private:
    friend class Followers;

    Followers& all_;
    http::Growing& growing_;
    FollowerHome& home_;
    ListHook<Follower> hook_;
    std::uint64_t looked_ms_ = 0;
    bool is_waiting_ = false;

  public:
    using List = IntrusiveList<Follower, &Follower::hook_>;
};

class Followers final {
  public:
    Followers(std::size_t most, const Iteration& iteration) : most_(most), iteration_(iteration) {}
    Followers(const Followers&) = delete;
    Followers& operator=(const Followers&) = delete;

    bool has_room() const { return count() < most_; } // for one more
    std::size_t count() const { return waiting_.size() + busy_.size(); }

    // on_growth() of all whose time has come, and whose file has something new. To be called often.
    void look();
    // No more will be sent than there is now, to those that come later neither.
    void finish();

  private:
    friend class Follower;
    void wake(Follower& follower);

    const std::size_t most_;
    const Iteration& iteration_;
    Follower::List waiting_; // who was looked at the longest ago is the first
    Follower::List busy_;    // with what there is
    bool is_over_ = false;
};

} // namespace fsrv::exchange
