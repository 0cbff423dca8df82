// What the kernel copies from a listening socket to every connection accepted on it.
#pragma once

namespace fsrv {

// TCP: no delay of small segments, keepalive, a bound on what is queued unsent, no connection
// before it has something to say (TCP_DEFER_ACCEPT), and of a loopback address no pacing (BBR).
// Unix: a bound on what is queued, and no descriptors (refuse_descriptors()). `listener` is bound.
void set_options_of_clients(int listener, int family);

} // namespace fsrv
