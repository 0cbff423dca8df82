// Addresses and networks. An address is an in6_addr, IPv4 as ::ffff:a.b.c.d; all zero is nobody's,
// and stands for a peer on a Unix socket.
#pragma once

#include <netinet/in.h>
#include <optional>
#include <span>
#include <string_view>

namespace fsrv {

bool is_loopback(const in6_addr& address); // 127.0.0.0/8, ::1

bool same_address(const in6_addr& a, const in6_addr& b);

// "192.0.2.1", "2001:db8::1"; no brackets, no zone, not "::".
std::optional<in6_addr> parse_address(std::string_view text);

struct Network {
    in6_addr address{};
    unsigned bits = 128; // that count, of the 128
    bool unix_sockets = false;

    bool holds(const in6_addr& peer) const;
    friend bool operator==(const Network& a, const Network& b) {
        return same_address(a.address, b.address) && a.bits == b.bits &&
               a.unix_sockets == b.unix_sockets;
    }
};

// "192.0.2.0/24", "2001:db8::/32", an address, or "unix" for peers on a Unix socket.
std::optional<Network> parse_network(std::string_view text);
// Its address is of one host, not of all of it: "192.0.2.7/24".
bool has_host_bits(const Network& network);

bool any_holds(std::span<const Network> networks, const in6_addr& peer);

} // namespace fsrv
