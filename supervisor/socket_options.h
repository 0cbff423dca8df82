// What the kernel copies from a listening socket to every connection accepted on it.
#pragma once

namespace fsrv {

// TCP: no delay of small segments, keepalive, a bound on what is queued unsent, and no connection
// before it has something to say (TCP_DEFER_ACCEPT). Unix: a bound on what is queued.
void set_options_of_clients(int listener, int family);

} // namespace fsrv
