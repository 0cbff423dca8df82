// The head of an answer, from the text that HTTP/1 sends to what other versions of HTTP take: the
// status, and fields with names in lower case (RFC 9113 8.2). One text is made, for all of them.
#pragma once

#include "worker/http/request.h"

#include <array>
#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace fsrv::http {

inline constexpr std::size_t kMostHeadFields = 40; // of an answer; there are about 20 at most

struct HeadFields {
    std::string_view status; // "200"
    std::vector<Field> fields;
    bool names_last = false; // their names are there for good
};

// `head`: as response_head.h makes it; its names become lower case, and the result has views into
// it. Left out is what only HTTP/1 has: Connection, Transfer-Encoding.
void split_head(std::string& head, HeadFields& result);

// The same of heads that come again and again, made once: those of kept files, until the second of
// their Date is over. A bounded number of them. Thread: that of its owner.
class SplitHeads final {
  public:
    // Valid until the next call, the names for as long as this lives.
    const HeadFields& split(std::string_view head);

  private:
    static constexpr std::size_t kPlaces = 128; // some 1 KiB each; a power of two
    struct Place {
        std::string head; // as it came
        std::string text; // what the fields have views into
        HeadFields fields;
    };
    std::array<Place, kPlaces> places_;        // each for the heads at some addresses
    std::set<std::string, std::less<>> names_; // of fields, all that there were: few are known
};

} // namespace fsrv::http
