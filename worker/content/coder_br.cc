#include "worker/content/coder.h"

#include <algorithm>
#include <brotli/encode.h>
#include <limits>

namespace fsrv::content {
namespace {

constexpr std::uint32_t kBrOnce = 6;
constexpr std::uint32_t kBrEach = 4;
constexpr std::uint32_t kBrWindow = 20; // of a stream, 1 MiB: its memory is a multiple

struct FreeBr {
    void operator()(BrotliEncoderState* state) const { BrotliEncoderDestroyInstance(state); }
};

class BrCoder final : public Coder {
  public:
    BrCoder(Effort effort, std::uint64_t size)
        : state_(BrotliEncoderCreateInstance(nullptr, nullptr, nullptr)) {
        if (!state_) return;
        set(BROTLI_PARAM_QUALITY, effort == Effort::once ? kBrOnce : kBrEach);
        if (effort == Effort::each) set(BROTLI_PARAM_LGWIN, kBrWindow);
        set(BROTLI_PARAM_SIZE_HINT, static_cast<std::uint32_t>(std::min<std::uint64_t>(
                                        size, std::numeric_limits<std::uint32_t>::max())));
    }
    bool has_memory() const { return state_ != nullptr; }

    Step step(std::span<const char> in, bool is_last, std::span<char> out) override {
        std::size_t in_left = in.size();
        std::size_t out_left = out.size();
        const auto* source = reinterpret_cast<const std::uint8_t*>(in.data());
        auto* made = reinterpret_cast<std::uint8_t*>(out.data());
        do {
            if (!BrotliEncoderCompressStream(
                    state_.get(), is_last ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_PROCESS,
                    &in_left, &source, &out_left, &made, nullptr))
                return {.failed = true};
        } while (out_left > 0 && (in_left > 0 || (is_last && !is_finished())));
        return {.taken = in.size() - in_left,
                .made = out.size() - out_left,
                .is_over = is_last && is_finished()};
    }

  private:
    void set(BrotliEncoderParameter parameter, std::uint32_t value) {
        BrotliEncoderSetParameter(state_.get(), parameter, value);
    }
    bool is_finished() const { return BrotliEncoderIsFinished(state_.get()) != 0; }

    std::unique_ptr<BrotliEncoderState, FreeBr> state_;
};

} // namespace

std::unique_ptr<Coder> make_br_coder(Effort effort, std::uint64_t size) {
    auto coder = std::make_unique<BrCoder>(effort, size);
    if (!coder->has_memory()) return nullptr;
    return coder;
}

} // namespace fsrv::content
