// What all sessions of a worker share. Thread: the loop's.
#pragma once

#include "common/limits.h"
#include "worker/exchange/exchange.h"
#include "worker/http/head_fields.h"
#include "worker/loop/poller.h"
#include "worker/session/connections.h"
#include "worker/session/http1_inquiry.h"
#include "worker/session/turns.h"
#include "worker/wire/page_lender.h"
#include "worker/wire/tls.h"

#include <array>
#include <cstdint>
#include <string>

namespace fsrv::session {

// Places of downloads whose queue in the kernel may grow.
class SwiftPlaces final {
  public:
    bool take() { return taken_ < limits::kMaxSwift && ++taken_ > 0; } // false: there is none
    void give_back() { --taken_; }

  private:
    std::size_t taken_ = 0;
};

struct SessionServices {
    // Whether a head leaves with the first bytes of such a body that are lent, not by itself.
    bool joins_head(std::uint64_t body_size) const {
        return !paced || body_size <= limits::kLargestPacket;
    }

    const Options& options;
    exchange::ExchangeServices& exchanges;
    loop::Poller& poller;
    Connections& connections;
    Turns& turns;
    SpareInquiries& inquiries;
    wire::PageLender& lender;
    wire::TlsContext* tls = nullptr; // none: TCP is clear
    SwiftPlaces& swift_places;
    std::string& http2_out;               // empty between calls: frames on their way to a socket
    http::SplitHeads& split_heads;        // of kept files
    std::array<char, 64 * 1024>& scratch; // for bytes that nobody wants
    std::uint64_t listing_room = 0;       // bytes to be freed when listings leave no room
    std::uint64_t most_queued_bytes = limits::kAssumedQueues; // wire/queue_bound.h
    bool paced = false; // some of the sockets (common/pacing.h)
};

} // namespace fsrv::session
