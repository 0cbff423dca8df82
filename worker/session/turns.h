// Turns: connections that have more to do than is fair at once, each of which gets one turn after
// the other. Thread: the loop's.
#pragma once

#include <cstdint>
#include <deque>

namespace fsrv::session {

class Connection;

class Turns final {
  public:
    // Its go_on() is called in the next iteration.
    void add(Connection& connection) { waiting_.push_back(&connection); }
    bool empty() const { return waiting_.empty(); }
    // As many as there is time for; who comes again meanwhile is behind the others.
    void give();

  private:
    std::deque<Connection*> waiting_;
};

} // namespace fsrv::session
