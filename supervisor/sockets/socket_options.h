// Options of sockets, and those that the kernel copies from a listening socket to every connection
// accepted on it.
#pragma once

namespace fsrv {

// setsockopt of a number; true: it is set, else errno says why not.
bool set_option(int fd, int level, int name, int value);

// TCP: no delay of small segments, keepalive, a bound on what is queued unsent, no connection
// before it has something to say (TCP_DEFER_ACCEPT), and of a loopback address no pacing (BBR).
// Unix: a bound on what is queued, and no descriptors (refuse_descriptors()). `listener` is bound.
void set_options_of_clients(int listener, int family);

} // namespace fsrv
