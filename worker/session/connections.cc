#include "worker/session/connections.h"

#include "common/check.h"

#include <algorithm>

namespace fsrv::session {

std::string_view name_of(State state) {
    static constexpr std::string_view kNames[kStates] = {
        "accepted",  "handshaking", "idle",   "reading_head",  "preparing", "sending",
        "throttled", "following",   "paused", "skipping_body", "lingering", "closing"};
    return kNames[static_cast<unsigned>(state)];
}

Connections::~Connections() {
    FSRV_CHECK(count_ == 0, "connections outlive their worker");
}

Connections::Admission Connections::admit(std::uint64_t now_ms) {
    const std::size_t most_lingering =
        std::max(most_ / limits::kLingeringShare, limits::kLeastLingering);
    if (count(State::lingering) > most_lingering)
        list(State::lingering).front()->close(CloseReason::done);
    if (live() < most_ || make_room(now_ms)) return Admission::yes;
    return overload_answers_ < limits::kMaxOverloadAnswers ? Admission::overloaded
                                                           : Admission::turned_away;
}

bool Connections::make_room(std::uint64_t now_ms) {
    const auto first_that = [this](State state, auto makes_room) {
        Member* member = list(state).front();
        for (unsigned looks = 0; member && looks < limits::kShedLooks; ++looks) {
            Member* const following = List::next(*member);
            if (makes_room(*member)) return true;
            member = following;
        }
        return false;
    };
    const auto is_old = [now_ms](const Member& member) {
        return now_ms - member.since_ms() >= limits::kShedAfterMs;
    };
    const auto is_silent = [&](Member& member) {
        return is_old(member) && member.leave(CloseReason::shed_silent);
    };
    const auto is_idle = [](Member& member) { return member.leave(CloseReason::shed_idle); };
    const auto is_deserted = [](Member& member) {
        if (!member.is_deserted()) return false;
        member.close(CloseReason::client_aborted);
        return true;
    };
    const auto is_paused = [](Member& member) {
        member.close(CloseReason::shed_paused);
        return true;
    };
    const auto waits_in_vain = [&](Member& member) {
        if (!is_old(member)) return false;
        member.give_way();
        return true;
    };
    const auto is_slow = [&](Member& member) {
        if (!is_old(member)) return false;
        member.close(CloseReason::shed_silent);
        return true;
    };
    return first_that(State::accepted, is_silent) || first_that(State::handshaking, is_slow) ||
           first_that(State::idle, is_idle) || first_that(State::preparing, is_deserted) ||
           first_that(State::paused, is_paused) || first_that(State::preparing, waits_in_vain);
}

void Connections::add(Member& member, Admission admission, std::uint64_t now_ms) {
    ++count_;
    member.since_ms_ = now_ms;
    member.overloaded_ = admission == Admission::overloaded;
    if (member.overloaded_) ++overload_answers_;
    list(State::accepted).push_back(member);
}

void Connections::move(Member& member, State to, std::uint64_t now_ms) {
    list(member.state_).remove(member);
    list(to).push_back(member);
    member.state_ = to;
    member.since_ms_ = now_ms;
}

void Connections::touch(Member& member, std::uint64_t now_ms) {
    if (member.since_ms_ == now_ms) return;
    move(member, member.state_, now_ms);
}

void Connections::bury(Member& member) {
    list(State::closing).remove(member);
    if (member.overloaded_) --overload_answers_;
    --count_;
    dead_.emplace_back(&member);
}

void Connections::sweep(const Deadlines& deadlines, std::uint64_t now_ms) {
    for (unsigned s = 0; s < kStates; ++s) {
        const auto state = static_cast<State>(s);
        for (Member* member = list(state).front();
             member && now_ms - member->since_ms() >= deadlines[state];) {
            Member* const following = List::next(*member);
            member->on_deadline();
            member = following;
        }
    }
}

void Connections::free_listings(std::uint64_t wanted) {
    std::uint64_t freed = 0;
    for_each(State::paused, [&](Member& member) {
        const std::uint64_t bytes = member.listing_bytes();
        if (bytes == 0 || freed >= wanted) return;
        member.close(CloseReason::shed_paused);
        freed += bytes;
    });
}

void Connections::let_idle_leave(CloseReason reason) {
    for_each(State::idle, [reason](Member& member) { member.leave(reason); });
}

} // namespace fsrv::session
