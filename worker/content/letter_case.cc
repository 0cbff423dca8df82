#include "worker/content/letter_case.h"

#include "common/ascii.h"
#include "common/escape.h"

#include <algorithm>
#include <iterator>

namespace fsrv::content {
namespace {

struct Capitals {
    char32_t first;
    char32_t last;
    char32_t step;
    int to_small;
};
constexpr Capitals kCapitals[] = {
#define FSRV_CAPITALS(first, last, step, to_small) {first, last, step, to_small},
#include "worker/content/letter_case.def"
#undef FSRV_CAPITALS
};

char32_t small_letter(char32_t letter) {
    const auto* const range = std::lower_bound(
        std::begin(kCapitals), std::end(kCapitals), letter,
        [](const Capitals& capitals, char32_t wanted) { return capitals.last < wanted; });
    if (range == std::end(kCapitals) || letter < range->first ||
        (letter - range->first) % range->step != 0)
        return letter;
    return static_cast<char32_t>(static_cast<int>(letter) + range->to_small);
}

// Of two or three bytes, as all in the table.
void append_letter(std::string& out, char32_t letter) {
    const auto tail = [](char32_t six) { return static_cast<char>(0x80 | (six & 0x3F)); };
    if (letter < 0x800) {
        out.push_back(static_cast<char>(0xC0 | letter >> 6));
    } else {
        out.push_back(static_cast<char>(0xE0 | letter >> 12));
        out.push_back(tail(letter >> 6));
    }
    out.push_back(tail(letter));
}

} // namespace

void fold_case(std::string_view text, std::string& out) {
    out.clear();
    out.reserve(text.size());
    while (!text.empty()) {
        if (static_cast<unsigned char>(text.front()) < 0x80) {
            out.push_back(lower(text.front()));
            text.remove_prefix(1);
            continue;
        }
        const std::size_t bytes = std::max<std::size_t>(utf8_length(text), 1);
        const std::string_view letter = text.substr(0, bytes);
        const char32_t code = bytes == 2 || bytes == 3 ? code_point(letter) : 0;
        if (const char32_t small = small_letter(code); small != code)
            append_letter(out, small);
        else
            out.append(letter);
        text.remove_prefix(bytes);
    }
}

} // namespace fsrv::content
