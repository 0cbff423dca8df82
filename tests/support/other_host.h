// OtherHost: a network namespace that a veth pair joins to this one, for clients from elsewhere.
// Its packets are not copied on the way: what is lent to a socket is lent to the client, though it
// is not on the loopback.
#pragma once

#include "common/unique_fd.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"

#include <memory>
#include <string>

namespace fsrv::test {

class OtherHost final {
  public:
    OtherHost();
    OtherHost(const OtherHost&) = delete;
    OtherHost& operator=(const OtherHost&) = delete;

    const std::string& why_not() const { return why_not_; } // empty: it is there
    // What servers here listen on for it.
    std::string address() const { return kNear; }
    // From there. Any thread may use it.
    std::unique_ptr<RawClient> connect(std::uint16_t port, ClientSetup setup = {}) const;

  private:
    static constexpr const char* kNear = "10.213.78.1";

    bool ip(const std::vector<std::string>& words, bool there = false);

    std::unique_ptr<Background> holder_; // the namespace lasts as long as it does
    UniqueFd namespace_;
    std::string why_not_;
};

} // namespace fsrv::test
