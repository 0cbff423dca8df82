#include "worker/exchange/codings.h"

#include "common/limits.h"
#include "tests/support/decode.h"
#include "tests/worker/content/support.h"
#include "worker/exchange/coding_stream.h"

#include <filesystem>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace fsrv::exchange {
namespace {

using Given = Codings::Given;
using http::Coding;

constexpr Coding kAll[] = {Coding::zstd, Coding::br, Coding::gzip};

class CodingsTest : public testing::Test {
  protected:
    CodingsTest() {
        content::StoreConfig config = tree_.config();
        config.compress = true;
        store_.emplace(config, content::MimeTypes());
    }
    void file(const std::string& name, std::string_view bytes) {
        tree_.file(name, bytes);
        test::set_mtime(tree_.at(name));
    }
    http::Resource find(const std::string& name) const {
        http::FindResult found = store_->find(*http::parse_target("/" + name), {});
        EXPECT_TRUE(found) << name;
        return *std::move(found);
    }
    static std::string coded_bytes(const http::Resource& found, Coding coding) {
        const http::CodedRepresentation* const coded = found.coded_as(coding);
        return coded ? content::read_body(coded->body) : "";
    }
    // All that a stream makes, in rooms of that size.
    static std::string play(http::Producer& producer, std::size_t room,
                            http::Producer::State& state) {
        std::string all;
        std::string piece(room, 0);
        state = http::Producer::State::more;
        while (state == http::Producer::State::more) {
            const auto made = producer.produce(piece);
            EXPECT_TRUE(made.bytes > 0 || made.state != http::Producer::State::more);
            all.append(piece, 0, made.bytes);
            state = made.state;
        }
        return all;
    }
    static http::Producer& stream_of(const http::Resource& found) {
        return *std::get<http::Stream>(found.coded.front().body.segments.front()).producer;
    }

