#include "worker/content/coder.h"

#include "tests/support/files.h"
#include "worker/content/gaining.h"
#include "worker/content/mime.h"

#include <algorithm>
#include <brotli/decode.h>
#include <gtest/gtest.h>
#include <string>
#include <vector>
#include <zlib.h>
#include <zstd.h>

namespace fsrv::content {
namespace {

// A text that gains, of that length.
std::string text_of_length(std::size_t length) {
    std::string text;
    for (unsigned i = 0; text.size() < length; ++i)
        text += "line " + std::to_string(i * 7919 % 10007) + " of a log: GET /file/" +
                std::to_string(i) + "\n";
    text.resize(length);
    return text;
}

std::string coded(http::Coding coding, Effort effort, std::string_view text, std::size_t in_piece,
                  std::size_t out_piece) {
    const auto coder = make_coder(coding, effort, text.size());
    EXPECT_TRUE(coder);
    std::string out;
    std::string buffer(out_piece, 0);
    for (unsigned steps = 0; steps < 10'000'000; ++steps) {
        const std::string_view piece = text.substr(0, in_piece);
        const Coder::Step step =
            coder->step({piece.data(), piece.size()}, piece.size() == text.size(), buffer);
        EXPECT_FALSE(step.failed);
        out.append(buffer, 0, step.made);
        text.remove_prefix(step.taken);
        if (step.is_over || step.failed) break;
    }
    EXPECT_TRUE(text.empty());
    return out;
}

std::string decoded(http::Coding coding, std::string_view bytes, std::size_t size) {
    std::string out(size + 1, 0);
    std::size_t made = 0;
    switch (coding) {
    case http::Coding::zstd:
        made = ZSTD_decompress(out.data(), out.size(), bytes.data(), bytes.size());
        EXPECT_FALSE(ZSTD_isError(made)) << ZSTD_getErrorName(made);
        break;
    case http::Coding::br:
        made = out.size();
        EXPECT_EQ(BrotliDecoderDecompress(bytes.size(),
                                          reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                          &made, reinterpret_cast<std::uint8_t*>(out.data())),
                  BROTLI_DECODER_RESULT_SUCCESS);
        break;
    case http::Coding::gzip: {
        z_stream stream{};
        EXPECT_EQ(::inflateInit2(&stream, 15 + 16), Z_OK);
        std::string copy(bytes);
        stream.next_in = reinterpret_cast<Bytef*>(copy.data());
        stream.avail_in = static_cast<uInt>(copy.size());
        stream.next_out = reinterpret_cast<Bytef*>(out.data());
        stream.avail_out = static_cast<uInt>(out.size());
        EXPECT_EQ(::inflate(&stream, Z_FINISH), Z_STREAM_END);
        made = stream.total_out;
        ::inflateEnd(&stream);
        break;
    }
    case http::Coding::identity: break;
    }
    out.resize(std::min(made, out.size()));
    return out;
}

constexpr http::Coding kAll[] = {http::Coding::zstd, http::Coding::br, http::Coding::gzip};

TEST(Coder, WhatItMakesDecodesToWhatItTook) {
    for (const http::Coding coding : kAll) {
        for (const Effort effort : {Effort::once, Effort::each}) {
            for (const std::size_t length : {0UL, 1UL, 512UL, 100'000UL, 3'000'000UL}) {
                SCOPED_TRACE(std::string(http::token_of(coding)) + " of " + std::to_string(length));
                const std::string text = text_of_length(length);
                const std::string made = coded(coding, effort, text, 65'536, 16'384);
                EXPECT_TRUE(decoded(coding, made, length) == text);
                EXPECT_TRUE(length < 512 || made.size() < length / 2) << made.size();
            }
        }
    }
}

TEST(Coder, ThePiecesDoNotMatter) {
    const std::string text = text_of_length(70'000);
    for (const http::Coding coding : kAll) {
        const std::string at_once = coded(coding, Effort::once, text, text.size(), 1 << 20);
        for (const std::size_t in : {1'000U, 8'191U, 65'536U})
            for (const std::size_t out : {1U, 100U, 16'384U})
                EXPECT_TRUE(coded(coding, Effort::once, text, in, out) == at_once)
                    << http::token_of(coding) << " in " << in << " out " << out;
    }
}

TEST(Coder, TakesWhatDoesNotGain) {
    const std::string noise = test::pattern(0, 100'000, 3);
    for (const http::Coding coding : kAll)
        EXPECT_TRUE(decoded(coding, coded(coding, Effort::each, noise, 30'000, 30'000),
                            noise.size()) == noise);
}

TEST(Coder, ThereIsNoneOfTheIdentity) {
    EXPECT_FALSE(make_coder(http::Coding::identity, Effort::once, 1));
}

TEST(Gaining, IsAFactOfTheType) {
    const MimeTypes types;
    for (const char* name :
         {"a.txt", "a.html", "a.js", "a.css", "a.json", "a.svg", "a.xml", "a.wasm", "a.csv",
          "a.log", "a.geojson", "a.ttf", "a.tar", "a.md", "a.webmanifest"})
        EXPECT_TRUE(gains_by_coding(types.of(name))) << name;
    for (const char* name : {"a.png", "a.jpg", "a.zip", "a.gz", "a.zst", "a.mp4", "a.woff2",
                             "a.docx", "a.pdf", "a.bin", "a", "a.deb", "a.iso", "a.mp3"})
        EXPECT_FALSE(gains_by_coding(types.of(name))) << name;
    EXPECT_TRUE(gains_by_coding("text/plain; charset=utf-8"));
    EXPECT_FALSE(gains_by_coding(""));
    EXPECT_FALSE(gains_by_coding("application/zip"));
}

} // namespace
} // namespace fsrv::content
