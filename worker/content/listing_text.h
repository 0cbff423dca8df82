// What both forms of a listing need: a body that grows in pieces within a budget, and times as
// text.
#pragma once

#include "common/clock.h"
#include "worker/content/byte_budget.h"
#include "worker/content/listing.h"
#include "worker/http/body.h"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace fsrv::content {

// Text in pieces of kPieceBytes: a long listing is never one block that is moved each time it
// grows. Append to text() and call settle() now and then; false: the budget is used up, give up.
class PiecedText final {
  public:
    explicit PiecedText(std::shared_ptr<ByteBudget> budget) : budget_(std::move(budget)) {}

    std::string& text() { return text_; }
    bool settle() { return text_.size() < kPieceBytes || finish_piece(); }
    std::optional<http::Body> finish() && {
        if (!finish_piece()) return std::nullopt;
        return std::move(body_);
    }

  private:
    static constexpr std::size_t kPieceBytes = 128 * 1024;

    bool finish_piece();

    std::shared_ptr<ByteBudget> budget_;
    std::string text_;
    http::Body body_;
};

// Of an entry, relative to its folder at `path`: the exact bytes of the name, percent-encoded; a
// folder ends with a slash.
void append_href(std::string& out, const ListedEntry& entry, std::string_view path);

// "2024-01-01" and "00:00:00".
struct ClockText {
    std::string_view date() const { return {text.data(), 10}; }
    std::string_view time() const { return {text.data() + 10, 8}; }
    std::array<char, 18> text;
};
// UTC. None outside the years 0 to 9999.
std::optional<ClockText> clock_text(FileTime time);

} // namespace fsrv::content
