#include "worker/exchange/followers.h"

#include "common/limits.h"

namespace fsrv::exchange {

Follower::Follower(Followers& all, http::Growing& growing, FollowerHome& home)
    : all_(all), growing_(growing), home_(home) {
    all_.busy_.push_back(*this);
    if (all_.is_over_) growing_.finish();
}

Follower::~Follower() {
    (is_waiting_ ? all_.waiting_ : all_.busy_).remove(*this);
}

void Follower::wait() {
    if (is_waiting_) return;
    all_.busy_.remove(*this);
    all_.waiting_.push_back(*this);
    is_waiting_ = true;
    looked_ms_ = all_.iteration_.now_ms();
}

void Followers::look() {
    const std::uint64_t now_ms = iteration_.now_ms();
    while (Follower* const follower = waiting_.front()) {
        if (now_ms - follower->looked_ms_ < limits::kFollowLookMs) return;
        follower->looked_ms_ = now_ms;
        waiting_.remove(*follower);
        waiting_.push_back(*follower);
        if (follower->growing_.may_have_more(now_ms)) wake(*follower);
    }
}

void Followers::wake(Follower& follower) {
    waiting_.remove(follower);
    busy_.push_back(follower);
    follower.is_waiting_ = false;
    follower.home_.on_growth();
}

void Followers::finish() {
    is_over_ = true;
    for (Follower* each = busy_.front(); each; each = Follower::List::next(*each))
        each->growing_.finish();
    for (Follower* each = waiting_.front(); each; each = Follower::List::next(*each)) {
        each->growing_.finish();
        each->looked_ms_ = 0; // the next look is at once
    }
}

} // namespace fsrv::exchange
