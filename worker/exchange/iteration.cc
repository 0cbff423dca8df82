#include "worker/exchange/iteration.h"

#include "worker/http/date.h"

#include <fmt/format.h>
#include <utility>

namespace fsrv::exchange {

void Iteration::look_at_date() const {
    if (std::exchange(date_is_new_, true)) return;
    const FileTime now = wall_now();
    if (now.seconds == date_second_) return;
    date_second_ = now.seconds;
    date_ = http::format_date(now.seconds).value_or("Thu, 01 Jan 1970 00:00:00 GMT");
    date_line_ = fmt::format("Date: {}\r\n\r\n", date_);
}

std::string_view Iteration::date() const {
    look_at_date();
    return date_;
}

std::int64_t Iteration::date_second() const {
    look_at_date();
    return date_second_;
}

std::string_view Iteration::date_line() const {
    look_at_date();
    return date_line_;
}

} // namespace fsrv::exchange
