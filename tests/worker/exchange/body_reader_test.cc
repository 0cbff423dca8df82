#include "tests/worker/exchange/body_reader_test.h"

#include "tests/support/pattern_producer.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace fsrv::exchange {
namespace {

TEST_P(BodyReaderTest, MemoryAndExtentsArriveInOrder) {
    const std::uint64_t size = 3 * limits::kChunkBytes + 17;
    test::write_pattern(dir_ / "f", size);
    const auto file = open_file(dir_ / "f");
    http::Body body = http::Body::of(std::string("[part]"));
    body.append_slice(http::Body::of(file), 5, 100);
    body.append_bytes("[next]");
    body.append_slice(http::Body::of(file), 1000, size - 1000);
    body.append_bytes("[end]");
    begin(body);
    EXPECT_EQ(play(), Step::complete);
    EXPECT_EQ(received_, "[part]" + test::pattern(5, 100) + "[next]" +
                             test::pattern(1000, size - 1000) + "[end]");
    EXPECT_EQ(body_->sent(), body.size());
    EXPECT_FALSE(body_->holds_buffer());
}

// More parts than go into one call or one chunk, some of them long.
TEST_P(BodyReaderTest, ManyPartsArriveInOrder) {
    const std::uint64_t size = 2 * limits::kChunkBytes;
    test::write_pattern(dir_ / "f", size);
    test::write_pattern(dir_ / "g", size, 7);
    const auto file = open_file(dir_ / "f");
    const auto other = open_file(dir_ / "g");
    http::Body body;
    std::string expected;
    for (std::uint64_t i = 0; i < 100; ++i) {
        const std::uint64_t offset = (i * 7919) % 100'000;
        const std::uint64_t length = i % 10 == 9 ? limits::kChunkBytes : i * 31 % 5000;
        const bool from_other = i % 7 == 6;
        body.append_bytes("[" + std::to_string(i) + "]");
        if (length > 0)
            body.append_slice(http::Body::of(from_other ? other : file), offset, length);
        expected +=
            "[" + std::to_string(i) + "]" + test::pattern(offset, length, from_other ? 7 : 1);
    }
    begin(body);
    EXPECT_EQ(play(), Step::complete);
    EXPECT_EQ(received_.size(), expected.size());
    EXPECT_TRUE(received_ == expected);
    EXPECT_EQ(body_->sent(), body.size());
}

TEST_P(BodyReaderTest, AnEmptyBodyIsOverAtOnce) {
    begin({});
    EXPECT_EQ(play(), Step::complete);
    EXPECT_EQ(received_, "");
}

TEST_P(BodyReaderTest, AReleasedBufferIsReadAgainWhereTheClientStopped) {
    const std::uint64_t size = 2 * limits::kChunkBytes;
    test::write_pattern(dir_ / "f", size);
    begin(http::Body::of(open_file(dir_ / "f")));
    while (true) {
        const Step last = step();
        if (last == Step::complete) break;
        ASSERT_NE(last, Step::failed);
        if (last == Step::wait_writable) {
            body_->release_buffer();
            EXPECT_FALSE(body_->holds_buffer());
            client_reads();
        }
    }
    client_reads();
    EXPECT_EQ(received_.size(), size);
    EXPECT_FALSE(test::pattern_mismatch(received_, 0));
}

// What is queued must be lent exactly when nothing can change it any more, or nobody will.
TEST_P(BodyReaderTest, LendsOnlyWhatStaysAsItIs) {
    struct Row {
        const char* name;
        InPlaceWrites writes;
        bool in_memory;
    };
    const std::uint64_t size = 100'000;
    for (const Row& row : {Row{"a file that may be written in place", InPlaceWrites::on, false},
                           Row{"a file that is only replaced", InPlaceWrites::off, false},
                           Row{"a file that grows", InPlaceWrites::append, false},
                           Row{"a copy", InPlaceWrites::on, true}}) {
        SCOPED_TRACE(row.name);
        received_.clear();
        const std::uint64_t before = figures_.value(Metric::sent_bytes, SendPath::zero_copy);
        test::write_pattern(dir_ / "f", size);
        begin(row.in_memory ? lendable_copy(dir_ / "f", size)
                            : http::Body::of(open_file(dir_ / "f", row.writes)));
        EXPECT_EQ(play(), Step::complete);
        EXPECT_EQ(received_, test::pattern(0, size));
        const std::uint64_t lent = figures_.value(Metric::sent_bytes, SendPath::zero_copy) - before;
        const bool lends =
            row.in_memory || (GetParam() == IoMode::automatic && row.writes != InPlaceWrites::on);
        EXPECT_EQ(lent > 0, lends);
        EXPECT_LE(lent, size);
    }
}

// Parts of a copy, small ones and large ones, among bytes that must not be lent.
TEST_P(BodyReaderTest, PartsOfACopyArriveInOrder) {
    const std::uint64_t size = 300'000;
    test::write_pattern(dir_ / "f", size);
    const http::Body copy = lendable_copy(dir_ / "f", size);
    http::Body body;
    body.append_bytes("[a]");
    body.append_slice(copy, 10, 50);
    body.append_bytes("[b]");
    body.append_slice(copy, 100, size - 100);
    body.append_slice(copy, 5, 30'000);
    body.append_bytes("[c]");
    begin(body);
    EXPECT_EQ(play(), Step::complete);
    EXPECT_EQ(received_, "[a]" + test::pattern(10, 50) + "[b]" + test::pattern(100, size - 100) +
                             test::pattern(5, 30'000) + "[c]");
    EXPECT_EQ(body_->sent(), body.size());
}

TEST_P(BodyReaderTest, WaitsForAThreadWithoutABuffer) {
    if (GetParam() != IoMode::threads) return; // the others find it in the page cache
    test::write_pattern(dir_ / "f", 1000);
    const auto file = open_file(dir_ / "f");
    Blocker blocker;
    ASSERT_EQ(pool_.submit(blocker, file->charged, disk::JobKind::read), disk::Submitted::yes);
    begin(http::Body::of(file));
    EXPECT_EQ(send(), Step::wait_disk);
    EXPECT_TRUE(body_->read_under_way());
    EXPECT_FALSE(body_->holds_buffer());
    blocker.gate.release();
    await_read();
    EXPECT_TRUE(blocker.over);
    EXPECT_EQ(play(), Step::complete);
    EXPECT_EQ(received_, test::pattern(0, 1000));
}

TEST_P(BodyReaderTest, WhoGivesAReadUpFails) {
    if (GetParam() != IoMode::threads) return;
    test::write_pattern(dir_ / "f", 1000);
    const auto file = open_file(dir_ / "f");
    Blocker blocker;
    ASSERT_EQ(pool_.submit(blocker, file->charged, disk::JobKind::read), disk::Submitted::yes);
    begin(http::Body::of(file));
    EXPECT_EQ(send(), Step::wait_disk);
    body_->give_up_read(CloseReason::disk_silent);
    EXPECT_EQ(send(), Step::failed);
    EXPECT_EQ(body_->failure(), CloseReason::disk_silent);
    begin(http::Body::of(file));
    EXPECT_EQ(send(), Step::wait_disk);
    body_.reset(); // so does its client
    blocker.gate.release();
    while (!pool_.is_idle()) await_wake();
    EXPECT_EQ(file.use_count(), 1);
}

using test::PatternProducer;

TEST_P(BodyReaderTest, AStreamArrivesAmongOtherBytes) {
    const std::uint64_t size = 3 * limits::kChunkBytes + 17;
    test::write_pattern(dir_ / "f", 1000);
    for (const std::size_t piece : {std::size_t{1'000}, limits::kChunkBytes, SIZE_MAX}) {
        received_.clear();
        http::Body body = http::Body::of(std::string("[before]"));
        body.append_slice(http::Body::of(open_file(dir_ / "f")), 10, 20);
        body.segments.push_back(test::body_of(std::make_shared<PatternProducer>(
                                                  size, http::Producer::State::end, piece))
                                    .segments.front());
        body.append_bytes("[after]");
        body.append_slice(http::Body::of(open_file(dir_ / "f")), 30, 20);
        begin(std::move(body));
        EXPECT_FALSE(body_->has_known_size());
        EXPECT_EQ(play(), Step::complete);
        EXPECT_TRUE(received_ == "[before]" + test::pattern(10, 20) + test::pattern(0, size) +
                                     "[after]" + test::pattern(30, 20));
        EXPECT_EQ(body_->sent(), received_.size());
        EXPECT_EQ(body_->size(), received_.size());
        EXPECT_TRUE(body_->at_end());
        EXPECT_FALSE(body_->holds_buffer());
    }
}

TEST_P(BodyReaderTest, AnEmptyStreamIsOverWhenItsProducerHasSaidSo) {
    begin(test::body_of(std::make_shared<PatternProducer>(0, http::Producer::State::end)));
    EXPECT_FALSE(body_->at_end());
    EXPECT_EQ(play(), Step::complete);
    EXPECT_EQ(received_, "");
    EXPECT_TRUE(body_->at_end());
}

TEST_P(BodyReaderTest, AStreamThatFailsIsNeverComplete) {
    using State = http::Producer::State;
    const std::pair<State, CloseReason> rows[] = {{State::changed, CloseReason::file_changed},
                                                  {State::unreadable, CloseReason::read_error},
                                                  {State::broken, CloseReason::internal}};
    for (const auto& [state, reason] : rows) {
        for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{300'000}}) {
            received_.clear();
            begin(test::body_of(std::make_shared<PatternProducer>(size, state)));
            EXPECT_EQ(play(), Step::failed);
            EXPECT_EQ(body_->failure(), reason);
            EXPECT_EQ(received_.size(), size);
            EXPECT_FALSE(body_->at_end());
        }
    }
}

// What was made is made once: a client that pauses gets all of it.
TEST_P(BodyReaderTest, WhatAStreamHasMadeOutlivesAReleasedBuffer) {
    const std::uint64_t size = 2 * limits::kChunkBytes + 100;
    const auto producer = std::make_shared<PatternProducer>(size, http::Producer::State::end);
    begin(test::body_of(producer));
    bool kept = false;
    while (true) {
        const Step last = step();
        if (last == Step::complete) break;
        ASSERT_NE(last, Step::failed);
        if (last == Step::wait_writable) {
            const unsigned calls = producer->calls;
            body_->release_buffer();
            kept |= body_->holds_buffer();
            EXPECT_EQ(producer->calls, calls) << "nothing is made ahead";
            client_reads();
        }
    }
    client_reads();
    EXPECT_TRUE(kept);
    EXPECT_GT(producer->rests, 0U);
    EXPECT_TRUE(received_ == test::pattern(0, size));
}

// Has what the test gives it.
class Grows final : public http::Growing {
  public:
    std::uint64_t size() const override { return 0; }
    void begin_at(std::uint64_t, std::uint64_t) override {}
    bool may_have_more(std::uint64_t) override { return !given.empty(); }
    void finish() override {}
    Made produce(std::span<char> room) override {
        if (given.empty()) return {.state = is_over ? State::end : State::none_yet};
        const std::size_t bytes = given.copy(room.data(), room.size());
        given.erase(0, bytes);
        return {.bytes = bytes};
    }

    std::string given;
    bool is_over = false;
};

TEST_P(BodyReaderTest, WhatGrowsIsWaitedForWithoutABufferAndWithoutAThread) {
    const auto grows = std::make_shared<Grows>();
    http::Body body;
    body.segments.emplace_back(http::Stream{.producer = grows, .file = {}});
    begin(std::move(body));
    const auto play_on = [this] {
        while (true) {
            const Step last = step();
            client_reads();
            if (last != Step::wait_disk && last != Step::wait_writable && last != Step::yield)
                return last;
        }
    };
    EXPECT_EQ(play_on(), Step::wait_growth);
    std::string all;
    for (unsigned i = 0; i < 3; ++i) {
        const std::string more = test::pattern(all.size(), 300'000);
        grows->given = more;
        EXPECT_EQ(play_on(), Step::wait_growth) << "it was not told yet";
        EXPECT_TRUE(body_->awaits_growth());
        EXPECT_FALSE(body_->holds_buffer());
        EXPECT_FALSE(body_->read_under_way());
        EXPECT_FALSE(body_->at_end());
        body_->release_buffer();
        body_->on_growth();
        EXPECT_EQ(play_on(), Step::wait_growth);
        all += more;
        EXPECT_TRUE(received_ == all);
    }
    grows->is_over = true;
    body_->on_growth();
    EXPECT_EQ(play_on(), Step::complete);
    EXPECT_TRUE(received_ == all);
    EXPECT_TRUE(body_->at_end());
}

TEST_P(BodyReaderTest, AStreamIsAbandonedWithWhatItNeeds) {
    const auto file = std::make_shared<http::OpenFile>();
    Blocker blocker;
    ASSERT_EQ(pool_.submit(blocker, 0, disk::JobKind::read), disk::Submitted::yes);
    auto producer = std::make_shared<PatternProducer>(1000, http::Producer::State::end);
    const std::weak_ptr<PatternProducer> watched = producer;
    http::Body body;
    body.segments.emplace_back(http::Stream{.producer = std::move(producer), .file = file});
    begin(body);
    EXPECT_EQ(send(), Step::wait_disk);
    EXPECT_TRUE(body_->read_under_way());
    EXPECT_FALSE(body_->holds_buffer());
    body_->give_up_read(CloseReason::disk_silent);
    EXPECT_EQ(send(), Step::failed);
    EXPECT_EQ(body_->failure(), CloseReason::disk_silent);
    begin(std::move(body));
    EXPECT_EQ(send(), Step::wait_disk);
    body_.reset(); // so does its client
    blocker.gate.release();
    while (!pool_.is_idle()) await_wake();
    EXPECT_TRUE(watched.expired());
    EXPECT_EQ(file.use_count(), 1);
}

// What the page cache counts, the disk may still be filling: for a while after a miss the pool
// reads.
TEST_P(BodyReaderTest, ThePoolReadsWhatWasMissedLately) {
    if (GetParam() != IoMode::automatic) return; // the others never lend a file
    const std::uint64_t size = 600'000;
    test::write_pattern(dir_ / "f", size);
    const std::uint64_t now_ms = iteration_.now_ms();
    for (const bool lately : {true, false}) {
        SCOPED_TRACE(lately);
        received_.clear();
        const auto file = open_file(dir_ / "f", InPlaceWrites::off);
        file->missed_ms = lately ? now_ms : now_ms - limits::kFillingMs;
        const std::uint64_t missed_ms = file->missed_ms;
        const std::uint64_t lent = figures_.value(Metric::sent_bytes, SendPath::zero_copy);
        const std::uint64_t read = figures_.value(Metric::sent_bytes, SendPath::pool);
        begin(http::Body::of(file));
        EXPECT_EQ(play(), Step::complete);
        EXPECT_TRUE(received_ == test::pattern(0, size));
        EXPECT_EQ(figures_.value(Metric::sent_bytes, SendPath::zero_copy) > lent, !lately);
        EXPECT_EQ(figures_.value(Metric::sent_bytes, SendPath::pool) - read, lately ? size : 0);
        EXPECT_EQ(file->missed_ms, missed_ms) << "all was there";
    }
}

// Before Linux 6.5, and of files of another user: nothing is lent then, and nothing is a miss.
TEST_P(BodyReaderTest, WhatNobodyCanCountIsNoMiss) {
    if (GetParam() != IoMode::automatic) return; // the others never ask
    const std::uint64_t size = 600'000;
    test::write_pattern(dir_ / "f", size);
    const auto file = open_file(dir_ / "f", InPlaceWrites::off);
    page_cache_.device(file->device).cachestat.failed(ENOSYS);
    begin(http::Body::of(file));
    EXPECT_EQ(play(), Step::complete);
    EXPECT_TRUE(received_ == test::pattern(0, size));
    EXPECT_EQ(figures_.value(Metric::sent_bytes, SendPath::copied), size);
    EXPECT_EQ(file->missed_ms, 0U);
}

// What is a change, by --in-place-writes.
TEST_P(BodyReaderTest, AFileThatChangesNeverLooksComplete) {
    constexpr unsigned kOn = 1, kOff = 2, kAppend = 4;
    const std::pair<InPlaceWrites, unsigned> modes[] = {
        {InPlaceWrites::on, kOn}, {InPlaceWrites::off, kOff}, {InPlaceWrites::append, kAppend}};
    struct Change {
        const char* name;
        void (*make)(const std::filesystem::path&, std::uint64_t size);
        unsigned seen_by;
    };
    const Change changes[] = {
        {"truncated",
         [](const auto& path, auto size) { std::filesystem::resize_file(path, size / 2); },
         kOn | kOff | kAppend},
        {"emptied", [](const auto& path, auto) { std::filesystem::resize_file(path, 0); },
         kOn | kOff | kAppend},
        {"grown", [](const auto& path, auto) { test::append_file(path, "more"); }, kOn | kOff},
        {"rewritten",
         [](const auto& path, auto size) {
             test::write_at(path, size - 1, test::pattern(size - 1, 1));
         },
         kOn},
        {"touched", [](const auto& path, auto) { test::set_mtime(path, 1'600'000'000); }, kOn},
    };
    for (const Change& change : changes) {
        for (const auto& [writes, mode] : modes) {
            SCOPED_TRACE(std::string(change.name) + ", " + std::to_string(mode));
            const std::uint64_t size = 3 * limits::kChunkBytes;
            const auto path = dir_ / change.name;
            test::write_pattern(path, size);
            test::set_mtime(path);
            received_.clear();
            begin(http::Body::of(open_file(path, writes)));
            while (step() != Step::wait_writable) {
            }
            change.make(path, size);
            const bool seen = (change.seen_by & mode) != 0;
            EXPECT_EQ(play(), seen ? Step::failed : Step::complete);
            EXPECT_EQ(received_.size() < size, seen);
            if (seen) {
                EXPECT_EQ(body_->failure(), CloseReason::file_changed);
            }
            EXPECT_FALSE(test::pattern_mismatch(received_, 0)) << "not the old version's";
            body_.reset();
        }
    }
}

TEST_P(BodyReaderTest, AReplacedOrRemovedFileFinishesAsTheOldOne) {
    const std::uint64_t size = 2 * limits::kChunkBytes;
    for (const bool replaced : {true, false}) {
        test::write_pattern(dir_ / "f", size);
        received_.clear();
        begin(http::Body::of(open_file(dir_ / "f")));
        while (step() != Step::wait_writable) {
        }
        if (replaced) {
            test::write_pattern(dir_ / "new", size, 2);
            std::filesystem::rename(dir_ / "new", dir_ / "f");
        } else {
            std::filesystem::remove(dir_ / "f");
        }
        EXPECT_EQ(play(), Step::complete);
        EXPECT_EQ(received_.size(), size);
        EXPECT_FALSE(test::pattern_mismatch(received_, 0));
    }
}

TEST_P(BodyReaderTest, AClientThatLeftIsNoFileTrouble) {
    test::write_pattern(dir_ / "f", limits::kChunkBytes);
    begin(http::Body::of(open_file(dir_ / "f")));
    client_.reset();
    Step last = step();
    while (last != Step::failed) last = step();
    EXPECT_EQ(body_->failure(), CloseReason::client_aborted);
}

TEST_P(BodyReaderTest, AReadThatFailsHandsNothingOut) {
    auto file = open_file(dir_.str()); // read() of a folder: EISDIR
    file->size = 100;
    http::Body body;
    body.segments.emplace_back(http::FileExtent{.file = file, .offset = 0, .length = 100});
    begin(body);
    EXPECT_EQ(play(), Step::failed);
    EXPECT_EQ(body_->failure(), CloseReason::read_error);
    EXPECT_EQ(body_->sent(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Modes, BodyReaderTest, kModes, mode_name);

} // namespace
} // namespace fsrv::exchange
