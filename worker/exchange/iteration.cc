#include "worker/exchange/iteration.h"

#include "worker/http/date.h"

#include <fmt/format.h>

namespace fsrv::exchange {

void Iteration::look_at_date() const {
    date_is_new_ = true;
    const FileTime now = wall_now();
    if (now.seconds == date_second_) return;
    date_second_ = now.seconds;
    date_ = http::format_date(now.seconds).value_or("Thu, 01 Jan 1970 00:00:00 GMT");
    date_line_ = fmt::format("Date: {}\r\n\r\n", date_);
}

} // namespace fsrv::exchange
