// Where to listen: from what --host says to socket addresses, and back to text and URLs.
#pragma once

#include "common/result.h"
#include "supervisor/start_error.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <vector>

namespace fsrv {

struct Address {
    sockaddr_storage storage{};
    socklen_t length = 0;
    bool optional = false; // one of several meanings ("all", a name): the machine may lack it

    int family() const { return storage.ss_family; }
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
    bool is_any() const; // 0.0.0.0 or ::
    std::uint16_t port() const;
    void set_port(std::uint16_t port);
};

bool same_address(const Address& a, const Address& b); // and port
// Not the same, but a port that one has the other cannot get: one is the wildcard of both's family.
bool overlap(const Address& a, const Address& b);
Address any_ipv4(std::uint16_t port);

// Refuses what can be the address of no machine: one with a port, a number too many. Looks no name
// up.
Result<void, StartError> check_hosts(std::span<const std::string> hosts);

// Numeric IPv4, IPv6 (brackets and scope allowed) and names, in the order given, each address once,
// port 0. No host: all, i.e.
// `::` and `0.0.0.0`. What a wildcard of its family includes is left out.
Result<std::vector<Address>, StartError> resolve_hosts(std::span<const std::string> hosts);

std::string address_text(const Address& address); // 127.0.0.1, fe80::1%eth0

// "http://[::1]:8080/"
std::string url_of(const Address& address, std::string_view scheme = "http");

// What to show a person: for a wildcard "localhost" and the machine's own addresses, as far as of a
// bound family; else as bound.
std::vector<std::string> urls_to_show(std::span<const Address> bound,
                                      std::span<const Address> machine,
                                      std::string_view scheme = "http");

// Addresses other hosts may reach this machine under: the first few, IPv4 before IPv6, no loopback,
// no link-local.
std::vector<Address> machine_addresses();

} // namespace fsrv
