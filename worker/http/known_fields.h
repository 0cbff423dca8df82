// The fields of a request that had no body, and what was found in them. Most clients send the same
// again with every request of a connection, and many clients the same as each other: a parser that
// knows them compares instead of reading. What was learned stays while other clients are served,
// so it is never what tells who somebody is.
#pragma once

#include "worker/http/request.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fsrv::http {

class KnownFields final {
  public:
    // To the end of the head; empty: nothing was learned.
    std::string_view bytes() const { return bytes_; }

    // `all`: as they came, to the end of the head. Views of the request point into it. Nothing is
    // learned of a head that is long, or has credentials.
    void learn(std::string_view all, const Request& request);

    // Into a request that has come with the same at `at`.
    void recall(Request& request, const char* at) const;

  private:
    struct Extent { // of bytes_
        std::uint16_t at = 0;
        std::uint16_t size = 0;
    };
    struct KnownField {
        Extent name;
        Extent value;
    };

    std::string bytes_;
    std::vector<KnownField> fields_;
    Extent host_;
    bool keep_alive_ = true;
    bool expects_continue_ = false;
    bool may_be_conditional_ = true;
};

} // namespace fsrv::http
