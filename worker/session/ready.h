// Ready answers: what is kept in memory, head and all, goes to most who ask for it with one system
// call, or two where it is lent, and no allocation. Thread: the loop's.
#pragma once

#include "worker/session/services.h"
#include "worker/wire/transport.h"

#include <optional>
#include <string_view>

namespace fsrv::session {

struct ReadyAnswer {
    int status = 200;
    std::string_view head;
    std::string_view content;
    SendPath path = SendPath::memory;
};

// What answers the request out of the file's memory, if it asks for nothing but the plain answer to
// GET or HEAD, or has the file. `coded`: the representation that it wants, if not the identity.
// Nothing: it has to be planned. `lends`: Transport::lends().
std::optional<ReadyAnswer> ready_answer(const http::Request& request,
                                        const exchange::CachedFile& file,
                                        const exchange::CachedCoding* coded, bool lends,
                                        const SessionServices& services);

// As Transport::write() does.
ssize_t send_ready(const ReadyAnswer& answer, wire::Transport& transport,
                   const SessionServices& services);

} // namespace fsrv::session
