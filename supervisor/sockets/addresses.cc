#include "supervisor/sockets/addresses.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <memory>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>

namespace fsrv {
namespace {

const sockaddr_in& as_ipv4(const Address& a) {
    return reinterpret_cast<const sockaddr_in&>(a.storage);
}
const sockaddr_in6& as_ipv6(const Address& a) {
    return reinterpret_cast<const sockaddr_in6&>(a.storage);
}

bool same(const Address& a, const Address& b) {
    if (a.family() != b.family()) return false;
    if (a.family() == AF_INET) return as_ipv4(a).sin_addr.s_addr == as_ipv4(b).sin_addr.s_addr;
    return IN6_ARE_ADDR_EQUAL(&as_ipv6(a).sin6_addr, &as_ipv6(b).sin6_addr) &&
           as_ipv6(a).sin6_scope_id == as_ipv6(b).sin6_scope_id;
}

Address from_sockaddr(const sockaddr* source, socklen_t length) {
    Address address;
    std::memcpy(&address.storage, source, length);
    address.length = length;
    return address;
}

Address any_address(int family) {
    Address address{.length = family == AF_INET ? socklen_t{sizeof(sockaddr_in)}
                                                : socklen_t{sizeof(sockaddr_in6)},
                    .optional = true};
    address.storage.ss_family = static_cast<sa_family_t>(family);
    return address;
}

int look_up(const std::string& host, int flags, std::vector<Address>& found) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags;
    addrinfo* list = nullptr;
    const int status = getaddrinfo(host.c_str(), nullptr, &hints, &list);
    if (status != 0) return status;
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list, &freeaddrinfo);
    for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next)
        if (entry->ai_family == AF_INET || entry->ai_family == AF_INET6)
            found.push_back(from_sockaddr(entry->ai_addr, entry->ai_addrlen));
    return 0;
}

StartError unknown_host(const std::string& host, int status) {
    const std::string why = status == EAI_SYSTEM ? std::strerror(errno) : gai_strerror(status);
    return {kExitBind,
            fmt::format(
                "cannot find the address of --host \"{}\": {}; give an IPv4 or IPv6 address, or a "
                "name that this machine knows, without a port",
                host, why)};
}

std::string without_brackets(const std::string& host) {
    const bool bracketed = host.size() > 2 && host.starts_with('[') && host.ends_with(']');
    return bracketed ? host.substr(1, host.size() - 2) : host;
}

// The interface behind a % may come later.
bool is_numeric(const std::string& bare) {
    std::vector<Address> found;
    const bool scoped = bare.find(':') != std::string::npos;
    return look_up(bare.substr(0, scoped ? bare.find('%') : std::string::npos), AI_NUMERICHOST,
                   found) == 0;
}

bool may_be_a_name(std::string_view bare) {
    if (bare.ends_with('.')) bare.remove_suffix(1);
    const std::string_view last = bare.substr(bare.rfind('.') + 1);
    return !bare.empty() && bare.find_first_of(":[]/ \t") == std::string_view::npos &&
           last.find_first_not_of("0123456789") != std::string_view::npos;
}

Result<std::vector<Address>, StartError> resolve(const std::string& host) {
    const std::string bare = without_brackets(host);
    std::vector<Address> found;
    if (bare.empty()) return unexpected(unknown_host(host, EAI_NONAME));
    if (look_up(bare, AI_NUMERICHOST, found) == 0) return found;
    if (const int status = look_up(bare, 0, found); status != 0)
        return unexpected(unknown_host(host, status));
    for (Address& address : found) address.optional = found.size() > 1;
    return found;
}

} // namespace

bool Address::is_any() const {
    if (family() == AF_INET) return as_ipv4(*this).sin_addr.s_addr == htonl(INADDR_ANY);
    return IN6_IS_ADDR_UNSPECIFIED(&as_ipv6(*this).sin6_addr);
}

std::uint16_t Address::port() const {
    return ntohs(family() == AF_INET ? as_ipv4(*this).sin_port : as_ipv6(*this).sin6_port);
}

void Address::set_port(std::uint16_t port) {
    if (family() == AF_INET)
        reinterpret_cast<sockaddr_in&>(storage).sin_port = htons(port);
    else
        reinterpret_cast<sockaddr_in6&>(storage).sin6_port = htons(port);
}

