#include "worker/content/listing_order.h"

#include "common/ascii.h"

#include <algorithm>
#include <cstring>

namespace fsrv::content {
namespace {

// Takes a run of digits off the front and returns it without leading zeros.
std::string_view take_number(std::string_view& text) {
    std::size_t end = 0;
    while (end < text.size() && is_digit(text[end])) ++end;
    std::string_view digits = text.substr(0, end);
    text.remove_prefix(end);
    digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
    return digits;
}

// So many bytes are the same in both.
std::size_t common_length(std::string_view a, std::string_view b) {
    const std::size_t end = std::min(a.size(), b.size());
    std::size_t at = 0;
    for (std::uint64_t x = 0, y = 0; at + sizeof x <= end; at += sizeof x) {
        std::memcpy(&x, a.data() + at, sizeof x);
        std::memcpy(&y, b.data() + at, sizeof y);
        if (x != y) break;
    }
    while (at < end && a[at] == b[at]) ++at;
    return at;
}

// Negative, zero, positive. Zero does not mean equal bytes.
int compare_names(std::string_view a, std::string_view b) {
    // Names in one folder often begin alike. A number is compared as a whole.
    std::size_t same = common_length(a, b);
    while (same > 0 && is_digit(a[same - 1])) --same;
    a.remove_prefix(same);
    b.remove_prefix(same);
    while (!a.empty() && !b.empty()) {
        if (is_digit(a.front()) && is_digit(b.front())) {
            const std::string_view x = take_number(a);
            const std::string_view y = take_number(b);
            if (x.size() != y.size()) return x.size() < y.size() ? -1 : 1;
            if (const int order = x.compare(y); order != 0) return order;
            continue;
        }
        const auto x = static_cast<unsigned char>(lower(a.front()));
        const auto y = static_cast<unsigned char>(lower(b.front()));
        if (x != y) return x < y ? -1 : 1;
        a.remove_prefix(1);
        b.remove_prefix(1);
    }
    return a.empty() == b.empty() ? 0 : (a.empty() ? -1 : 1);
}

bool is_named_before(const ListedEntry& a, const ListedEntry& b) {
    const int order = compare_names(a.name, b.name);
    return order != 0 ? order < 0 : a.name < b.name;
}

} // namespace

std::string_view NameStore::keep(std::string_view name) {
    if (name.empty()) return {};
    if (name.size() > left_) {
        left_ = std::max(kBlockBytes, name.size());
        free_ = blocks_.emplace_back(std::make_unique_for_overwrite<char[]>(left_)).get();
    }
    const char* const kept = free_;
    std::memcpy(free_, name.data(), name.size());
    free_ += name.size();
    left_ -= name.size();
    return {kept, name.size()};
}

bool comes_before(const ListedEntry& a, const ListedEntry& b, ListingOrder order) {
    using Key = ListingOrder::Key;
    if (a.folder != b.folder) return a.folder;
    const ListedEntry& first = order.descending ? b : a;
    const ListedEntry& second = order.descending ? a : b;
    if (order.key == Key::size && first.size != second.size) return first.size < second.size;
    if (order.key == Key::time && first.mtime != second.mtime) return first.mtime < second.mtime;
    return order.key == Key::name ? is_named_before(first, second) : is_named_before(a, b);
}

void sort_listing(Listing& listing, ListingOrder order) {
    using Key = ListingOrder::Key;
    std::vector<ListedEntry>& all = listing.entries;
    std::sort(all.begin(), all.end(), is_named_before);
    // A folder that changes while it is read may tell of a name twice.
    const auto same = [](const ListedEntry& a, const ListedEntry& b) { return a.name == b.name; };
    all.erase(std::unique(all.begin(), all.end(), same), all.end());
    std::uint32_t place = 0;
    for (ListedEntry& entry : all) entry.place = place++;

    const auto files = std::stable_partition(all.begin(), all.end(),
                                             [](const ListedEntry& entry) { return entry.folder; });
    const auto arrange = [order](auto begin, auto end) {
        if (order.key == Key::name) {
            if (order.descending) std::reverse(begin, end);
            return;
        }
        std::sort(begin, end, [order](const ListedEntry& a, const ListedEntry& b) {
            const ListedEntry& first = order.descending ? b : a;
            const ListedEntry& second = order.descending ? a : b;
            if (order.key == Key::size && first.size != second.size)
                return first.size < second.size;
            if (order.key == Key::time && first.mtime != second.mtime)
                return first.mtime < second.mtime;
            return a.place < b.place;
        });
    };
    arrange(all.begin(), files);
    arrange(files, all.end());
}

} // namespace fsrv::content
