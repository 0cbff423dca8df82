// PageLender: sends memory without copying it: the socket gets references to its pages, by way of
// a pipe (vmsplice, splice). For memory that stays as it is (http::MemoryExtent::lendable). One for
// a worker. Thread: the loop's.
#pragma once

#include "common/ability.h"
#include "common/limits.h"
#include "common/unique_fd.h"

#include <cstddef>
#include <string_view>
#include <sys/types.h>

namespace fsrv::wire {

class PageLender final {
  public:
    // As pages: what is sent at a time needs one call.
    static constexpr int kPipeBytes = 2 * static_cast<int>(limits::kChunkBytes);

    PageLender() = default;
    PageLender(const PageLender&) = delete;
    PageLender& operator=(const PageLender&) = delete;
    ~PageLender();

    // False for good once the system turns out not to do it, for a while after a failure that
    // passes, and while there are no descriptors or memory for it: what cannot be lent can be
    // copied.
    bool able();

    // While able(): to the non-blocking socket, `before`, which may change afterwards, then `lent`;
    // both together at most limits::kChunkBytes at a time. Returns the bytes taken, or -1 and
    // errno, as send() does. EAGAIN may also mean that able() has become false. `more_follows`: as
    // MSG_MORE.
    ssize_t send(int socket, std::string_view before, std::string_view lent, bool more_follows);
    // Whether the last send() ended because the socket had no room, not the pipe.
    bool socket_was_full() const { return socket_was_full_; }

  private:
    bool open_pipe();
    bool open_pages();
    std::string_view keep(std::string_view bytes);

    Ability ability_;
    bool socket_was_full_ = false;
    UniqueFd out_; // of the pipe, which is empty between calls
    UniqueFd in_;
    char* pages_ = nullptr; // for what comes before: written once, then left to the sockets
    std::size_t written_ = 0;
};

} // namespace fsrv::wire
