#include "common/ticket_keys.h"

#include "common/log.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <sys/mman.h>
#include <unistd.h>

namespace fsrv {
namespace {

// A page: what is mapped can be no less.
constexpr std::size_t kRingBytes = 4096;

} // namespace

// As SharedTransfer has it: what is stored with release, between an odd number and an even one.
void TicketKeyRing::write(std::span<const TicketKey> keys) {
    const std::uint64_t before = version_.load(std::memory_order_relaxed);
    version_.store(before + 1, std::memory_order_relaxed);
    count_.store(keys.size(), std::memory_order_release);
    for (std::size_t k = 0; k < limits::kTicketKeys; ++k) {
        std::array<std::uint64_t, kWords> words{};
        if (k < keys.size()) std::memcpy(words.data(), &keys[k], sizeof(TicketKey));
        for (std::size_t i = 0; i < kWords; ++i)
            words_[k * kWords + i].store(words[i], std::memory_order_release);
        wipe(words.data(), sizeof words);
    }
    version_.store(before + 2, std::memory_order_release);
}

bool TicketKeyRing::read(TicketKeySet& keys) const {
    const std::uint64_t before = version_.load(std::memory_order_acquire);
    TicketKeySet found;
    found.version = before;
    found.count = static_cast<unsigned>(
        std::min<std::uint64_t>(count_.load(std::memory_order_acquire), limits::kTicketKeys));
    for (std::size_t k = 0; k < found.count; ++k) {
        std::array<std::uint64_t, kWords> words{};
        for (std::size_t i = 0; i < kWords; ++i)
            words[i] = words_[k * kWords + i].load(std::memory_order_acquire);
        std::memcpy(static_cast<void*>(&found.keys[k]), words.data(), sizeof(TicketKey));
        wipe(words.data(), sizeof words);
    }
    if (before % 2 != 0 || version_.load(std::memory_order_relaxed) != before) return false;
    keys = found;
    return true;
}

TicketKeys::~TicketKeys() {
    forget();
}

void TicketKeys::open(std::uint64_t now_ms, std::span<const TicketKey> inherited) {
    static_assert(sizeof(TicketKeyRing) <= kRingBytes);
    if (is_open()) return;
    memory_.reset(memfd_create("fsrv ticket keys", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (memory_ && ftruncate(memory_.get(), kRingBytes) != 0) memory_.reset();
    void* const at = mmap(nullptr, kRingBytes, PROT_READ | PROT_WRITE,
                          MAP_SHARED | (memory_ ? 0 : MAP_ANONYMOUS), memory_.get(), 0);
    if (at == MAP_FAILED) fatal("no memory for the keys of tickets: {}", errno_text(errno));
    // From now on nobody else can map it to write.
    constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
    if (memory_ && fcntl(memory_.get(), F_ADD_SEALS, kSeals) != 0) memory_.reset();
    madvise(at, kRingBytes, MADV_DONTDUMP);
    ring_ = std::construct_at(static_cast<TicketKeyRing*>(at));
    own_.count =
        static_cast<unsigned>(std::min<std::size_t>(inherited.size(), limits::kTicketKeys));
    std::copy_n(inherited.begin(), own_.count, own_.keys.begin());
    if (own_.count == 0)
        add(now_ms);
    else
        ring_->write(own_.all());
}

TicketKeySet TicketKeys::keys() const {
    return own_;
}

void TicketKeys::add(std::uint64_t now_ms) {
    TicketKey fresh{.made_ms = now_ms};
    if (getentropy(fresh.name.data(), fresh.name.size()) != 0 ||
        getentropy(fresh.aes.data(), fresh.aes.size()) != 0 ||
        getentropy(fresh.hmac.data(), fresh.hmac.size()) != 0)
        fatal("no random bytes for the keys of tickets: {}", errno_text(errno));
    std::copy_backward(own_.keys.begin(), own_.keys.end() - 1, own_.keys.end());
    own_.keys[0] = fresh;
    own_.count = std::min<unsigned>(own_.count + 1, limits::kTicketKeys);
    ring_->write(own_.all());
    wipe(&fresh, sizeof fresh);
}

std::uint64_t TicketKeys::next_rotation() const {
    return is_open() ? own_.keys[0].made_ms + limits::kTicketRotationMs : ~std::uint64_t{0};
}

void TicketKeys::rotate_if_due(std::uint64_t now_ms) {
    if (now_ms >= next_rotation()) add(now_ms);
}

// Mapped anew, since what is sealed now cannot be made writable again, as it could by mprotect().
void TicketKeys::keep_read_only() {
    wipe(own_.keys.data(), sizeof own_.keys);
    if (!is_open()) return;
    const bool done = memory_ ? mmap(ring_, kRingBytes, PROT_READ, MAP_SHARED | MAP_FIXED,
                                     memory_.get(), 0) != MAP_FAILED
                              : mprotect(ring_, kRingBytes, PROT_READ) == 0;
    if (!done) log_warn("the keys of tickets stay writable: {}", errno_text(errno));
    madvise(ring_, kRingBytes, MADV_DONTDUMP);
    memory_.reset();
}

void TicketKeys::forget() {
    own_ = {};
    if (is_open()) munmap(ring_, kRingBytes);
    ring_ = nullptr;
    memory_.reset();
}

} // namespace fsrv
