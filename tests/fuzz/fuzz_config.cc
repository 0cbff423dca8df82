// Any bytes as a configuration file: a refusal is one printable line with a place, and what is
// accepted can be dumped and read again to the same options.
#include "common/escape.h"
#include "common/options.h"

#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using namespace fsrv;

void require(bool condition) {
    if (!condition) std::abort();
}

bool same(const Options& a, const Options& b) {
#define FSRV_GROUP(title)
#define FSRV_OPTION(type, field, name, metavar, fallback, meaning)                                 \
    if (!(a.field == b.field)) return false;
#include "common/options.def"
#undef FSRV_GROUP
#undef FSRV_OPTION
    return true;
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view toml(reinterpret_cast<const char*>(data), size);
    const auto first = parse_config(toml, "f");
    if (!first) {
        const std::string& message = first.error().message;
        require(message.starts_with("f:") && printable(message) == message);
        return 0;
    }
    const auto second = parse_config(first->output, "f");
    require(second.has_value() && same(first->options, second->options));
    return 0;
}
