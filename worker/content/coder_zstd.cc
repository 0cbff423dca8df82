#include "worker/content/coder.h"

#include <zstd.h>

namespace fsrv::content {
namespace {

constexpr int kZstdOnce = 6;
constexpr int kZstdEach = 3;

struct FreeZstd {
    void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

class ZstdCoder final : public Coder {
  public:
    ZstdCoder(Effort effort, std::uint64_t size) : context_(ZSTD_createCCtx()) {
        if (!context_) return;
        set(ZSTD_c_compressionLevel, effort == Effort::once ? kZstdOnce : kZstdEach);
        if (ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(context_.get(), size))) context_.reset();
    }
    bool has_memory() const { return context_ != nullptr; }

    Step step(std::span<const char> in, bool is_last, std::span<char> out) override {
        ZSTD_inBuffer source{.src = in.data(), .size = in.size(), .pos = 0};
        ZSTD_outBuffer made{.dst = out.data(), .size = out.size(), .pos = 0};
        std::size_t left = 0;
        do {
            left = ZSTD_compressStream2(context_.get(), &made, &source,
                                        is_last ? ZSTD_e_end : ZSTD_e_continue);
            if (ZSTD_isError(left)) return {.failed = true};
        } while (made.pos < made.size && (source.pos < source.size || (is_last && left > 0)));
        return {.taken = source.pos, .made = made.pos, .is_over = is_last && left == 0};
    }

  private:
    void set(ZSTD_cParameter parameter, int value) {
        if (context_ && ZSTD_isError(ZSTD_CCtx_setParameter(context_.get(), parameter, value)))
            context_.reset();
    }

    std::unique_ptr<ZSTD_CCtx, FreeZstd> context_;
};

} // namespace

std::unique_ptr<Coder> make_zstd_coder(Effort effort, std::uint64_t size) {
    // Decoders on the web need have no window over 8 MiB (RFC 9659), as levels below 17 have.
    static_assert(kZstdOnce < 17 && kZstdEach < 17);
    auto coder = std::make_unique<ZstdCoder>(effort, size);
    if (!coder->has_memory()) return nullptr;
    return coder;
}

} // namespace fsrv::content
