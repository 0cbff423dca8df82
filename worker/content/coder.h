// Coder: makes a content coding (RFC 9110 8.4.1) of bytes that come one after the other. Each
// library is met in one file, coder_NAME.cc. The same bytes, in whatever pieces they come, make the
// same coding with the same library on every machine. One thread at a time; takes no system calls
// but for memory.
#pragma once

#include "worker/http/coding.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace fsrv::content {

class Coder {
  public:
    struct Step {
        std::size_t taken = 0; // of `in`
        std::size_t made = 0;  // of `out`
        bool is_over = false;  // `in` was the last, and all of it is out
        bool failed = false;   // no memory; never after the first step
    };

    Coder() = default;
    Coder(const Coder&) = delete;
    Coder& operator=(const Coder&) = delete;
    virtual ~Coder() = default;

    // Takes all of `in` unless `out`, which is not empty, is full before. `is_last`: nothing
    // follows `in`, and it is said so at each step from then on.
    virtual Step step(std::span<const char> in, bool is_last, std::span<char> out) = 0;
};

// How much work a coding may be.
enum class Effort : std::uint8_t {
    once, // what is made is kept, and sent many times
    each, // for one client
};

// For `size` bytes, of which there must be as many. Nothing: no memory, or it is the identity.
// Memory is some 4 to 12 MiB, gzip's 0.3.
std::unique_ptr<Coder> make_coder(http::Coding coding, Effort effort, std::uint64_t size);

// Of each library; for make_coder().
std::unique_ptr<Coder> make_zstd_coder(Effort effort, std::uint64_t size);
std::unique_ptr<Coder> make_br_coder(Effort effort, std::uint64_t size);
std::unique_ptr<Coder> make_gzip_coder(Effort effort);

} // namespace fsrv::content
