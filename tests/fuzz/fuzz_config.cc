// Any bytes as a configuration file: a refusal is one printable line with a place, and what is
// accepted can be dumped and read again to the same options.
#include "common/escape.h"
#include "common/options.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace fsrv;
    const auto first = parse_config(fuzz::text_of(data, size), "f");
    if (!first) {
        const std::string& message = first.error().message;
        fuzz::require(message.starts_with("f:"), "a refusal without a place");
        fuzz::require(printable(message) == message, "a refusal that is not printable");
        return 0;
    }
    const auto second = parse_config(first->output, "f");
    fuzz::require(second.has_value(), "a dump that is refused");
    fuzz::require(first->options == second->options, "a dump that says something else");
    return 0;
}