Result<void, StartError> check_hosts(std::span<const std::string> hosts) {
    for (const std::string& host : hosts) {
        const std::string bare = without_brackets(host);
        if (is_numeric(bare) || may_be_a_name(bare)) continue;
        return unexpected(StartError{
            .exit_status = kExitUsage,
            .message = fmt::format(
                "expected an IPv4 or IPv6 address, or a name, without a port, not \"{}\"", host),
            .option = "host"});
    }
    return {};
}

Result<std::vector<Address>, StartError> resolve_hosts(std::span<const std::string> hosts) {
    if (hosts.empty()) return std::vector{any_address(AF_INET6), any_address(AF_INET)};
    std::vector<Address> all;
    for (const std::string& host : hosts) {
        auto found = resolve(host);
        if (!found) return unexpected(std::move(found.error()));
        all.insert(all.end(), found->begin(), found->end());
    }
    std::vector<Address> distinct;
    for (const Address& address : all) {
        const auto includes = [&](const Address& other) {
            return !address.is_any() && other.is_any() && other.family() == address.family();
        };
        const auto repeats = [&](const Address& other) { return same(address, other); };
        if (std::any_of(all.begin(), all.end(), includes)) continue;
        if (std::any_of(distinct.begin(), distinct.end(), repeats)) continue;
        distinct.push_back(address);
    }
    return distinct;
}

bool same_address(const Address& a, const Address& b) {
    return same(a, b) && a.port() == b.port();
}

bool overlap(const Address& a, const Address& b) {
    return a.family() == b.family() && a.port() == b.port() && a.is_any() != b.is_any();
}

Address any_ipv4(std::uint16_t port) {
    Address address = any_address(AF_INET);
    address.set_port(port);
    return address;
}

std::string address_text(const Address& address) {
    char text[NI_MAXHOST];
    if (getnameinfo(address.get(), address.length, text, sizeof text, nullptr, 0, NI_NUMERICHOST) !=
        0)
        return "?";
    return text;
}

std::string url_of(const Address& address, std::string_view scheme) {
    std::string text = address_text(address);
    if (address.family() == AF_INET)
        return fmt::format("{}://{}:{}/", scheme, text, address.port());
    if (const std::size_t scope = text.find('%'); scope != std::string::npos)
        text.replace(scope, 1, "%25"); // RFC 6874
    return fmt::format("{}://[{}]:{}/", scheme, text, address.port());
}

std::vector<std::string> urls_to_show(std::span<const Address> bound,
                                      std::span<const Address> machine, std::string_view scheme) {
    std::vector<std::string> urls;
    const auto add = [&](std::string url) {
        if (std::find(urls.begin(), urls.end(), url) == urls.end()) urls.push_back(std::move(url));
    };
    for (const Address& address : bound)
        if (address.is_any()) add(fmt::format("{}://localhost:{}/", scheme, address.port()));
    for (const Address& address : bound) {
        if (!address.is_any()) {
            add(url_of(address, scheme));
            continue;
        }
        for (Address own : machine) {
            if (own.family() != address.family()) continue;
            own.set_port(address.port());
            add(url_of(own, scheme));
        }
    }
    return urls;
}

std::vector<Address> machine_addresses() {
    constexpr std::size_t kMaxIpv4 = 2, kMaxIpv6 = 1; // the line is for a person
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0) return {};
    const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, &freeifaddrs);
    std::vector<Address> ipv4, ipv6;
    for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
        if (entry->ifa_addr == nullptr || (entry->ifa_flags & IFF_UP) == 0 ||
            (entry->ifa_flags & IFF_LOOPBACK) != 0)
            continue;
        if (entry->ifa_addr->sa_family == AF_INET && ipv4.size() < kMaxIpv4)
            ipv4.push_back(from_sockaddr(entry->ifa_addr, sizeof(sockaddr_in)));
        if (entry->ifa_addr->sa_family == AF_INET6 && ipv6.size() < kMaxIpv6) {
            const Address address = from_sockaddr(entry->ifa_addr, sizeof(sockaddr_in6));
            if (!IN6_IS_ADDR_LINKLOCAL(&as_ipv6(address).sin6_addr)) ipv6.push_back(address);
        }
    }
    ipv4.insert(ipv4.end(), ipv6.begin(), ipv6.end());
    return ipv4;
}

} // namespace fsrv
