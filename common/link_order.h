// A link that somebody asks for on the command line: --sign and its terms.
#pragma once

#include "common/clock.h"
#include "common/result.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace fsrv {

struct LinkOrder {
    std::string url;
    Millis expires{24 * 3'600'000}; // from now
    Millis resume{24 * 3'600'000};  // from then
    bool prefix = false;
    std::string client; // a network; empty: any
    unsigned uses = 0;  // 0: any number
    std::string attachment;
};

// As they stand on the command line: by the flag's name without dashes, "" of one without a value.
using LinkTexts = std::map<std::string_view, std::string>;

// The error is one line that begins with the flag.
Result<LinkOrder, std::string> read_link_order(std::string url, const LinkTexts& texts);

// What a link to the target of a URL signs: the path of the tree, as http::Target has it. Or why it
// has none. `origin`: path and query. The worker's, since it alone reads targets.
using LinkPath = Result<std::string, std::string_view> (*)(std::string_view origin, bool api);

} // namespace fsrv
