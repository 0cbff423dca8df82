#include "worker/http/forwarded.h"

#include "common/limits.h"
#include "worker/http/text.h"

#include <algorithm>
#include <array>

namespace fsrv::http {
namespace {

// The last hops, in the order of the fields; an empty one says nothing.
class Hops final {
  public:
    void add(std::string_view node) { nodes_[count_++ % nodes_.size()] = node; }
    std::size_t kept() const { return std::min(count_, nodes_.size()); }
    std::string_view from_right(std::size_t i) const {
        return nodes_[(count_ - 1 - i) % nodes_.size()];
    }

  private:
    std::array<std::string_view, limits::kMaxProxyHops> nodes_;
    std::size_t count_ = 0;
};

// The node of for=NODE in one element of Forwarded; empty when there is not exactly one.
std::string_view node_of(std::string_view element) {
    std::string_view node;
    bool quoted = false;
    while (!element.empty()) {
        std::string_view pair = trim(take_until(element, ';', quoted));
        const std::string_view name = pair.substr(0, pair.find('='));
        if (!equal_ignoring_case(name, "for") || pair.size() == name.size()) continue;
        if (!node.empty()) return {};
        node = pair.substr(name.size() + 1);
    }
    if (node.size() >= 2 && node.front() == '"' && node.back() == '"')
        node = node.substr(1, node.size() - 2);
    return node;
}

// "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80".
std::optional<in6_addr> address_of(std::string_view node) {
    if (node.starts_with('[')) {
        const std::size_t end = node.find(']');
        if (end == std::string_view::npos) return std::nullopt;
        const std::string_view port = node.substr(end + 1);
        if (!port.empty() && port.front() != ':') return std::nullopt;
        return parse_address(node.substr(1, end - 1));
    }
    if (std::count(node.begin(), node.end(), ':') == 1) node = node.substr(0, node.find(':'));
    return parse_address(node);
}

in6_addr walk(const Hops& hops, const in6_addr& peer, std::span<const Network> trusted) {
    in6_addr client = peer;
    for (std::size_t i = 0; i < hops.kept() && any_holds(trusted, client); ++i) {
        const auto next = address_of(hops.from_right(i));
        if (!next) break;
        client = *next;
    }
    return client;
}

} // namespace

in6_addr client_address(const Request& request, const in6_addr& peer,
                        std::span<const Network> trusted) {
    Hops standard;
    Hops customary;
    for (const Field& field : request.all_fields()) {
        std::string_view rest = field.value;
        if (equal_ignoring_case(field.name, "forwarded")) {
            // A quote that does not end has swallowed what proxies wrote behind it: quotes come in
            // pairs in what they write.
            for (bool quoted = false; !rest.empty();) {
                const std::string_view element = take_until(rest, ',', quoted);
                standard.add(quoted ? std::string_view() : node_of(element));
            }
        } else if (equal_ignoring_case(field.name, "x-forwarded-for")) {
            for (bool more = true; more;) {
                const std::size_t comma = rest.find(',');
                customary.add(trim(rest.substr(0, comma)));
                more = comma != std::string_view::npos;
                rest.remove_prefix(more ? comma + 1 : rest.size());
            }
        }
    }
    if (standard.kept() == 0) return walk(customary, peer, trusted);
    const in6_addr client = walk(standard, peer, trusted);
    if (customary.kept() == 0 || same_address(client, walk(customary, peer, trusted)))
        return client;
    return peer;
}

} // namespace fsrv::http
