#include "common/scoreboard.h"

#include "common/check.h"
#include "common/log.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <sys/mman.h>

namespace fsrv {

static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "a lock would not be shared");

void ScoreSlot::set_last_request(std::string_view text) {
    text = text.substr(0, limits::kLastRequestBytes - 1);
    // Ends with the word that holds the terminating NUL; what an earlier, longer line left behind
    // it is never read.
    for (std::size_t i = 0; i <= text.size() / 8; ++i) {
        const std::string_view part = text.substr(i * 8, 8);
        std::uint64_t word = 0;
        // Not memcpy: the data() of an empty text may be null.
        part.copy(reinterpret_cast<char*>(&word), part.size());
        last_request_[i].store(word, std::memory_order_relaxed);
    }
}

std::string ScoreSlot::last_request() const {
    std::array<std::uint64_t, std::tuple_size_v<decltype(last_request_)>> words{};
    for (std::size_t i = 0; i < words.size(); ++i)
        words[i] = last_request_[i].load(std::memory_order_relaxed);
    std::string text(sizeof words, '\0');
    std::memcpy(text.data(), words.data(), sizeof words);
    text.resize(std::min(text.find('\0'), text.size()));
    return text;
}

Scoreboard::Scoreboard(unsigned slots) : size_(slots) {
    FSRV_CHECK(slots >= 1 && slots <= limits::kMaxWorkers, "a slot for each worker");
    void* memory = mmap(nullptr, slots * sizeof(ScoreSlot), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fatal("memory shared with the workers: {}", errno_text(errno));
    slots_ = static_cast<ScoreSlot*>(memory);
    std::uninitialized_value_construct_n(slots_, slots);
}

Scoreboard::~Scoreboard() {
    std::destroy_n(slots_, size_);
    munmap(slots_, size_ * sizeof(ScoreSlot));
}

} // namespace fsrv
