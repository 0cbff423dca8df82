// What a worker says on its channel. It is hostile: a worker parses what strangers send. What makes
// no sense is told once and ignored, and who says too much of it is no longer listened to.
#pragma once

#include "supervisor/generation.h"

#include <cstdint>

namespace fsrv {

inline constexpr unsigned kMessagesPerTurn =
    16; // of one worker, so that a talkative one does not hold up the rest

bool is_listened_to(const Worker& worker);

// Takes up to `budget` messages, and lessens it. True: the worker says that it leaves, and may have
// said more. False: that was all for now; its slot knows what there was, also that the channel is
// closed.
bool hear_that_it_leaves(Worker& worker, unsigned index, unsigned& budget, std::uint64_t now);

} // namespace fsrv
