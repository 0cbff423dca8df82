#include "worker/content/listing_text.h"

#include "worker/http/target.h"

#include <array>
#include <chrono>
#include <string_view>

namespace fsrv::content {

bool PiecedText::finish_piece() {
    struct Piece {
        Reservation reservation;
        std::string bytes;
    };
    if (text_.empty()) return true;
    Reservation reservation(budget_);
    if (!reservation.grow(text_.size())) return false;
    // A copy, cut to size: text_ keeps its room for the next piece.
    const auto piece =
        std::make_shared<const Piece>(Piece{std::move(reservation), std::string(text_)});
    body_.segments.emplace_back(
        http::MemoryExtent{.bytes = std::shared_ptr<const char>(piece, piece->bytes.data()),
                           .length = text_.size(),
                           .of_listing = true});
    text_.clear();
    return true;
}

void append_href(std::string& out, const ListedEntry& entry, std::string_view path) {
    // The tree's "/files" is the API, which has that file too.
    if (path.empty() && !entry.folder && entry.name == "files") {
        out += "files?path=files";
        return;
    }
    http::append_segment(out, entry.name);
    if (entry.folder) out.push_back('/');
}

std::optional<ClockText> clock_text(FileTime time) {
    using namespace std::chrono;
    constexpr std::int64_t kFirst = -62167219200; // 0000-01-01
    constexpr std::int64_t kLast = 253402300799;  // 9999-12-31T23:59:59
    if (time.seconds < kFirst || time.seconds > kLast) return std::nullopt;
    const sys_seconds moment{seconds{time.seconds}};
    const auto day = floor<days>(moment);
    const year_month_day date(day);
    const auto second = static_cast<unsigned>((moment - day).count());
    const auto year = static_cast<unsigned>(static_cast<int>(date.year()));

    ClockText clock{{'0', '0', '0', '0', '-', '0', '0', '-', '0', //
                     '0', '0', '0', ':', '0', '0', ':', '0', '0'}};
    const auto put = [&clock](std::size_t at, unsigned two) {
        clock.text[at] = static_cast<char>('0' + two / 10);
        clock.text[at + 1] = static_cast<char>('0' + two % 10);
    };
    put(0, year / 100);
    put(2, year % 100);
    put(5, static_cast<unsigned>(date.month()));
    put(8, static_cast<unsigned>(date.day()));
    put(10, second / 3600);
    put(13, second / 60 % 60);
    put(16, second % 60);
    return clock;
}

} // namespace fsrv::content
