// Plays an answer to a client, head and body, piece by piece: what HTTP/1 sends is just that.
#pragma once

#include "worker/session/chunk_framing.h"
#include "worker/session/services.h"
#include "worker/wire/transport.h"

namespace fsrv::session {

enum class Played {
    complete,      // the last byte is with the kernel
    wait_writable, // the client takes no more now
    wait_disk,     // a read is under way; ExchangeHome::on_body() follows
    wait_growth,   // all that there is was; ExchangeHome::on_body() follows when there is more
    wait_ration,   // as much as may be sent now was; ExchangeHome::on_ration() follows
    yield,         // it could go on, but has had its turn
    failed,        // the body's failure() says why
};

// A turn of it: what there is room for, limits::kTurnBytes and its ration at most. Thread: the
// loop's. `chunks`: of a body of unknown length; none: it goes as it is.
Played play(exchange::Answer& answer, wire::Transport& transport, const SessionServices& services,
            ChunkFraming* chunks = nullptr);

} // namespace fsrv::session
