#include "worker/content/coder.h"

#include "tests/support/decode.h"
#include "tests/support/files.h"
#include "worker/content/gaining.h"
#include "worker/content/mime.h"

#include <gtest/gtest.h>
#include <string>

namespace fsrv::content {
namespace {

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

constexpr http::Coding kAll[] = {http::Coding::zstd, http::Coding::br, http::Coding::gzip};

TEST(Coder, WhatItMakesDecodesToWhatItTook) {
    for (const http::Coding coding : kAll) {
        for (const Effort effort : {Effort::once, Effort::each}) {
            for (const std::size_t length : {0UL, 1UL, 512UL, 100'000UL, 3'000'000UL}) {
                SCOPED_TRACE(std::string(http::token_of(coding)) + " of " + std::to_string(length));
                const std::string text = test::gaining_text(length);
                const std::string made = coded(coding, effort, text, 65'536, 16'384);
                EXPECT_TRUE(test::decoded(http::token_of(coding), made) == text);
                EXPECT_TRUE(length < 512 || made.size() < length / 2) << made.size();
            }
        }
    }
}

TEST(Coder, ThePiecesDoNotMatter) {
    const std::string text = test::gaining_text(70'000);
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
        EXPECT_TRUE(test::decoded(http::token_of(coding),
                                  coded(coding, Effort::each, noise, 30'000, 30'000)) == noise);
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
