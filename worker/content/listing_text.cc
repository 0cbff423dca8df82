#include "worker/content/listing_text.h"

#include "worker/http/target.h"

#include <array>
#include <chrono>
#include <fmt/format.h>
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

std::string entry_href(const ListedEntry& entry, std::string_view path) {
    // The tree's "/files" is the API, which has that file too.
    if (path.empty() && !entry.folder && entry.name == "files") return "files?path=files";
    return http::encode_segment(entry.name) + (entry.folder ? "/" : "");
}

std::optional<std::string> iso_time(FileTime time, bool milliseconds) {
    using namespace std::chrono;
    constexpr std::int64_t kFirst = -62167219200; // 0000-01-01
    constexpr std::int64_t kLast = 253402300799;  // 9999-12-31T23:59:59
    if (time.seconds < kFirst || time.seconds > kLast) return std::nullopt;
    const sys_seconds moment{seconds{time.seconds}};
    const auto day = floor<days>(moment);
    const year_month_day date(day);
    const hh_mm_ss clock(moment - day);
    std::string text =
        fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                    static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                    clock.hours().count(), clock.minutes().count(), clock.seconds().count());
    if (milliseconds)
        fmt::format_to(std::back_inserter(text), ".{:03}", time.nanoseconds / 1000000);
    return text + 'Z';
}

std::string human_size(std::uint64_t bytes) {
    if (bytes < 1024) return fmt::format("{} B", bytes);
    constexpr std::array<std::string_view, 6> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = static_cast<double>(bytes) / 1024;
    std::size_t unit = 0;
    // 1023.95 would be written as 1024.0.
    for (; value >= 1023.95 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
    return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string grouped(std::uint64_t number) {
    std::string text = std::to_string(number);
    for (std::size_t i = text.size(); i > 3; i -= 3) text.insert(i - 3, 1, ',');
    return text;
}

} // namespace fsrv::content
