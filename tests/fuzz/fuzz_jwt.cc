// Any bytes as a bearer token, as it is and as what a token holds: none is believed, since nobody
// has signed it; any bytes as JSON, and as claims, of which none is out of bounds.
#include "common/crypto/base64.h"
#include "common/escape.h"
#include "tests/fuzz/fuzz.h"
#include "worker/access/json_value.h"
#include "worker/access/jwt.h"

#include <string>

namespace {

using namespace fsrv;
using namespace fsrv::fuzz;
using access::JsonValue;

// The key of RFC 8037 A.1.
constexpr std::string_view kKey = "-----BEGIN PUBLIC KEY-----\n"
                                  "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
                                  "-----END PUBLIC KEY-----\n";

unsigned require_sound(const JsonValue& value, unsigned depth) {
    require(depth <= access::kMaxJsonDepth, "too deep");
    require(is_utf8(value.text), "no UTF-8");
    require(value.names.empty() || value.names.size() == value.elements.size(), "a lost value");
    unsigned count = 1;
    for (const JsonValue& element : value.elements) count += require_sound(element, depth + 1);
    return count;
}

void require_name(std::string_view name) {
    require(!name.empty() && name.size() <= access::kMaxClaimBytes && is_utf8(name), "no name");
    for (const char c : name) require((c < 0 || c >= ' ') && c != 0x7F, "a control character");
}

void try_claims(std::string_view json) {
    constexpr std::int64_t kNow = 1'800'000'000;
    for (const std::string_view audience : {"", "files"}) {
        const auto claims = access::read_claims(json, audience, kNow);
        if (!claims) continue;
        require_name(claims->user);
        require(claims->groups.size() <= access::kMaxClaimGroups, "too many groups");
        for (const std::string& group : claims->groups) require_name(group);
        require(claims->expires > kNow - access::kJwtLeewayS &&
                    claims->not_before <= kNow + access::kJwtLeewayS,
                "another time");
    }
}

std::string url64(std::string_view text) {
    return crypto::encode_base64(text, crypto::Base64::url);
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const std::vector<crypto::PublicKey> keys = [] {
        std::vector<crypto::PublicKey> one;
        one.push_back(std::move(*crypto::PublicKey::from_pem(kKey)));
        return one;
    }();
    const std::string_view input = text_of(data, size);
    const auto value = access::parse_json(input);
    if (value) require(require_sound(*value, 0) <= access::kMaxJsonValues, "too many values");

    try_claims(input);
    require(!access::read_jwt(input, keys, "", 0), "believed");
    require(!access::read_jwt(input, {}, "", 0), "believed without a key");
    const std::string header = url64(R"({"alg":"EdDSA"})");
    require(!access::read_jwt(url64(input) + ".e30.", keys, "", 0), "a header was believed");
    require(!access::read_jwt(header + ".e30." + url64(input), keys, "", 0),
            "a signature was believed");
    return 0;
}
