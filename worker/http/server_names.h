// The names that a server answers to on loopback addresses. A page of a stranger can give its own
// name the address 127.0.0.1 (DNS rebinding): the browser then lets it read what is served there,
// and only the Host tells it from the machine's user. Thread: that of its owner.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace fsrv::http {

class ServerNames final {
  public:
    // As --server-name has them: names, "*.example.org" for all names below one, "*" for any.
    explicit ServerNames(std::span<const std::string> configured);

    bool any() const { return any_; }
    // `host`: Request::host. True for a name that nobody else can point here: an address, localhost
    // and what is below it, one that is configured; and for none at all, which no browser sends.
    bool answer(std::string_view host) {
        return host.empty() || any_ || host == last_ || learn(host);
    }

  private:
    bool learn(std::string_view host); // false: it is not answered to
    bool is_ours(std::string_view name) const;

    std::span<const std::string> configured_;
    bool any_ = false;
    std::string last_; // that was answered, with its port
};

} // namespace fsrv::http
