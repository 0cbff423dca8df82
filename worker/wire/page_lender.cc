#include "worker/wire/page_lender.h"

#include "common/check.h"
#include "common/limits.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utility>

namespace fsrv::wire {
namespace {

constexpr int kLeastPipeBytes = 64 * 1024; // with less, copying is cheaper
constexpr std::size_t kPagesBytes = 64 * 1024;

// Without lending, then: able() says no.
ssize_t try_again() {
    errno = EAGAIN;
    return -1;
}

} // namespace

PageLender::~PageLender() {
    if (pages_) ::munmap(pages_, kPagesBytes);
}

bool PageLender::able() {
    return ability_.is_there() && (in_ || open_pipe()) && (pages_ || open_pages());
}

bool PageLender::open_pipe() {
    out_.reset();
    in_.reset();
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return false;
    out_.reset(ends[0]);
    in_.reset(ends[1]);
    if (::fcntl(in_.get(), F_SETPIPE_SZ, kPipeBytes) >= 0 ||
        ::fcntl(in_.get(), F_GETPIPE_SZ) >= kLeastPipeBytes)
        return true;
    // The user has too many pipes now: EPERM, which is not for good here.
    in_.reset();
    out_.reset();
    ability_.failed(EAGAIN);
    return false;
}

bool PageLender::open_pages() {
    void* const memory =
        ::mmap(nullptr, kPagesBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return false;
    // A head that waits for its client is to hold a page, not a large one.
    ::madvise(memory, kPagesBytes, MADV_NOHUGEPAGE);
    pages_ = static_cast<char*>(memory);
    written_ = 0;
    return true;
}

// A socket may refer to what was written here before, so it is never written over: full pages go
// back to the system, which keeps them as long as anybody refers to them. Nothing: no memory.
std::string_view PageLender::keep(std::string_view bytes) {
    FSRV_CHECK(bytes.size() <= kPagesBytes, "a head is bounded");
    if (written_ + bytes.size() > kPagesBytes) {
        ::munmap(std::exchange(pages_, nullptr), kPagesBytes);
        if (!open_pages()) return {};
    }
    const std::string_view kept(pages_ + written_, bytes.size());
    written_ += bytes.copy(pages_ + written_, bytes.size());
    return kept;
}

ssize_t PageLender::send(int socket, std::string_view before, std::string_view lent,
                         bool more_follows) {
    std::array<iovec, 2> vectors;
    unsigned count = 0;
    ssize_t size = 0;
    const std::string_view kept = keep(before);
    if (!pages_) return try_again();
    for (const std::string_view part : {kept, lent}) {
        if (part.empty()) continue;
        vectors[count++] = {.iov_base = const_cast<char*>(part.data()), .iov_len = part.size()};
        size += static_cast<ssize_t>(part.size());
    }
    const ssize_t piped = ::vmsplice(in_.get(), vectors.data(), count, SPLICE_F_NONBLOCK);
    if (piped < 0) { // whatever it is, the client has nothing to do with it
        ability_.failed(errno);
        return try_again();
    }
    const unsigned more = more_follows || piped < size ? SPLICE_F_MORE : 0;
    const ssize_t n = ::splice(out_.get(), nullptr, socket, nullptr,
                               static_cast<std::size_t>(piped), SPLICE_F_NONBLOCK | more);
    socket_was_full_ = n < piped;
    if (n == piped) return n;
    const int error = errno;
    open_pipe(); // without what the socket did not take: it is offered again out of the memory
    if (n < 0 && (error == ENOSYS || error == EINVAL || error == EPERM)) {
        ability_.failed(error);
        return try_again();
    }
    errno = error;
    return n;
}

} // namespace fsrv::wire
