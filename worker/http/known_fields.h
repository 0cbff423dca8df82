// The fields of a request that had no body, and what was found in them. Most clients send the same
// again with every request of a connection, and many clients the same as each other: a parser that
// knows them compares instead of reading. What was learned stays while other clients are served,
// so it is never what tells who somebody is.
#pragma once

#include "worker/http/request.h"

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
    std::string bytes_;
    std::vector<Field> fields_; // views into bytes_
    std::string_view host_;     // likewise
    bool keep_alive_ = true;
    bool expects_continue_ = false;
};

} // namespace fsrv::http
