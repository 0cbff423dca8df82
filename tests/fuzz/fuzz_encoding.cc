// Any bytes as fields Accept-Encoding, one a line: the coding that is chosen was named, or "*" was,
// and stays the same when the lines come in another order.
#include "tests/fuzz/fuzz.h"
#include "worker/http/accept_encoding.h"
#include "worker/http/request.h"

#include <algorithm>
#include <string>
#include <vector>

namespace {

using namespace fsrv;
using namespace fsrv::fuzz;
using namespace fsrv::http;

Coding coding_of(const std::vector<std::string>& values) {
    Request request;
    for (const std::string& value : values) {
        if (request.field_count == request.fields.size()) break;
        request.fields[request.field_count++] = {.name = "Accept-Encoding", .value = value};
    }
    return wanted_coding(request);
}

bool names(const std::string& value, std::string_view token) {
    for (std::size_t at = 0; at + token.size() <= value.size(); ++at)
        if (equal_ignoring_case(std::string_view(value).substr(at, token.size()), token))
            return true;
    return false;
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto text = text_of(data, size);
    std::vector<std::string> values;
    while (!text.empty() && values.size() < 50) {
        const auto line = text.substr(0, text.find('\n'));
        values.emplace_back(line);
        text.remove_prefix(std::min(line.size() + 1, text.size()));
    }
    const Coding coding = coding_of(values);
    const auto is_named = [&](const std::string& value) {
        return names(value, token_of(coding)) || names(value, "*");
    };
    require(coding == Coding::identity || std::any_of(values.begin(), values.end(), is_named),
            "a coding that nobody named");
    std::reverse(values.begin(), values.end());
    require(coding_of(values) == coding, "the order of the fields decides");
    Request ranged;
    ranged.fields[0] = {.name = "Range", .value = values.empty() ? "" : values[0]};
    ranged.fields[1] = {.name = "Accept-Encoding", .value = values.empty() ? "" : values[0]};
    ranged.field_count = 2;
    require(wanted_coding(ranged) == Coding::identity, "a range of what is coded");
    return 0;
}
