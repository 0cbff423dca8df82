// Any bytes as the value of Want-Repr-Digest: SHA-256 is wanted only by who names it, what is
// wanted stays so behind another member and in front of one, and nothing that is malformed says
// anything.
#include "tests/fuzz/fuzz.h"
#include "worker/http/want_digest.h"

#include <string>

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace fsrv;
    using namespace fsrv::fuzz;
    const std::string value(text_of(data, size));
    const bool wanted = http::wants_sha256(value);
    require(!wanted || value.find("sha-256") != std::string::npos, "a digest that nobody named");
    require(!wanted || http::wants_sha256("a=1, " + value), "a member in front decides");
    require(!wanted || http::wants_sha256(value + ", a=1"), "a member behind decides");
    require(!http::wants_sha256(value + ", sha-256=0"), "the last one does not count");
    require(!http::wants_sha256(value + ",="), "what is malformed says something");
    return 0;
}