    content::Tree tree_;
    std::optional<content::LocalStore> store_;
    Codings codings_{{.kept_bytes = 1 << 20, .threads = 4}};
};

TEST_F(CodingsTest, WhatIsMadeIsKept) {
    const std::string text = test::gaining_text(100'000);
    file("a.txt", text);
    for (const Coding coding : kAll) {
        SCOPED_TRACE(http::token_of(coding));
        http::Resource found = find("a.txt");
        EXPECT_EQ(codings_.add(found, coding, false), Given::needs_thread);
        EXPECT_TRUE(found.coded.empty());
        EXPECT_EQ(codings_.add(found, coding, true), Given::yes);
        const std::string bytes = coded_bytes(found, coding);
        EXPECT_LT(bytes.size(), text.size() / 2);
        EXPECT_TRUE(test::decoded(http::token_of(coding), bytes) == text);
        EXPECT_EQ(found.coded.front().validators.etag,
                  http::coded_validators(*found.validators, coding, false).etag);
        EXPECT_FALSE(found.coded.front().validators.etag.starts_with("W/"));
        http::Resource again = find("a.txt");
        EXPECT_EQ(codings_.add(again, coding, false), Given::yes);
        EXPECT_TRUE(coded_bytes(again, coding) == bytes);
    }
    EXPECT_EQ(codings_.at_work(), 0U);
}

TEST_F(CodingsTest, NotEverythingIsCoded) {
    file("511.txt", test::gaining_text(511));
    file("512.txt", test::gaining_text(512));
    file("a.png", test::gaining_text(5'000));
    file("empty.txt", "");
    const struct {
        const char* name;
        Given given;
        bool negotiated;
    } rows[] = {{"511.txt", Given::no, true},
                {"512.txt", Given::yes, true},
                {"a.png", Given::no, false},
                {"empty.txt", Given::no, true}};
    for (const auto& row : rows) {
        http::Resource found = find(row.name);
        EXPECT_EQ(found.negotiated, row.negotiated) << row.name;
        EXPECT_EQ(codings_.add(found, Coding::zstd, true), row.given) << row.name;
        EXPECT_EQ(codings_.add(found, Coding::identity, true), Given::no);
    }
}

TEST_F(CodingsTest, WhatDoesNotGainIsTriedOnce) {
    file("noise.txt", test::noise(100'000));
    for (const Coding coding : kAll) {
        http::Resource found = find("noise.txt");
        EXPECT_EQ(codings_.add(found, coding, true), Given::useless);
        EXPECT_EQ(codings_.add(found, coding, false), Given::useless) << "known by now";
        EXPECT_TRUE(found.coded.empty());
    }
}

TEST_F(CodingsTest, AnotherVersionIsCodedAnew) {
    file("a.txt", test::gaining_text(10'000));
    http::Resource found = find("a.txt");
    EXPECT_EQ(codings_.add(found, Coding::zstd, true), Given::yes);
    file("a.txt", test::gaining_text(10'001));
    http::Resource next = find("a.txt");
    EXPECT_EQ(codings_.add(next, Coding::zstd, false), Given::needs_thread);
    EXPECT_EQ(codings_.add(next, Coding::zstd, true), Given::yes);
    EXPECT_TRUE(test::decoded("zstd", coded_bytes(next, Coding::zstd)) ==
                test::gaining_text(10'001));
    EXPECT_NE(next.coded.front().validators.etag, found.coded.front().validators.etag);
}

TEST_F(CodingsTest, YoungFilesAreNotKept) {
    tree_.file("a.txt", test::gaining_text(10'000));
    http::Resource found = find("a.txt");
    EXPECT_EQ(codings_.add(found, Coding::gzip, true), Given::yes);
    EXPECT_TRUE(found.coded.front().validators.etag.starts_with("W/"));
    EXPECT_EQ(codings_.kept_bytes(), 0U);
    http::Resource again = find("a.txt");
    EXPECT_EQ(codings_.add(again, Coding::gzip, false), Given::needs_thread);
}

TEST_F(CodingsTest, AFileThatChangesUnderTheCoderIsNotCoded) {
    file("a.txt", test::gaining_text(10'000));
    for (const bool shorter : {true, false}) {
        http::Resource found = find("a.txt");
        if (shorter)
            std::filesystem::resize_file(tree_.at("a.txt"), 5'000);
        else
            test::append_file(tree_.at("a.txt"), "more");
        EXPECT_EQ(codings_.add(found, Coding::gzip, true), Given::no);
        EXPECT_EQ(codings_.add(found, Coding::gzip, false), Given::needs_thread)
            << "nothing is known of it";
    }
    EXPECT_EQ(codings_.kept_bytes(), 0U);
}

TEST_F(CodingsTest, IsBoundedInBytes) {
    Codings codings({.kept_bytes = 40'000, .threads = 4});
    for (unsigned i = 0; i < 50; ++i) {
        const std::string name = std::to_string(i) + ".txt";
        file(name, test::gaining_text(20'000 + i));
        http::Resource found = find(name);
        EXPECT_EQ(codings.add(found, Coding::zstd, true), Given::yes);
        EXPECT_LE(codings.kept_bytes(), 40'000U);
    }
    EXPECT_GT(codings.kept_bytes(), 10'000U);
    http::Resource last = find("49.txt");
    EXPECT_EQ(codings.add(last, Coding::zstd, false), Given::yes);
    http::Resource first = find("0.txt");
    EXPECT_EQ(codings.add(first, Coding::zstd, false), Given::needs_thread);
}

TEST_F(CodingsTest, ManyAtATimeMakeItOnceAndWaitForNobody) {
    const std::string text = test::gaining_text(1'000'000);
    file("a.txt", text);
    constexpr unsigned kThreads = 8;
    std::vector<std::thread> threads;
    std::array<Given, kThreads> given{};
    std::array<std::string, kThreads> bytes;
    for (unsigned i = 0; i < kThreads; ++i)
        threads.emplace_back([&, i] {
            http::Resource found = find("a.txt");
            given[i] = codings_.add(found, Coding::gzip, true);
            bytes[i] = coded_bytes(found, Coding::gzip);
        });
    for (std::thread& thread : threads) thread.join();
    unsigned made = 0;
    for (unsigned i = 0; i < kThreads; ++i) {
        EXPECT_TRUE(given[i] == Given::yes || given[i] == Given::no);
        if (given[i] != Given::yes) continue;
        ++made;
        EXPECT_TRUE(test::decoded("gzip", bytes[i]) == text);
    }
    EXPECT_GT(made, 0U);
    EXPECT_EQ(codings_.at_work(), 0U);
}

TEST_F(CodingsTest, LargerFilesAreStreams) {
    const std::string text = test::gaining_text(limits::kMostCodedAtOnce + 1);
    file("big.txt", text);
    for (const Coding coding : kAll) {
        for (const std::size_t room : {std::size_t{1'000}, limits::kChunkBytes}) {
            SCOPED_TRACE(std::string(http::token_of(coding)) + " " + std::to_string(room));
            http::Resource found = find("big.txt");
            EXPECT_EQ(codings_.add(found, coding, false), Given::yes) << "nothing is made yet";
            EXPECT_TRUE(found.coded.front().validators.etag.starts_with("W/\""));
            http::Producer::State state{};
            const std::string bytes = play(stream_of(found), room, state);
            EXPECT_EQ(state, http::Producer::State::end);
            EXPECT_TRUE(test::decoded(http::token_of(coding), bytes) == text);
        }
    }
    EXPECT_EQ(codings_.kept_bytes(), 0U);
    EXPECT_EQ(codings_.at_work(), 0U);
}

TEST_F(CodingsTest, AStreamOfAFileThatChangesNeverEnds) {
    for (const bool shorter : {true, false}) {
        file("big.txt", test::gaining_text(limits::kMostCodedAtOnce + 100'000));
        http::Resource found = find("big.txt");
        ASSERT_EQ(codings_.add(found, Coding::zstd, false), Given::yes);
        std::string piece(1'000, 0);
        EXPECT_EQ(stream_of(found).produce(piece).state, http::Producer::State::more);
        if (shorter)
            std::filesystem::resize_file(tree_.at("big.txt"), 1'000'000);
        else
            test::append_file(tree_.at("big.txt"), "more");
        http::Producer::State state{};
        play(stream_of(found), limits::kChunkBytes, state);
        EXPECT_EQ(state, http::Producer::State::changed);
    }
}

// What becomes very little of much is told in parts: no job takes long.
TEST_F(CodingsTest, AStreamTakesNotTooMuchInARow) {
    file("zeros.txt", std::string(4 * limits::kMostCodedInARow, '0'));
    http::Resource found = find("zeros.txt");
    ASSERT_EQ(codings_.add(found, Coding::zstd, false), Given::yes);
    std::string room(limits::kChunkBytes, 0);
    unsigned turns = 1;
    while (stream_of(found).produce(room).state == http::Producer::State::more) ++turns;
    EXPECT_GE(turns, 4U);
}

TEST_F(CodingsTest, FewAreAtItAtATime) {
    file("big.txt", test::gaining_text(limits::kMostCodedAtOnce + 1));
    file("a.txt", test::gaining_text(10'000));
    std::vector<http::Resource> streams;
    const auto add = [&] {
        http::Resource found = find("big.txt");
        const Given given = codings_.add(found, Coding::zstd, true);
        if (given == Given::yes) streams.push_back(std::move(found));
        return given;
    };
    EXPECT_EQ(add(), Given::yes);
    EXPECT_EQ(add(), Given::yes);
    EXPECT_EQ(add(), Given::no) << "half of four threads";
    http::Resource small = find("a.txt");
    EXPECT_EQ(codings_.add(small, Coding::zstd, true), Given::no);
    stream_of(streams[0]).rest();
    EXPECT_EQ(codings_.add(small, Coding::zstd, true), Given::yes) << "one is paused";
    EXPECT_EQ(add(), Given::yes);
    std::string piece(1'000, 0);
    EXPECT_EQ(stream_of(streams[0]).produce(piece).state, http::Producer::State::more)
        << "who goes on is not turned away";
    EXPECT_EQ(codings_.at_work(), 3U);
    while (streams.size() < limits::kMostCodedStreams) {
        for (const http::Resource& stream : streams) stream_of(stream).rest();
        ASSERT_EQ(add(), Given::yes);
    }
    for (const http::Resource& stream : streams) stream_of(stream).rest();
    EXPECT_EQ(add(), Given::no) << "paused ones have memory";
    streams.clear();
    EXPECT_EQ(codings_.at_work(), 0U);
    EXPECT_EQ(add(), Given::yes);
}

} // namespace
} // namespace fsrv::exchange
