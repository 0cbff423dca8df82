// Any bytes as the value of Authorization: what comes out can be looked up, logged and compared.
#include "common/crypto/base64.h"
#include "common/escape.h"
#include "tests/fuzz/fuzz.h"
#include "worker/access/authorization.h"

#include <string>

namespace {

using namespace fsrv;
using namespace fsrv::fuzz;
using access::Authorization;

void require_plain(std::string_view text) {
    require(is_utf8(text), "no UTF-8");
    for (const char c : text) require((c < 0 || c >= ' ') && c != 0x7F, "a control character");
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view value = text_of(data, size);
    const Authorization said = access::parse_authorization(value);
    switch (said.kind) {
    case Authorization::Kind::none: require(said.user.empty() && said.token.empty(), "who"); break;
    case Authorization::Kind::broken: require(!said.why.empty(), "no reason"); break;
    case Authorization::Kind::bearer:
        require(!said.token.empty() && value.ends_with(said.token), "not the token");
        require_plain(said.token);
        break;
    case Authorization::Kind::basic: {
        require_plain(said.user);
        require_plain(said.password.view());
        require(said.user.find(':') == std::string::npos, "a colon in the name");
        const std::string both = said.user + ":" + std::string(said.password.view());
        require(value.ends_with(crypto::encode_base64(both, crypto::Base64::standard)),
                "another spelling");
        break;
    }
    }
    return 0;
}
