#include "worker/http/body.h"

#include <gtest/gtest.h>

namespace fsrv::http {
namespace {

std::shared_ptr<const OpenFile> file_of(std::uint64_t size) {
    auto file = std::make_shared<OpenFile>();
    file->size = size;
    return file;
}

// "abc" for memory, "[offset+length]" for a file.
std::string show(const Body& body) {
    std::string out;
    for (const Segment& segment : body.segments) {
        if (const auto* memory = std::get_if<MemoryExtent>(&segment)) {
            out += memory->view();
            EXPECT_GT(memory->length, 0U);
        } else if (const auto* parts = std::get_if<PartsExtent>(&segment)) {
            out += "{" + std::to_string(parts->offset) + "+" + std::to_string(parts->length) + "}";
            EXPECT_GT(parts->length, 0U);
        } else {
            const auto& extent = std::get<FileExtent>(segment);
            out += "[" + std::to_string(extent.offset) + "+" + std::to_string(extent.length) + "]";
            EXPECT_GT(extent.length, 0U);
        }
    }
    return out;
}

struct NoParts final : Parts {
    explicit NoParts(std::uint64_t its_size) : bytes(its_size) {}
    std::uint64_t size() const override { return bytes; }
    std::uint64_t charged(std::uint64_t) const override { return 0; }
    Had open(std::uint64_t, std::uint64_t, bool, std::vector<Segment>&) const override {
        return Had::changed;
    }
    std::uint64_t bytes;
};

TEST(Body, PartsAreSlicedAsTheyAre) {
    EXPECT_TRUE(Body::of(std::make_shared<const NoParts>(0)).segments.empty());
    Body whole = Body::of(std::string("abc"));
    whole.segments.push_back(Body::of(std::make_shared<const NoParts>(100)).segments.front());
    whole.append_bytes("def");
    EXPECT_TRUE(whole.has_known_size());
    EXPECT_EQ(whole.size(), 106U);
    Body slice;
    slice.append_slice(whole, 2, 102);
    slice.append_slice(whole, 50, 10);
    EXPECT_EQ(show(slice), "c{0+100}d{47+10}");
}

TEST(Body, OfNothingHasNoSegments) {
    EXPECT_TRUE(Body{}.segments.empty());
    EXPECT_TRUE(Body::of("").segments.empty());
    EXPECT_TRUE(Body::of(file_of(0)).segments.empty());
    EXPECT_EQ(Body::of("").size(), 0U);
}

TEST(Body, SizeIsTheSumOfItsSegments) {
    Body body = Body::of(file_of(1ULL << 40));
    body.append_bytes("abc");
    EXPECT_EQ(body.size(), (1ULL << 40) + 3);
}

TEST(Body, SliceOfAFileIsAnExtentOfTheSameFile) {
    const auto file = file_of(1000);
    Body slice;
    slice.append_slice(Body::of(file), 10, 20);
    EXPECT_EQ(show(slice), "[10+20]");
    EXPECT_EQ(std::get<FileExtent>(slice.segments.front()).file, file);
}

TEST(Body, EverySliceOfEveryMixtureIsExact) {
    Body whole = Body::of("0123");
    whole.append_bytes("45");
    whole.append_bytes("6789ab");
    const std::string bytes = show(whole);
    ASSERT_EQ(bytes, "0123456789ab");
    for (std::size_t offset = 0; offset <= bytes.size(); ++offset)
        for (std::size_t length = 0; offset + length <= bytes.size(); ++length) {
            Body slice;
            slice.append_slice(whole, offset, length);
            EXPECT_EQ(show(slice), bytes.substr(offset, length)) << offset << "+" << length;
            EXPECT_EQ(slice.size(), length);
            // And a slice of a slice.
            if (length < 2) continue;
            Body inner;
            inner.append_slice(slice, 1, length - 2);
            EXPECT_EQ(show(inner), bytes.substr(offset + 1, length - 2));
        }
}

TEST(Body, SlicesAreAppendedInOrder) {
    Body whole = Body::of(file_of(100));
    Body body;
    body.append_bytes("a");
    body.append_slice(whole, 90, 10);
    body.append_slice(whole, 0, 1);
    body.append_bytes("b");
    EXPECT_EQ(show(body), "a[90+10][0+1]b");
}

TEST(Body, WithAStreamHasNoLengthThatIsKnown) {
    Body body = Body::of("abc");
    EXPECT_TRUE(body.has_known_size());
    body.segments.emplace_back(Stream{});
    EXPECT_FALSE(body.has_known_size());
    EXPECT_EQ(body.size(), 3U);
}

TEST(BodyDeathTest, ASliceOfAStreamIsABug) {
    Body whole = Body::of("abc");
    whole.segments.emplace_back(Stream{});
    Body body;
    EXPECT_DEATH(body.append_slice(whole, 0, 1), "stream");
}

TEST(BodyDeathTest, SliceBeyondTheEndIsABug) {
    Body body;
    EXPECT_DEATH(body.append_slice(Body::of("abc"), 2, 2), "slice");
    EXPECT_DEATH(body.append_slice(Body::of("abc"), 4, 1), "slice");
}

} // namespace
} // namespace fsrv::http
