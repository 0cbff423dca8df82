// The system calls that a hit of the cache and the wait for it are made of, without what the C
// library wraps around them for threads that may be cancelled: of so little work that is a
// hundredth. None of these threads is.
#pragma once

#include <cstddef>
#include <sys/epoll.h>
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

inline int quick_epoll_wait(int set, epoll_event* events, int most, int timeout_ms) {
#ifdef SYS_epoll_wait
    return static_cast<int>(::syscall(SYS_epoll_wait, set, events, most, timeout_ms));
#else // nor has the C library it there
    return static_cast<int>(::syscall(SYS_epoll_pwait, set, events, most, timeout_ms, nullptr, 0));
#endif
}

inline int quick_fstat(int fd, struct stat& state) {
#if defined(__x86_64__) || defined(__aarch64__) // where the kernel's struct is the C library's
    return static_cast<int>(::syscall(SYS_fstat, fd, &state));
#else
    return ::fstat(fd, &state);
#endif
}

} // namespace fsrv
