#include "worker/http/server_names.h"

#include <gtest/gtest.h>
#include <vector>

namespace fsrv::http {
namespace {

TEST(ServerNames, AreThoseThatNobodyElseCanPointHere) {
    struct Row {
        const char* host;
        bool answered;
    };
    const Row table[] = {
        {"", true},
        {"localhost", true},
        {"LocalHost:8080", true},
        {"localhost.", true},
        {"a.b.localhost", true},
        {"a.localhost.:80", true},
        {"127.0.0.1", true},
        {"127.0.0.1:8080", true},
        {"192.0.2.7", true},
        {"[::1]", true},
        {"[2001:db8::1]:80", true},
        {"[v1.x]", true},
        {"files.example.org", true},
        {"FILES.example.org:443", true},
        {"files.example.org.", true},
        {"a.pool.example", true},
        {"a.b.pool.example.", true},
        // not
        {"evil.example", false},
        {"evil.example:8080", false},
        {"localhost.evil.example", false},
        {"notlocalhost", false},
        {".localhost", false},
        {"local%68ost", false},
        {"127.0.0.1.evil.example", false},
        {"127.1", false},
        {"2130706433", false},
        {"0x7f.0.0.1", false},
        {"pool.example", false},
        {"xpool.example", false},
        {"org", false},
        {"xfiles.example.org", false},
        {"files.example.org.evil", false},
        {"localhost..", false},
    };
    const std::vector<std::string> configured = {"files.Example.org", "*.pool.example."};
    ServerNames names(configured);
    EXPECT_FALSE(names.any());
    for (int i = 0; i < 2; ++i) // a name that was answered lets no other one in
        for (const Row& row : table) EXPECT_EQ(names.answer(row.host), row.answered) << row.host;
}

TEST(ServerNames, MayBeAny) {
    const std::vector<std::string> star = {"a", "*"};
    EXPECT_TRUE(ServerNames(star).any());
    EXPECT_TRUE(ServerNames(star).answer("evil.example"));
    EXPECT_FALSE(ServerNames({}).answer("evil.example"));
}

} // namespace
} // namespace fsrv::http
