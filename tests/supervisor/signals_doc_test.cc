// docs/SIGNALS.md says what signals.def says.

#include "tests/support/process.h"

#include <algorithm>
#include <cstdlib>
#include <gtest/gtest.h>
#include <sstream>
#include <string>
#include <vector>

namespace fsrv {
namespace {

TEST(SignalsDoc, HasTheRowsOfTheTableAndNoOther) {
    const char* path = std::getenv("FSRV_SIGNALS_DOC");
    ASSERT_NE(path, nullptr) << "run the tests through meson";
    const std::vector<std::string> expected{
#define FSRV_SIGNAL(name, reaction, in_worker, meaning, worker_meaning)                            \
    "| `" #name "` | " meaning " | " worker_meaning " |",
#include "supervisor/signals.def"
#undef FSRV_SIGNAL
    };
    std::vector<std::string> rows;
    std::istringstream text(test::read_file(path));
    for (std::string line; std::getline(text, line);)
        if (line.starts_with("| `")) rows.push_back(line);
    EXPECT_EQ(rows, expected);
}

} // namespace
} // namespace fsrv
