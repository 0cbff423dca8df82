#include "worker/disk/page_arena.h"

#include <cstdint>
#include <iterator>
#include <sys/mman.h>
#include <unistd.h>

namespace fsrv::disk {
namespace {

constexpr std::size_t kLargePage = 2 * 1024 * 1024; // of x86-64, and of most others

std::size_t round_up(std::size_t bytes, std::size_t unit) {
    return (bytes + unit - 1) / unit * unit;
}

} // namespace

// The mapping, made at first use, and which runs of its pages are free.
class PageArena::Pages final {
  public:
    explicit Pages(std::size_t bytes) : mapped_(round_up(bytes, kLargePage) + kLargePage) {}
    Pages(const Pages&) = delete;
    Pages& operator=(const Pages&) = delete;
    ~Pages() {
        if (memory_ != MAP_FAILED) ::munmap(memory_, mapped_);
    }

    // The first run that is long enough, so that what is taken stays close together.
    char* take(std::size_t length) {
        const std::lock_guard lock(mutex_);
        if (memory_ == MAP_FAILED) map();
        for (auto run = free_.begin(); run != free_.end(); ++run) {
            if (run->second < length) continue;
            auto taken = free_.extract(run);
            char* const first = taken.key();
            taken.key() += length;
            taken.mapped() -= length;
            if (taken.mapped() > 0) free_.insert(std::move(taken));
            return first;
        }
        return nullptr;
    }

    void give_back(char* first, std::size_t length) {
        // Others come in their place, for a socket may still refer to these. If not, nothing may.
        if (::madvise(first, length, MADV_DONTNEED) != 0) return;
        const std::lock_guard lock(mutex_);
        const auto next = free_.lower_bound(first);
        if (next != free_.end() && next->first == first + length) {
            length += next->second;
            free_.erase(next);
        }
        const auto after = free_.lower_bound(first);
        if (after != free_.begin()) {
            const auto before = std::prev(after);
            if (before->first + before->second == first) {
                before->second += length;
                return;
            }
        }
        free_.emplace_hint(after, first, length);
    }

  private:
    void map() {
        memory_ = ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory_ == MAP_FAILED) return;
        ::madvise(memory_, mapped_, MADV_HUGEPAGE);
        ::madvise(memory_, mapped_, MADV_DONTDUMP); // files; a core is about the worker
        const auto begin = reinterpret_cast<std::uintptr_t>(memory_);
        free_.emplace(static_cast<char*>(memory_) + (round_up(begin, kLargePage) - begin),
                      mapped_ - kLargePage);
    }

    std::size_t mapped_;
    void* memory_ = MAP_FAILED;
    std::mutex mutex_;
    std::map<char*, std::size_t> free_; // bytes from each; no two of them touch
};

PageArena::PageArena(std::size_t bytes) : pages_(std::make_shared<Pages>(bytes)) {}

std::size_t PageArena::in_whole_pages(std::size_t bytes) {
    static const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return round_up(bytes, page);
}

std::shared_ptr<const char> PageArena::copy_of(int fd, std::size_t length, ReadFile read) {
    const std::size_t taken = in_whole_pages(length);
    char* const first = pages_->take(taken);
    if (!first) return nullptr;
    const std::shared_ptr<const char> copy(
        first, [pages = pages_, first, taken](const char*) { pages->give_back(first, taken); });
    return read(fd, first, length, 0) == static_cast<std::int64_t>(length) ? copy : nullptr;
}

} // namespace fsrv::disk
