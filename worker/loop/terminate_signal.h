// SIGTERM in a worker: from a person, or by PR_SET_PDEATHSIG when the supervisor died. It asks for
// a drain, and arms alarm(2) so that a worker whose loop hangs dies of it all the same.
#pragma once

namespace fsrv::loop {

// Call once, before the loop exists. `grace_seconds`: the alarm's time, 0 for none. False: no
// descriptor to be had.
bool catch_terminate_signal(unsigned grace_seconds);

// Readable once the signal has come.
int terminate_event_fd();

} // namespace fsrv::loop
