#include "worker/http/date.h"

#include <array>
#include <chrono>
#include <fmt/format.h>

namespace fsrv::http {
namespace {

using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 7> kLongDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                       "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

constexpr std::int64_t kSecondsPerDay = 86400;

constexpr std::int64_t seconds_of(int year, unsigned month, unsigned day) {
    const year_month_day date{std::chrono::year{year}, std::chrono::month{month},
                              std::chrono::day{day}};
    return std::int64_t{sys_days{date}.time_since_epoch().count()} * kSecondsPerDay;
}

constexpr std::int64_t kFirst = seconds_of(0, 1, 1);
constexpr std::int64_t kEnd = seconds_of(9999, 12, 31) + kSecondsPerDay;

struct Moment {
    int year = 0;
    unsigned month = 0;
    unsigned day = 0;
    unsigned hour = 0;
    unsigned minute = 0;
    unsigned second = 0;

    // 60 is a leap second's; it counts as the first second of the next minute, as Unix time has it.
    bool valid() const {
        return year_month_day{std::chrono::year{year}, std::chrono::month{month},
                              std::chrono::day{day}}
                   .ok() &&
               hour < 24 && minute < 60 && second <= 60;
    }
    std::int64_t unix_seconds() const {
        return seconds_of(year, month, day) + hour * 3600 + minute * 60 + second;
    }
};

// Takes pieces off the front of a text; after the first piece that does not fit, nothing fits.
class Scanner {
  public:
    explicit Scanner(std::string_view text) : rest_(text) {}

    bool literal(std::string_view expected) {
        if (!rest_.starts_with(expected)) return fail();
        rest_.remove_prefix(expected.size());
        return ok_;
    }
    template <std::size_t N>
    unsigned one_of(const std::array<std::string_view, N>& names) {
        for (unsigned i = 0; i < N; ++i)
            if (rest_.starts_with(names[i])) {
                rest_.remove_prefix(names[i].size());
                return i;
            }
        fail();
        return 0;
    }
    unsigned digits(std::size_t count) {
        if (rest_.size() < count) return fail();
        unsigned value = 0;
        for (std::size_t i = 0; i < count; ++i) {
            if (rest_[i] < '0' || rest_[i] > '9') return fail();
            value = value * 10 + static_cast<unsigned>(rest_[i] - '0');
        }
        rest_.remove_prefix(count);
        return value;
    }
    unsigned padded_day() { // asctime: " 6" or "06"
        if (!rest_.starts_with(' ')) return digits(2);
        rest_.remove_prefix(1);
        return digits(1);
    }
    void time(Moment& moment) {
        moment.hour = digits(2);
        literal(":");
        moment.minute = digits(2);
        literal(":");
        moment.second = digits(2);
    }
    bool done() const { return ok_ && rest_.empty(); }

  private:
    bool fail() {
        ok_ = false;
        rest_ = {};
        return false;
    }
    std::string_view rest_;
    bool ok_ = true;
};

std::optional<std::int64_t> parse_imf(std::string_view text) {
    Scanner in(text);
    Moment moment;
    in.one_of(kDays);
    in.literal(", ");
    moment.day = in.digits(2);
    in.literal(" ");
    moment.month = in.one_of(kMonths) + 1;
    in.literal(" ");
    moment.year = static_cast<int>(in.digits(4));
    in.literal(" ");
    in.time(moment);
    in.literal(" GMT");
    if (!in.done() || !moment.valid()) return std::nullopt;
    return moment.unix_seconds();
}

// RFC 9110 5.6.7: never more than 50 years ahead of now, and otherwise as late as it can be.
std::optional<std::int64_t> parse_rfc850(std::string_view text, std::int64_t now) {
    Scanner in(text);
    Moment moment;
    in.one_of(kLongDays);
    in.literal(", ");
    moment.day = in.digits(2);
    in.literal("-");
    moment.month = in.one_of(kMonths) + 1;
    in.literal("-");
    const auto two_digits = static_cast<int>(in.digits(2));
    in.literal(" ");
    in.time(moment);
    in.literal(" GMT");
    if (!in.done() || !date_is_representable(now)) return std::nullopt;

    const auto today =
        sys_days{std::chrono::days{now / kSecondsPerDay - (now % kSecondsPerDay < 0)}};
    const auto horizon = static_cast<int>(year_month_day{today}.year()) + 50;
    moment.year = horizon - (horizon - two_digits) % 100;
    if (moment.year > horizon) moment.year -= 100;
    // 29 February may exist in one century only, so the year is settled before the day is judged.
    if (moment.year == horizon) {
        const year_month_day date{today};
        const auto in_year = std::int64_t{(today - sys_days{date.year() / 1 / 1}).count()};
        const auto limit = seconds_of(horizon, 1, 1) + in_year * kSecondsPerDay +
                           (now - std::int64_t{today.time_since_epoch().count()} * kSecondsPerDay);
        if (moment.valid() && moment.unix_seconds() > limit) moment.year -= 100;
    }
    if (moment.year < 0 || !moment.valid()) return std::nullopt;
    return moment.unix_seconds();
}

std::optional<std::int64_t> parse_asctime(std::string_view text) {
    Scanner in(text);
    Moment moment;
    in.one_of(kDays);
    in.literal(" ");
    moment.month = in.one_of(kMonths) + 1;
    in.literal(" ");
    moment.day = in.padded_day();
    in.literal(" ");
    in.time(moment);
    in.literal(" ");
    moment.year = static_cast<int>(in.digits(4));
    if (!in.done() || !moment.valid()) return std::nullopt;
    return moment.unix_seconds();
}

} // namespace

bool date_is_representable(std::int64_t unix_seconds) {
    return unix_seconds >= kFirst && unix_seconds < kEnd;
}

std::optional<std::string> format_date(std::int64_t unix_seconds) {
    if (!date_is_representable(unix_seconds)) return std::nullopt;
    std::int64_t days = unix_seconds / kSecondsPerDay;
    std::int64_t rest = unix_seconds % kSecondsPerDay;
    if (rest < 0) {
        rest += kSecondsPerDay;
        --days;
    }
    const sys_days day{std::chrono::days{days}};
    const year_month_day date{day};
    return fmt::format(
        "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[std::chrono::weekday{day}.c_encoding()],
        static_cast<unsigned>(date.day()), kMonths[static_cast<unsigned>(date.month()) - 1],
        static_cast<int>(date.year()), rest / 3600, rest / 60 % 60, rest % 60);
}

std::optional<std::int64_t> parse_date(std::string_view text, std::int64_t now) {
    if (text.size() < 24 || text.size() > 33)
        return std::nullopt; // asctime; "Wednesday, ..." of RFC 850
    if (text[3] == ',') return parse_imf(text);
    if (text[3] == ' ') return parse_asctime(text);
    return parse_rfc850(text, now);
}

} // namespace fsrv::http
