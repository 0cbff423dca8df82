// Bytes that are wiped before their memory is given back: keys, and what holds some.
#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace fsrv {

// Not left out by the compiler, though nobody reads the memory again.
inline void wipe(void* bytes, std::size_t size) {
    explicit_bzero(bytes, size);
}

// Moves, so that there is one copy; copies are made by name. What the string had outgrown while it
// was filled is not ours to wipe: reserve first. Not for the few bytes that a string keeps within
// itself, which moving leaves behind.
class Secret final {
  public:
    Secret() = default;
    explicit Secret(std::string bytes) : bytes_(std::move(bytes)) {}
    Secret(Secret&& other) noexcept : bytes_(std::move(other.bytes_)) { other.clear(); }
    Secret& operator=(Secret&& other) noexcept {
        if (this == &other) return *this;
        clear();
        bytes_ = std::move(other.bytes_);
        other.clear();
        return *this;
    }
    ~Secret() { clear(); }

    Secret copy() const { return Secret(bytes_); }
    void clear() {
        wipe(bytes_.data(), bytes_.size());
        bytes_.clear();
    }

    const char* data() const { return bytes_.data(); }
    std::size_t size() const { return bytes_.size(); }
    bool empty() const { return bytes_.empty(); }
    std::string_view view() const { return bytes_; } // as long as this lives and is not changed
    friend bool operator==(const Secret&, const Secret&) = default;

  private:
    std::string bytes_;
};

} // namespace fsrv
