#include "worker/content/coder.h"

#include <algorithm>
#include <limits>
#define ZLIB_CONST
#include <zlib.h>

namespace fsrv::content {
namespace {

constexpr int kGzipOnce = 6;
constexpr int kGzipEach = 4;
constexpr int kGzipWindow = 15 + 16; // 32 KiB, and gzip's frame, without name and time
constexpr int kGzipMemory = 8;       // what all decoders expect

uInt at_most(std::size_t bytes) {
    return static_cast<uInt>(std::min<std::size_t>(bytes, std::numeric_limits<uInt>::max()));
}

class GzipCoder final : public Coder {
  public:
    explicit GzipCoder(Effort effort)
        : made_(::deflateInit2(&stream_, effort == Effort::once ? kGzipOnce : kGzipEach, Z_DEFLATED,
                               kGzipWindow, kGzipMemory, Z_DEFAULT_STRATEGY) == Z_OK) {}
    ~GzipCoder() override {
        if (made_) ::deflateEnd(&stream_);
    }
    bool has_memory() const { return made_; }

    Step step(std::span<const char> in, bool is_last, std::span<char> out) override {
        const uInt in_size = at_most(in.size());
        const uInt out_size = at_most(out.size());
        stream_.next_in = reinterpret_cast<const Bytef*>(in.data());
        stream_.avail_in = in_size;
        stream_.next_out = reinterpret_cast<Bytef*>(out.data());
        stream_.avail_out = out_size;
        const int status =
            ::deflate(&stream_, is_last && in_size == in.size() ? Z_FINISH : Z_NO_FLUSH);
        return {.taken = in_size - stream_.avail_in,
                .made = out_size - stream_.avail_out,
                .is_over = status == Z_STREAM_END,
                .failed = status == Z_STREAM_ERROR};
    }

  private:
    z_stream stream_{};
    bool made_;
};

} // namespace

std::unique_ptr<Coder> make_gzip_coder(Effort effort) {
    auto coder = std::make_unique<GzipCoder>(effort);
    if (!coder->has_memory()) return nullptr;
    return coder;
}

} // namespace fsrv::content
