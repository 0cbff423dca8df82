// Any bytes as a query and a path: no link that nobody has signed is good, and what was signed is
// good whatever stands beside it that is not the link's. The first line is the path.
#include "common/ascii.h"
#include "common/crypto/signed_link.h"
#include "tests/fuzz/fuzz.h"
#include "worker/access/link_path.h"

#include <string>
#include <vector>

namespace {

using namespace fsrv;
using namespace fsrv::fuzz;
using crypto::LinkTerms;

constexpr std::int64_t kNow = 1'800'000'000;

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const std::vector<SigningKey> keys = [] {
        std::vector<SigningKey> one;
        one.push_back({.id = "k", .secret = Secret(std::string(40, 's'))});
        return one;
    }();
    std::string_view query = text_of(data, size);
    const std::string first(take_before(query, '\n'));
    const auto path = access::link_path("/" + first, true);
    if (!path) return 0;
    const in6_addr client = *parse_address("192.0.2.7");
    require(!crypto::verify_link(query, *path, client, keys, kNow), "a link that nobody signed");

    Dice dice(text_of(data, size));
    LinkTerms terms{.begin_by = kNow + static_cast<std::int64_t>(dice.below(100)),
                    .client = dice.below(2) == 0 ? "" : "192.0.2.0/24",
                    .uses = static_cast<unsigned>(dice.below(3))};
    if (dice.below(2) == 0 && !path->empty()) terms.prefix = 1;
    if (crypto::why_not_in_link(first).empty()) terms.attachment = first;
    const std::string link = crypto::sign_link(terms, *path, keys[0]);
    const auto good = crypto::verify_link(link, *path, client, keys, kNow);
    require(good && good->terms == terms, "what was signed is not good");
    require(good->covers(*path), "does not cover its own path");
    const auto beside =
        crypto::verify_link(link + "&" + std::string(query), *path, client, keys, kNow);
    require(crypto::has_link_terms(query) || beside.has_value(), "what stands beside it matters");
    require(!beside || beside->terms == terms, "what stands beside it changes it");
    std::string changed = link;
    changed[dice.below(changed.size())] ^= 1;
    const auto other = crypto::verify_link(changed, *path, client, keys, kNow);
    require(!other || other->terms == terms, "it can be changed");
    return 0;
}
