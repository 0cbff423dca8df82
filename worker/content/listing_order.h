// The entries of a listing, and the orders that they can be had in. Pure.
#pragma once

#include "common/clock.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace fsrv::content {

struct ListedEntry {
    std::string_view name;  // as on disk, any bytes; Listing::names has them
    std::uint64_t size = 0; // 0 for a folder
    FileTime mtime;
    std::uint32_t place = 0; // among the names in order
    bool folder = false;
    bool known = true; // size and time; else the disk did not tell
};

// Bytes that stay where they are while it lives.
class NameStore final {
  public:
    std::string_view keep(std::string_view name);

  private:
    static constexpr std::size_t kBlockBytes = 64 * 1024; // many names
    std::vector<std::unique_ptr<char[]>> blocks_;
    char* free_ = nullptr; // in the last one
    std::size_t left_ = 0;
};

struct Listing {
    std::vector<ListedEntry> entries;
    NameStore names;
    bool more_before = false;
    bool more_after = false;
    std::size_t seen = 0; // names in the folder, those that are not shown too
};

struct ListingOrder {
    enum class Key { name, size, time };
    Key key = Key::name;
    bool descending = false;
    friend bool operator==(const ListingOrder&, const ListingOrder&) = default;
};

// Folders first. Names as people read them: without case, numbers by value ("file2" before
// "file10"); then by bytes. Equal sizes and times are in the order of names, whichever way the
// column runs. Total: no two entries are equal but those of one name. Names that come twice are
// there once then.
void sort_listing(Listing& listing, ListingOrder order);
// As that sorts.
bool comes_before(const ListedEntry& a, const ListedEntry& b, ListingOrder order);

} // namespace fsrv::content
