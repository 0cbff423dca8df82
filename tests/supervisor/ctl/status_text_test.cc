#include "supervisor/ctl/status_text.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace fsrv {
namespace {

TEST(StatusText, TimesAreShort) {
    const std::pair<std::uint64_t, const char*> table[] = {
        {0, "0 ms"},
        {999, "999 ms"},
        {1'000, "1 s"},
        {59'999, "59 s"},
        {60'000, "1 min 0 s"},
        {3'599'999, "59 min 59 s"},
        {3'600'000, "1 h 0 min"},
        {86'399'999, "23 h 59 min"},
        {90'000'000, "1 d 1 h"},
    };
    for (const auto& [ms, text] : table) EXPECT_EQ(time_text(ms), text);
}

TEST(StatusText, BytesHaveTheUnitThatSuits) {
    const std::pair<std::uint64_t, const char*> table[] = {
        {0, "0 B"},         {1'023, "1023 B"},      {1'024, "1.0 KiB"},
        {10'240, "10 KiB"}, {1'572'864, "1.5 MiB"}, {~std::uint64_t{0}, "16 EiB"},
    };
    for (const auto& [bytes, text] : table) EXPECT_EQ(bytes_text(bytes), text);
}

TEST(StatusText, CountsTheReadyOfThisGeneration) {
    ScoreReading reading;
    reading.server = {.pid = 7, .started_ms = 1'000, .generation = 2, .workers = 3};
    const auto add = [&](ProcessState state, std::uint64_t generation, pid_t pid) {
        reading.processes.push_back(
            {.row = {.state = state, .generation = generation, .pid = pid, .spawned_ms = 1'000}});
    };
    add(ProcessState::ready, 2, 8);
    add(ProcessState::waiting, 2, 0);
    add(ProcessState::ready, 3, 9); // a reload is under way
    add(ProcessState::draining, 1, 10);
    const std::string text = status_text(reading, 61'000, "reloading");
    EXPECT_NE(text.find("(pid 7), up 1 min 0 s, generation 2, 1 of 3 workers ready, reloading\n"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("draining"), std::string::npos);
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 6);
}

} // namespace
} // namespace fsrv
