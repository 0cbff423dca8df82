// A port for a server that cannot say which one it was given.
#pragma once

#include <cstdint>

namespace fsrv::test {

// Nobody listens there on the loopback. It lies below those that the kernel gives to others, and
// two processes begin to look at different places, so it stays free.
std::uint16_t free_port();

} // namespace fsrv::test
