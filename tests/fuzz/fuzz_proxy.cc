// Any bytes as what a proxy sends first: the same verdict however they are cut, nothing taken that
// is not there, nothing changed by what follows. And any bytes as Forwarded and X-Forwarded-For:
// a stranger is never believed.
#include "common/network.h"
#include "tests/fuzz/fuzz.h"
#include "worker/http/forwarded.h"
#include "worker/http/proxy_header.h"

#include <string>

namespace {

using namespace fsrv;
using namespace fsrv::fuzz;
using namespace fsrv::http;

bool same(const ProxyHeader& a, const ProxyHeader& b) {
    return a.status == b.status && a.bytes == b.bytes && a.has_source == b.has_source &&
           a.port == b.port && same_address(a.source, b.source);
}

void look_at_header(std::string_view bytes) {
    const ProxyHeader whole = parse_proxy_header(bytes);
    for (std::size_t n = 0; n <= bytes.size(); ++n) {
        const ProxyHeader part = parse_proxy_header(bytes.substr(0, n));
        if (part.status == ProxyStatus::need_more) continue;
        require(same(part, whole), "another verdict with more bytes");
        require(part.bytes <= n, "a header longer than what has come");
        return;
    }
    require(whole.status == ProxyStatus::need_more, "no verdict before the last byte");
    require(bytes.size() < limits::kMaxProxyHeader, "no end of waiting");
}

void look_at_fields(std::string_view bytes) {
    const std::size_t half = bytes.size() / 2;
    Request request;
    request.fields[0] = {"Forwarded", bytes.substr(0, half)};
    request.fields[1] = {"X-Forwarded-For", bytes.substr(half)};
    request.field_count = 2;
    const Network trusted = *parse_network("10.0.0.0/8");
    const in6_addr proxy = *parse_address("10.0.0.1");
    const in6_addr stranger = *parse_address("192.0.2.1");
    require(same_address(client_address(request, stranger, {&trusted, 1}), stranger),
            "a stranger was believed");
    const in6_addr client = client_address(request, proxy, {&trusted, 1});
    require(!IN6_IS_ADDR_UNSPECIFIED(&client), "a client that is nobody");
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes = text_of(data, size);
    look_at_header(bytes);
    look_at_fields(bytes);
    return 0;
}
