// Iteration: what is the same for all that happens between two waits of a worker's loop: its time.
// Thread: the loop's.
#pragma once

#include "common/clock.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace fsrv::exchange {

class Iteration final {
  public:
    // The loop has waited: it is `now_ms` by its monotonic clock.
    void begin(std::uint64_t now_ms) {
        if (now_ms != now_ms_) date_is_new_ = false;
        now_ms_ = now_ms;
    }

    std::uint64_t now_ms() const { return now_ms_; }
    // As IMF-fixdate (RFC 9110 5.6.7); until the next begin(). The wall clock is looked at once in
    // a millisecond.
    std::string_view date() const {
        if (!date_is_new_) look_at_date();
        return date_;
    }
    // The second that date() tells, and "Date: ...", with the ends of the line and of the head.
    std::int64_t date_second() const {
        if (!date_is_new_) look_at_date();
        return date_second_;
    }
    std::string_view date_line() const {
        if (!date_is_new_) look_at_date();
        return date_line_;
    }

  private:
    void look_at_date() const;

    std::uint64_t now_ms_ = 0;
    // Made when they are asked for, once a second.
    mutable bool date_is_new_ = false;
    mutable std::int64_t date_second_ = -1;
    mutable std::string date_;
    mutable std::string date_line_;
};

} // namespace fsrv::exchange
