#include "tests/support/decode.h"

#include <array>
#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>

namespace fsrv::test {
namespace {

const std::string kBroken = "?";

std::string decode_zstd(std::string_view bytes) {
    ZSTD_DStream* const stream = ZSTD_createDStream();
    ZSTD_inBuffer in{.src = bytes.data(), .size = bytes.size(), .pos = 0};
    std::string all;
    std::string piece(65536, 0);
    std::size_t left = 1;
    while (left != 0) {
        ZSTD_outBuffer out{.dst = piece.data(), .size = piece.size(), .pos = 0};
        const std::size_t before = in.pos;
        left = ZSTD_decompressStream(stream, &out, &in);
        if (ZSTD_isError(left) || (out.pos == 0 && in.pos == before)) break;
        all.append(piece, 0, out.pos);
    }
    ZSTD_freeDStream(stream);
    return left == 0 && in.pos == in.size ? all : kBroken;
}

std::string decode_br(std::string_view bytes) {
    BrotliDecoderState* const state = BrotliDecoderCreateInstance(nullptr, nullptr, nullptr);
    std::size_t in_left = bytes.size();
    const auto* in = reinterpret_cast<const std::uint8_t*>(bytes.data());
    std::string all;
    std::string piece(65536, 0);
    auto result = BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT;
    while (result == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT) {
        std::size_t out_left = piece.size();
        auto* out = reinterpret_cast<std::uint8_t*>(piece.data());
        result = BrotliDecoderDecompressStream(state, &in_left, &in, &out_left, &out, nullptr);
        all.append(piece, 0, piece.size() - out_left);
    }
    BrotliDecoderDestroyInstance(state);
    return result == BROTLI_DECODER_RESULT_SUCCESS && in_left == 0 ? all : kBroken;
}

std::string decode_gzip(std::string_view bytes) {
    z_stream stream{};
    if (::inflateInit2(&stream, 15 + 16) != Z_OK) return kBroken;
    std::string copy(bytes);
    stream.next_in = reinterpret_cast<Bytef*>(copy.data());
    stream.avail_in = static_cast<uInt>(copy.size());
    std::string all;
    std::string piece(65536, 0);
    int status = Z_OK;
    while (status == Z_OK) {
        stream.next_out = reinterpret_cast<Bytef*>(piece.data());
        stream.avail_out = static_cast<uInt>(piece.size());
        status = ::inflate(&stream, Z_NO_FLUSH);
        all.append(piece, 0, piece.size() - stream.avail_out);
    }
    const bool is_whole = status == Z_STREAM_END && stream.avail_in == 0;
    ::inflateEnd(&stream);
    return is_whole ? all : kBroken;
}

} // namespace

std::string gaining_text(std::size_t length) {
    constexpr std::array<std::string_view, 7> kWords = {
        "GET /file", "HTTP/1.1", "200", "the quick brown fox", "error", "alpha", "beta"};
    std::string text;
    text.reserve(length + 128);
    std::uint64_t dice = 88172645463325252U;
    while (text.size() < length) {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        for (unsigned i = 0; i < 6; ++i) text.append(kWords[(dice >> (8 * i)) % 7]).append(" ");
        text.append(std::to_string(dice % 1'000'000)).append("\n");
    }
    text.resize(length);
    return text;
}

std::string noise(std::size_t length) {
    std::string bytes(length, 0);
    std::uint64_t dice = 1;
    for (char& c : bytes) {
        dice = dice * 6364136223846793005U + 1442695040888963407U;
        c = static_cast<char>(dice >> 56);
    }
    return bytes;
}

std::string decoded(std::string_view coding, std::string_view bytes) {
    if (coding == "zstd") return decode_zstd(bytes);
    if (coding == "br") return decode_br(bytes);
    if (coding == "gzip") return decode_gzip(bytes);
    return coding.empty() || coding == "identity" ? std::string(bytes) : kBroken;
}

} // namespace fsrv::test
