// Bodies whose files are opened when their turn comes, each of which is guarded.
#include "tests/worker/exchange/body_reader_test.h"

#include "common/limits.h"

#include <atomic>
#include <filesystem>
#include <functional>
#include <mutex>
#include <vector>

namespace fsrv::exchange {
namespace {

namespace fs = std::filesystem;
using Had = http::Parts::Had;

// Parts by hand: text, files by their names, and how they are had.
class HandParts final : public http::Parts {
  public:
    struct Part {
        std::string text; // or
        std::string path;
        struct stat seen {};
        std::uint64_t size = 0;
    };

    void add_text(std::string text) {
        const std::uint64_t size = text.size();
        parts_.push_back({.text = std::move(text), .path = {}, .size = size});
    }
    void add_file(const std::string& path) {
        Part part{.text = {}, .path = path};
        EXPECT_EQ(::stat(path.c_str(), &part.seen), 0);
        part.size = static_cast<std::uint64_t>(part.seen.st_size);
        parts_.push_back(std::move(part));
    }

    std::uint64_t size() const override {
        std::uint64_t sum = 0;
        for (const Part& part : parts_) sum += part.size;
        return sum;
    }
    std::uint64_t charged(std::uint64_t) const override { return 0; }
    Had open(std::uint64_t offset, std::uint64_t length, bool in_memory,
             std::vector<http::Segment>& to) const override {
        ++calls;
        if (in_memory && !knows) return Had::needs_thread;
        if (not_yet > 0) {
            --not_yet;
            return in_memory ? Had::needs_thread : Had::none_yet;
        }
        http::Body body;
        for (const Part& part : parts_) {
            if (offset >= part.size) {
                offset -= part.size;
                continue;
            }
            const std::uint64_t take = std::min(length, part.size - offset);
            if (take == 0) break;
            if (part.path.empty()) {
                body.append_slice(http::Body::of(part.text), offset, take);
            } else {
                const auto file = open_again(part);
                if (!file) {
                    if (body.segments.empty()) return Had::changed;
                    break;
                }
                body.append_slice(http::Body::of(file), offset, take);
                break;
            }
            length -= take;
            offset = 0;
        }
        for (http::Segment& segment : body.segments) to.push_back(std::move(segment));
        return Had::some;
    }
    std::size_t open_files() const {
        const std::lock_guard lock(mutex_);
        std::size_t open = 0;
        for (const auto& file : opened_) open += file.expired() ? 0 : 1;
        return open;
    }

    bool knows = true; // all of it is in memory
    mutable std::atomic<unsigned> calls = 0;
    mutable std::atomic<unsigned> not_yet = 0;

  private:
    std::shared_ptr<const http::OpenFile> open_again(const Part& part) const {
        auto file = std::make_shared<http::OpenFile>();
        file->fd.reset(::open(part.path.c_str(), O_RDONLY | O_CLOEXEC));
        struct stat now {};
        if (!file->fd || ::fstat(file->fd.get(), &now) != 0) return nullptr;
        if (now.st_ino != part.seen.st_ino || now.st_size != part.seen.st_size ||
            now.st_mtim.tv_sec != part.seen.st_mtim.tv_sec ||
            now.st_mtim.tv_nsec != part.seen.st_mtim.tv_nsec)
            return nullptr;
        file->size = part.size;
        file->mtime = {now.st_mtim.tv_sec, now.st_mtim.tv_nsec};
        file->device = now.st_dev;
        const std::lock_guard lock(mutex_);
        opened_.push_back(file);
        return file;
    }

