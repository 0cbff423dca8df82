#include "common/network.h"

#include "common/ascii.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cstring>

namespace fsrv {
namespace {

constexpr unsigned kMappedBits = 96; // ::ffff:0:0/96 is IPv4

bool is_ipv4(const in6_addr& address) {
    return IN6_IS_ADDR_V4MAPPED(&address);
}

bool is_nobody(const in6_addr& address) {
    return IN6_IS_ADDR_UNSPECIFIED(&address);
}

bool same_prefix(const in6_addr& a, const in6_addr& b, unsigned bits) {
    const unsigned bytes = bits / 8;
    if (std::memcmp(a.s6_addr, b.s6_addr, bytes) != 0) return false;
    const unsigned rest = bits % 8;
    return rest == 0 || (a.s6_addr[bytes] ^ b.s6_addr[bytes]) >> (8 - rest) == 0;
}

} // namespace

bool is_loopback(const in6_addr& address) {
    return is_ipv4(address) ? address.s6_addr[12] == 127 : IN6_IS_ADDR_LOOPBACK(&address) != 0;
}

bool same_address(const in6_addr& a, const in6_addr& b) {
    return std::memcmp(&a, &b, sizeof a) == 0;
}

std::optional<in6_addr> parse_address(std::string_view text) {
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    if (text.size() >= buffer.size() || text.find('\0') != std::string_view::npos)
        return std::nullopt;
    text.copy(buffer.data(), text.size());
    in6_addr address{};
    if (::inet_pton(AF_INET, buffer.data(), &address.s6_addr[12]) == 1) {
        address.s6_addr[10] = address.s6_addr[11] = 0xFF;
        return address;
    }
    if (::inet_pton(AF_INET6, buffer.data(), &address) != 1 || is_nobody(address))
        return std::nullopt;
    return address;
}

bool Network::holds(const in6_addr& peer) const {
    if (unix_sockets || is_nobody(peer)) return unix_sockets && is_nobody(peer);
    // Who means all of IPv6 does not mean IPv4.
    if (is_ipv4(peer) && bits < kMappedBits) return false;
    return same_prefix(address, peer, bits);
}

std::optional<Network> parse_network(std::string_view text) {
    if (text == "unix") return Network{.unix_sockets = true};
    const std::size_t slash = text.find('/');
    const std::string_view name = text.substr(0, slash);
    auto address = parse_address(name);
    if (!address && name == "::" && slash != std::string_view::npos) address.emplace();
    if (!address) return std::nullopt;
    Network network{.address = *address};
    if (slash == std::string_view::npos) return network;

    const std::string_view length = text.substr(slash + 1);
    const bool dotted = name.find(':') == std::string_view::npos;
    const unsigned most = dotted ? 128 - kMappedBits : 128;
    const auto bits = to_number<unsigned>(length);
    if (!bits || *bits > most) return std::nullopt;
    network.bits = dotted ? kMappedBits + *bits : *bits;
    return network;
}

bool has_host_bits(const Network& network) {
    for (unsigned bit = network.bits; bit < 128; ++bit)
        if ((network.address.s6_addr[bit / 8] >> (7 - bit % 8) & 1) != 0) return true;
    return false;
}

bool any_holds(std::span<const Network> networks, const in6_addr& peer) {
    return std::any_of(networks.begin(), networks.end(),
                       [&](const Network& network) { return network.holds(peer); });
}

} // namespace fsrv
