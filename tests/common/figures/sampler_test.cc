#include "common/figures/sampler.h"

#include "tests/common/figures/readings.h"

#include <gtest/gtest.h>

namespace fsrv {
namespace {

using test::one_worker;
using test::worker;

std::string as_sent(std::string_view target) {
    return std::string(target);
}

void count_sent(ScoreReading& reading, std::uint64_t bytes) {
    MetricWords words;
    words.count(Metric::sent_bytes, SendPath::memory, bytes);
    words.add_to(reading.totals);
    words.add_to(reading.processes.at(0).figures);
}

Status status_of(const ScoreReading& reading) {
    return Sampler(as_sent).status(reading, 61'000);
}

TEST(Sampler, MakesARateOfTwoReadings) {
    Sampler sampler(as_sent);
    ScoreReading reading = one_worker();
    sampler.sample(reading, 10'000);
    EXPECT_EQ(sampler.status(reading, 10'000).rates.bytes, 0);
    count_sent(reading, 5'000);
    sampler.sample(reading, 12'000);
    const Status status = sampler.status(reading, 12'000);
    EXPECT_EQ(status.rates.bytes, 2'500);
    EXPECT_EQ(status.workers.at(0).rates.bytes, 2'500);
    EXPECT_EQ(status.history.size(), 2U);
}

TEST(Sampler, ARateFadesWhenNothingMoves) {
    Sampler sampler(as_sent);
    ScoreReading reading = one_worker();
    sampler.sample(reading, 1'000);
    count_sent(reading, 1'000'000);
    double last = 1e9;
    for (std::uint64_t now = 2'000; now < 100'000; now += 1'000) {
        sampler.sample(reading, now);
        const double rate = sampler.status(reading, now).rates.bytes;
        EXPECT_LE(rate, last);
        last = rate;
    }
    EXPECT_EQ(last, 0);
}

TEST(Sampler, AnotherProcessOfTheSameNumberBeginsAnew) {
    Sampler sampler(as_sent);
    ScoreReading reading = one_worker();
    count_sent(reading, 1'000'000);
    sampler.sample(reading, 1'000);
    reading.processes = {worker(100)};
    sampler.sample(reading, 2'000);
    EXPECT_EQ(sampler.status(reading, 2'000).workers.at(0).rates.bytes, 0)
        << "not negative, not huge";
}

TEST(Sampler, RemembersNoMoreThanItShows) {
    Sampler sampler(as_sent);
    const ScoreReading reading = one_worker();
    for (std::uint64_t i = 1; i < 3 * kHistory; ++i) sampler.sample(reading, i * 1'000);
    EXPECT_EQ(sampler.status(reading, 0).history.size(), kHistory);
}

TEST(Sampler, TellsHowLongADownloadStillTakes) {
    Sampler sampler(as_sent);
    ScoreReading reading = one_worker();
    reading.processes.at(0).transfers = {{.id = 1,
                                          .started_ms = 10'000,
                                          .sent = 1'000,
                                          .total = 11'000,
                                          .client = "c",
                                          .target = "/t"}};
    EXPECT_EQ(sampler.status(reading, 20'000).downloads.at(0).rate, 100) << "its average, at first";
    EXPECT_EQ(sampler.status(reading, 20'000).downloads.at(0).remaining, 100);
    sampler.sample(reading, 20'000);
    reading.processes.at(0).transfers.at(0).sent = 6'000;
    sampler.sample(reading, 21'000);
    const DownloadStatus moving = sampler.status(reading, 21'000).downloads.at(0);
    EXPECT_EQ(moving.rate, 5'000);
    EXPECT_EQ(moving.remaining, 1);
    EXPECT_EQ(moving.seconds, 11);
    reading.processes.at(0).transfers.at(0).paused = true;
    const DownloadStatus paused = sampler.status(reading, 22'000).downloads.at(0);
    EXPECT_EQ(paused.rate, 0);
    EXPECT_FALSE(paused.remaining);
}

TEST(Sampler, ReadyIsAServerWithAWorkerThatDoesNotStop) {
    ScoreReading reading = one_worker();
    EXPECT_EQ(status_of(reading).not_ready_because(), "");
    for (const ProcessState state : {ProcessState::waiting, ProcessState::starting,
                                     ProcessState::silent, ProcessState::draining}) {
        reading.processes.at(0).row.state = state;
        EXPECT_EQ(status_of(reading).not_ready_because(), "no worker is ready") << name_of(state);
    }
    reading.processes.at(0).row = {.state = ProcessState::ready, .admin = true, .pid = 8};
    EXPECT_EQ(status_of(reading).not_ready_because(), "no worker is ready") << "it is no worker";
    reading = one_worker();
    reading.server.draining = true;
    EXPECT_EQ(status_of(reading).not_ready_because(), "draining");
}

TEST(Sampler, TheLoadIsTheLargerOfConnectionsAndLateness) {
    ScoreReading reading = one_worker();
    EXPECT_EQ(status_of(reading).load, 0) << "no limit is known yet";
    MetricWords words;
    words.set(Metric::connections, 30);
    words.set(Metric::connection_limit, 100);
    words.add_to(reading.totals);
    EXPECT_DOUBLE_EQ(status_of(reading).load, 0.3);
    reading.processes.at(0).lag_ms = 20;
    EXPECT_DOUBLE_EQ(status_of(reading).load, 0.3);
    reading.processes.at(0).lag_ms = 60;
    EXPECT_DOUBLE_EQ(status_of(reading).load, 0.6);
    reading.processes.push_back(worker(101));
    EXPECT_DOUBLE_EQ(status_of(reading).load, 0.3) << "the mean of the loops";
    reading.processes.at(0).lag_ms = 1'000'000;
    EXPECT_DOUBLE_EQ(status_of(reading).load, 1);
}

} // namespace
} // namespace fsrv