    std::vector<Part> parts_;
    mutable std::mutex mutex_;
    mutable std::vector<std::weak_ptr<const http::OpenFile>> opened_;
};

class BodyPartsTest : public BodyReaderTest {
  protected:
    // Files of these sizes with a head before each, and an end.
    std::shared_ptr<HandParts> make_parts(const std::vector<std::uint64_t>& sizes) {
        auto parts = std::make_shared<HandParts>();
        expected_.clear();
        for (std::size_t i = 0; i < sizes.size(); ++i) {
            const std::string path = path_of(i);
            test::write_pattern(path, sizes[i], static_cast<unsigned>(i + 1));
            test::set_mtime(path);
            const std::string head = "[" + std::to_string(i) + "]";
            parts->add_text(head);
            parts->add_file(path);
            expected_ += head + test::pattern(0, sizes[i], static_cast<unsigned>(i + 1));
        }
        parts->add_text("[end]");
        expected_ += "[end]";
        return parts;
    }
    std::string path_of(std::size_t i) const { return dir_ / ("f" + std::to_string(i)); }

    std::string expected_;
};

INSTANTIATE_TEST_SUITE_P(Modes, BodyPartsTest, kModes, mode_name);

TEST_P(BodyPartsTest, PartsArriveInOrder) {
    for (const bool knows : {true, false}) {
        received_.clear();
        const auto parts = make_parts({0, 1, 5'000, 300'000, 0, 2'000'000, 16'384, 700'000});
        parts->knows = knows;
        begin(http::Body::of(parts));
        EXPECT_EQ(body_->size(), expected_.size());
        EXPECT_EQ(play(), Step::complete);
        EXPECT_TRUE(received_ == expected_);
        EXPECT_TRUE(body_->at_end());
        EXPECT_FALSE(body_->holds_buffer());
        EXPECT_LE(parts->open_files(), 2U) << "those that were sent are closed";
        body_.reset();
        EXPECT_EQ(parts->open_files(), 0U);
    }
}

TEST_P(BodyPartsTest, ASliceIsThatOfTheWhole) {
    const auto parts = make_parts({5'000, 300'000, 0, 70'000, 1});
    const http::Body whole = http::Body::of(parts);
    const std::uint64_t size = expected_.size();
    for (std::uint64_t i = 0; i < 40; ++i) {
        const std::uint64_t offset = i * 104'729 % size;
        const std::uint64_t length =
            std::min<std::uint64_t>(1 + i * 7'919 % 200'000, size - offset);
        received_.clear();
        http::Body body = http::Body::of(std::string("<"));
        body.append_slice(whole, offset, length);
        body.append_bytes("|");
        body.append_slice(whole, 0, 10);
        begin(std::move(body));
        EXPECT_EQ(play(), Step::complete);
        EXPECT_TRUE(received_ ==
                    "<" + expected_.substr(offset, length) + "|" + expected_.substr(0, 10));
    }
}

TEST_P(BodyPartsTest, WhatTakesLongIsAskedForAgain) {
    const auto parts = make_parts({100, 200'000});
    parts->not_yet = 5;
    begin(http::Body::of(parts));
    EXPECT_EQ(play(), Step::complete);
    EXPECT_TRUE(received_ == expected_);
}

TEST_P(BodyPartsTest, APausedClientHoldsNoMoreThanTheFileThatHasBegun) {
    const auto parts = make_parts({5'000, 300'000, 70'000, 20'000, 100});
    begin(http::Body::of(parts));
    while (true) {
        const Step last = step();
        if (last == Step::complete) break;
        ASSERT_NE(last, Step::failed);
        if (last != Step::wait_writable) continue;
        body_->release_buffer();
        EXPECT_FALSE(body_->holds_buffer());
        EXPECT_LE(parts->open_files(), 6U);
        client_reads();
    }
    client_reads();
    EXPECT_TRUE(received_ == expected_);
}

// Files that are lent wait for the look behind them, with a descriptor each.
TEST_P(BodyPartsTest, FewFilesAreOpenAtATime) {
    const auto parts = make_parts(std::vector<std::uint64_t>(3 * limits::kMostLentFiles, 40'000));
    ways_.tail = 6'000'000;
    begin(http::Body::of(parts));
    std::size_t most = 0;
    for (Step last = Step::yield; last != Step::complete;) {
        last = step();
        ASSERT_NE(last, Step::failed);
        client_reads();
        most = std::max(most, parts->open_files());
    }
    EXPECT_TRUE(received_ == expected_);
    EXPECT_LE(most, limits::kMostLentFiles + 2);
    body_.reset();
    EXPECT_EQ(parts->open_files(), 0U);
}

// Whichever of the files changes, and however far the answer has come.
TEST_P(BodyPartsTest, AFileThatChangesUnderWayIsNeverInACompleteAnswer) {
    struct Change {
        const char* name;
        std::function<void(const std::string&)> make;
        bool keeps_the_open_one; // who has begun with it finishes
    };
    const std::uint64_t size = 400'000;
    const Change changes[] = {
        {"rewritten", [](const std::string& path) { test::write_at(path, 7, "other"); }, false},
        {"truncated", [](const std::string& path) { fs::resize_file(path, 1'000); }, false},
        {"emptied", [](const std::string& path) { fs::resize_file(path, 0); }, false},
        {"grown", [](const std::string& path) { test::append_file(path, "more"); }, false},
        {"removed", [](const std::string& path) { fs::remove(path); }, true},
        {"replaced",
         [](const std::string& path) {
             test::write_pattern(path + ".new", 400'000, 9);
             test::set_mtime(path + ".new");
             fs::rename(path + ".new", path);
         },
         true},
    };
    for (const Change& change : changes) {
        for (const std::size_t which : {0U, 1U, 3U}) {
            for (const std::uint64_t tail : {std::uint64_t{300'000}, ~std::uint64_t{0}}) {
                SCOPED_TRACE(std::string(change.name) + ", file " + std::to_string(which));
                const auto parts = make_parts({size, size, size, size});
                ways_.tail = tail;
                received_.clear();
                begin(http::Body::of(parts));
                // Within the second file, the first being what is queued.
                Step last = Step::yield;
                while (body_->sent() < size + 1'000) {
                    last = step();
                    ASSERT_NE(last, Step::failed);
                    if (last == Step::wait_writable) client_reads();
                }
                change.make(path_of(which));
                last = play();
                const bool is_lent = GetParam() == IoMode::automatic && tail < size;
                if (which == 0 && (change.keeps_the_open_one || !is_lent)) {
                    EXPECT_EQ(last, Step::complete) << "the client has all of it";
                    EXPECT_TRUE(received_ == expected_);
                } else if (which == 1 && change.keeps_the_open_one) {
                    EXPECT_EQ(last, Step::complete);
                    EXPECT_TRUE(received_ == expected_);
                } else {
                    EXPECT_EQ(last, Step::failed);
                    EXPECT_EQ(body_->failure(), CloseReason::file_changed);
                    EXPECT_LT(received_.size(), expected_.size());
                }
                body_.reset();
            }
        }
    }
}

TEST_P(BodyPartsTest, AnOpeningIsAbandonedWithWhatItNeeds) {
    if (GetParam() != IoMode::threads) return;
    Blocker blocker;
    ASSERT_EQ(pool_.submit(blocker, 0, disk::JobKind::read), disk::Submitted::yes);
    auto parts = make_parts({100});
    const std::weak_ptr<HandParts> watched = parts;
    begin(http::Body::of(parts));
    EXPECT_EQ(send(), Step::wait_disk);
    EXPECT_TRUE(body_->read_under_way());
    EXPECT_EQ(body_->read_device(), 0U);
    body_->give_up_read(CloseReason::disk_silent);
    EXPECT_EQ(send(), Step::failed);
    EXPECT_EQ(body_->failure(), CloseReason::disk_silent);
    begin(http::Body::of(std::move(parts)));
    EXPECT_EQ(send(), Step::wait_disk);
    body_.reset(); // so does its client
    blocker.gate.release();
    while (!pool_.is_idle()) await_wake();
    EXPECT_TRUE(watched.expired());
}

} // namespace
} // namespace fsrv::exchange
