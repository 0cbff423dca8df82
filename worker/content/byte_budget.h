// How many bytes of listings, or of lists for archives, this process holds at once, counted while
// they are made and until the last client has its own.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace fsrv::content {

class ByteBudget final {
  public:
    explicit ByteBudget(std::size_t limit) : limit_(limit) {}

    bool take(std::size_t bytes) {
        std::size_t used = used_.load(std::memory_order_relaxed);
        do {
            if (bytes > limit_ - used) return false;
        } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
        return true;
    }
    void give_back(std::size_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }
    std::size_t used() const { return used_.load(std::memory_order_relaxed); }

  private:
    const std::size_t limit_;
    std::atomic<std::size_t> used_ = 0;
};

// What one owner has taken of a budget; given back at the end of its life.
class Reservation final {
  public:
    explicit Reservation(std::shared_ptr<ByteBudget> budget) : budget_(std::move(budget)) {}
    Reservation(Reservation&& other) noexcept
        : budget_(std::move(other.budget_)), bytes_(std::exchange(other.bytes_, 0)) {}
    Reservation& operator=(Reservation&&) = delete;
    ~Reservation() {
        if (budget_) budget_->give_back(bytes_);
    }

    bool grow(std::size_t bytes) {
        if (!budget_->take(bytes)) return false;
        bytes_ += bytes;
        return true;
    }

    void give_back(std::size_t bytes) { shrink_to(bytes_ - bytes); }
    void shrink_to(std::size_t bytes) {
        if (bytes >= bytes_) return;
        budget_->give_back(bytes_ - bytes);
        bytes_ = bytes;
    }

  private:
    std::shared_ptr<ByteBudget> budget_;
    std::size_t bytes_ = 0;
};

} // namespace fsrv::content
