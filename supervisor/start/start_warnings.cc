#include "supervisor/start/start_warnings.h"

#include "common/network.h"

#include <algorithm>
#include <fmt/format.h>
#include <optional>
#include <string_view>

namespace fsrv {
namespace {

bool is_of_this_machine(std::string_view address) {
    if (address == "localhost") return true;
    const auto peer = parse_address(address);
    const Network loopback[] = {parse_network("127.0.0.0/8").value_or(Network{}),
                                parse_network("::1").value_or(Network{})};
    return peer && any_holds(loopback, *peer);
}

// "127.0.0.1:9090", "[::1]:9090"
bool is_for_this_machine(std::string_view listen_place) {
    if (listen_place.empty() || listen_place.starts_with("unix:")) return true;
    std::string_view address = listen_place.substr(0, listen_place.rfind(':'));
    if (address.starts_with('[') && address.ends_with(']'))
        address = address.substr(1, address.size() - 2);
    return is_of_this_machine(address);
}

// Where proxies are trusted, they are what speaks TLS.
bool sends_passwords_in_clear(const Options& options) {
    const bool is_local = !options.host.empty() &&
                          std::all_of(options.host.begin(), options.host.end(), is_of_this_machine);
    return !options.speaks_tls() && options.trusted_proxies.empty() && !is_local &&
           (!options.rules.logins.empty() || !options.users.empty());
}

} // namespace

std::vector<std::string> start_warnings(const Options& options, bool is_root, unsigned unix_mode) {
    std::vector<std::string> warnings;
    if (is_root && options.user.empty())
        warnings.emplace_back("workers run as root, and read every file of the folder: name a user "
                              "that may read what is to be served with --user (or --user root)");
    if (!is_for_this_machine(options.admin))
        warnings.push_back(fmt::format(
            "--admin {}: whoever reaches this address sees clients and files; it asks for no "
            "password, so take a loopback address, unix:PATH, or a firewall",
            options.admin));
    const bool trusts_unix =
        std::any_of(options.trusted_proxies.begin(), options.trusted_proxies.end(),
                    [](const Network& network) { return network.unix_sockets; });
    constexpr unsigned kForOthers = 0002;
    if (trusts_unix && !options.unix_path.empty() && (unix_mode & kForOthers) != 0)
        warnings.push_back(fmt::format(
            "--trusted-proxies unix: every local user may connect to \"{}\" (mode {:04o}) and say "
            "who a client is; keep it for the proxy alone (--unix-mode 0660 with --group)",
            options.unix_path, unix_mode));
    if (sends_passwords_in_clear(options))
        warnings.emplace_back(
            "passwords cross the network in clear, for everybody on the way to read: "
            "speak TLS (--tls-cert FILE, or --tls-cert auto)");
    if (options.rules.want_accounts())
        warnings.emplace_back(
            "permissions = \"user\": workers keep CAP_SETUID and CAP_SETGID, to read "
            "with the rights of the accounts of [[login]]");
    return warnings;
}

} // namespace fsrv
