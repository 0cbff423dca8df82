#include "worker/http/server_names.h"

#include "worker/http/request.h"

#include <algorithm>
#include <arpa/inet.h>

namespace fsrv::http {
namespace {

bool is_below(std::string_view name, std::string_view suffix) { // with its dot
    return name.size() > suffix.size() &&
           equal_ignoring_case(name.substr(name.size() - suffix.size()), suffix);
}

bool is_ipv4(const std::string& text) {
    in_addr address{};
    return ::inet_pton(AF_INET, text.c_str(), &address) == 1;
}

// One dot at its end makes no other name.
std::string_view without_dot(std::string_view name) {
    return name.substr(0, name.size() - (name.ends_with('.') ? 1 : 0));
}

} // namespace

ServerNames::ServerNames(std::span<const std::string> configured)
    : configured_(configured), any_(std::ranges::count(configured, "*") > 0) {}

bool ServerNames::learn(std::string_view host) {
    // In brackets there is an address: the head was found sound.
    if (!host.starts_with('[') && !is_ours(without_dot(host.substr(0, host.find(':')))))
        return false;
    last_ = host;
    return true;
}

bool ServerNames::is_ours(std::string_view name) const {
    if (equal_ignoring_case(name, "localhost") || is_below(name, ".localhost")) return true;
    if (is_ipv4(std::string(name))) return true;
    return std::ranges::any_of(configured_, [name](std::string_view ours) {
        ours = without_dot(ours);
        return ours.starts_with("*.") ? is_below(name, ours.substr(1))
                                      : equal_ignoring_case(name, ours);
    });
}

} // namespace fsrv::http
