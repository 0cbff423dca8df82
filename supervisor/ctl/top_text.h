// A Status as lines for a terminal, or for a pipe. Pure.
#pragma once

#include "common/figures/status.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace fsrv {

struct TopView {
    // Of the terminal; 0: without bounds, so that nothing is cut.
    std::size_t columns = 80;
    std::size_t rows = 24;
    bool colours = false;
    bool utf8 = false;
    bool keys = false; // tell which there are
    std::string note;  // what is wrong, in the last row
};

struct TopLine {
    std::string bytes;
    std::size_t columns = 0;
};

// At most as many, and as wide, as `view` has room for.
std::vector<TopLine> top_lines(const Status& status, const TopView& view);

// The lines for a pipe.
std::string top_text(const std::vector<TopLine>& lines);

// The lines in the place of the frame before, in one piece.
std::string top_frame(const std::vector<TopLine>& lines, const TopView& view);

// "59s", "3m05s", "2h10m", "5d03h"
std::string short_duration(double seconds);

} // namespace fsrv
