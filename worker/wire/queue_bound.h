// How many bytes of one TCP connection can wait between this process and a client on the same
// machine: in our send queue and in the client's receive queue, at the largest they may grow to.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace fsrv::wire {

// Out of /proc/sys; limits::kAssumedQueues where that cannot be read (ProcSubset=pid). A client in
// a network namespace of its own with larger limits than ours is not accounted for.
std::uint64_t most_queued_bytes();

// The last number of "4096\t131072\t6291456\n", as the kernel shows sizes of queues; nothing when
// it is none.
std::optional<std::uint64_t> last_number(std::string_view text);

} // namespace fsrv::wire
