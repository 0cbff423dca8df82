// The system calls that a hit of the cache is made of, without what the C library wraps around them
// for threads that may be cancelled: of so little work that is a hundredth. None of these threads
// is.
#pragma once

#include <cstddef>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace fsrv {

inline ssize_t quick_recv(int fd, void* room, std::size_t size, int flags) {
    return ::syscall(SYS_recvfrom, fd, room, size, flags, nullptr, nullptr);
}

inline ssize_t quick_send(int fd, const void* bytes, std::size_t size, int flags) {
    return ::syscall(SYS_sendto, fd, bytes, size, flags, nullptr, 0);
}

// The one way to send that no filter of system calls looks at. SIGPIPE has to be ignored, the
// socket non-blocking.
inline ssize_t quick_writev(int fd, const iovec* vectors, std::size_t count) {
    return ::syscall(SYS_writev, fd, vectors, count);
}

inline ssize_t quick_sendmsg(int fd, const msghdr& message, int flags) {
    return ::syscall(SYS_sendmsg, fd, &message, flags);
}

inline int quick_fstat(int fd, struct stat& state) {
#if defined(__x86_64__) || defined(__aarch64__) // where the kernel's struct is the C library's
    return static_cast<int>(::syscall(SYS_fstat, fd, &state));
#else
    return ::fstat(fd, &state);
#endif
}

} // namespace fsrv
