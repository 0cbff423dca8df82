// Result<T>: a value, or the reason why there is none, for failures that are expected (a file is
// missing, a peer left). A bug is FSRV_CHECK (check.h); an impossible environment at start is
// fatal() (log.h). Nothing here throws. The names are std::expected's, so that C++23 replaces this
// file by an alias.
#pragma once

#include <cerrno>
#include <string>
#include <tl/expected.hpp>

namespace fsrv {

template <class T, class E>
using Result = tl::expected<T, E>;

template <class E>
tl::unexpected<std::decay_t<E>> unexpected(E&& error) {
    return tl::unexpected<std::decay_t<E>>(std::forward<E>(error));
}

// errno as a type of its own. Take it on the line of the call: `return unexpected(Errno::last());`.
struct Errno {
    int code = 0;
    static Errno last() { return Errno{errno}; }
    friend bool operator==(Errno, Errno) = default;
};

} // namespace fsrv
