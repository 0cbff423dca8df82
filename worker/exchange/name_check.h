// NameCheck: does the server answer to the name that a request has, where a browser may have been
// led to it (worker/http/server_names.h)? Tells the log of those that it does not, now and then.
// Thread: the loop's.
#pragma once

#include "worker/exchange/iteration.h"
#include "worker/http/server_names.h"

namespace fsrv::exchange {

class NameCheck final {
  public:
    NameCheck(std::span<const std::string> configured, const Iteration& iteration)
        : names_(configured), iteration_(iteration) {}

    bool any() const { return names_.any(); } // will do
    bool passes(std::string_view host);

  private:
    http::ServerNames names_;
    const Iteration& iteration_;
    std::uint64_t told_ms_ = 0; // last
};

} // namespace fsrv::exchange
