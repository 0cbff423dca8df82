// Mounts of a test: in a mount namespace of this program's own, which the servers started
// afterwards share, so they end with them whatever happens.
#pragma once

namespace fsrv::test {

// Nothing is shared with the system's mounts from now on. False: not allowed to.
bool leave_the_systems_mounts();

} // namespace fsrv::test
