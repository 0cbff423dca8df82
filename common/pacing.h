// Whether the kernel spreads what a connection sends over time.
#pragma once

namespace fsrv {

// A TCP socket, or those accepted from it: its congestion control is BBR, of whatever version. Such
// a connection waits for a timer between packets, on the loopback too. False for other sockets.
bool is_paced(int socket);

} // namespace fsrv
