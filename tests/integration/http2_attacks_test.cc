// Clients of HTTP/2 that mean no good: each is stopped, for a reason that the figures have, while
// others are answered, and what it cost is given back.

#include "tests/integration/admin_support.h"
#include "tests/support/files.h"
#include "tests/support/http2_client.h"
#include "tests/support/process.h"
#include "tests/support/server.h"

#include <cctype>
#include <climits>
#include <cstdlib>
#include <functional>
#include <gtest/gtest.h>

namespace fsrv::test {
namespace {

using namespace std::string_view_literals;

constexpr std::uint64_t kBig = 8 << 20;
constexpr std::size_t kChunk = 64 * 1024;       // of an attack, sent at a time
constexpr std::size_t kMost = 64 * 1024 * 1024; // of an attack that nobody stops
constexpr std::uint64_t kMarginKiB = 24 * 1024; // what allocators may keep

std::uint64_t resident_kib(pid_t pid) {
    return std::strtoull(process_status(pid)["VmRSS"].c_str(), nullptr, 10);
}

struct Attack {
    const char* name;
    // Frames, on the streams of this client from now on, which are sent again and again.
    std::function<std::string(Http2Client&)> frames;
    std::string_view reason; // of the end
    bool reads = true;       // what is answered meanwhile
    std::string begin = {};  // sent once, before
    bool is_patient = false; // never more at once than the streams that it may have
};

void PrintTo(const Attack& attack, std::ostream* out) {
    *out << attack.name;
}

std::string half_request(std::uint32_t stream, const h2::Fields& more = {},
                         std::string_view method = "GET", std::string_view path = "/big.bin") {
    return h2::frame(h2::kHeaders, h2::kEndHeaders, stream,
                     h2::block(h2::request_fields(method, path, more)));
}

// A field that goes to the table of the connection: then a byte stands for all of it.
std::string indexed_field(std::string_view name, std::string_view value) {
    std::string plain = h2::block({{std::string(name), std::string(value)}});
    plain[0] = 0x40;
    return plain;
}

const Attack kAttacks[] = {
    {"rapid reset (CVE-2023-44487)",
     [](Http2Client& client) {
         const std::uint32_t stream = client.next_stream();
         return h2::request(stream, "/big.bin") + h2::reset(stream);
     },
     "h2-resets"},
    {"rapid reset, reading nothing",
     [](Http2Client& client) {
         const std::uint32_t stream = client.next_stream();
         return h2::request(stream, "/big.bin") + h2::reset(stream);
     },
     "h2-resets", false},
    {"MadeYouReset: a window opened by 0",
     [](Http2Client& client) {
         const std::uint32_t stream = client.next_stream();
         return half_request(stream) + h2::window_update(stream, 0);
     },
     "h2-protocol"},
    {"MadeYouReset: a window that overflows",
     [](Http2Client& client) {
         const std::uint32_t stream = client.next_stream();
         return h2::request(stream, "/big.bin") + h2::window_update(stream, 0x7fffffff);
     },
     "h2-resets", true, "", true},
    {"MadeYouReset: a body behind its end",
     [](Http2Client& client) {
         const std::uint32_t stream = client.next_stream();
         return h2::request(stream, "/big.bin") + h2::frame(h2::kData, 0, stream, "x");
     },
     "h2-protocol"},
    {"MadeYouReset: a longer body than announced",
     [](Http2Client& client) {
         const std::uint32_t stream = client.next_stream();
         return half_request(stream, {{"content-length", "1"}}) +
                h2::frame(h2::kData, 0, stream, "xx");
     },
     "h2-resets", true, "", true},
    {"MadeYouReset: a stream that depends on itself",
     [](Http2Client&) { return h2::frame(h2::kPriority, 0, 99, h2::number(99) + "x"); },
     "h2-frames", true, half_request(99, {}, "GET", "/t.bin")},
    {"MadeYouReset: heads that are malformed",
     [](Http2Client& client) {
         return h2::request(client.next_stream(), "/", {{"UPPER", "x"}});
     },
     "h2-resets", true, "", true},
    {"more streams than allowed",
     [](Http2Client& client) { return half_request(client.next_stream()); }, "h2-protocol", true,
     h2::settings({{h2::kInitialWindow, 0}})},
    {"more streams than it could know of",
     [](Http2Client& client) { return half_request(client.next_stream()); }, "h2-resets", false,
     h2::settings({{h2::kInitialWindow, 0}})},
    {"more streams, reading nothing of a download",
     [](Http2Client& client) { return half_request(client.next_stream()); }, "h2-frames", false,
     h2::request(1, "/huge.bin")},
    {"requests, reading nothing",
     [](Http2Client& client) { return h2::request(client.next_stream(), "/none"); }, "h2-resets",
     false},
    {"CONTINUATION",
     [](Http2Client&) {
         return h2::frame(h2::kContinuation, 0, 99, h2::block({{"a", "b"}}));
     },
     "h2-frames", true, h2::frame(h2::kHeaders, 0, 99, h2::block({{":method", "GET"}}))},
    {"CONTINUATION of nothing", [](Http2Client&) { return h2::frame(h2::kContinuation, 0, 99); },
     "h2-frames", true, h2::frame(h2::kHeaders, 0, 99, h2::block({{":method", "GET"}}))},
    {"SETTINGS", [](Http2Client&) { return h2::settings(); }, "h2-frames"},
    {"SETTINGS, reading nothing", [](Http2Client&) { return h2::settings(); }, "h2-frames", false},
    {"SETTINGS, with the size of a table that goes up and down",
     [](Http2Client&) {
         return h2::settings({{h2::kHeaderTableSize, 0}, {h2::kHeaderTableSize, 65'536}});
     },
     "h2-frames"},
    {"PING", [](Http2Client&) { return h2::frame(h2::kPing, 0, 0, "12345678"); }, "h2-frames"},
    {"PING, reading nothing", [](Http2Client&) { return h2::frame(h2::kPing, 0, 0, "12345678"); },
     "h2-frames", false},
    {"DATA of nothing", [](Http2Client&) { return h2::frame(h2::kData, 0, 99); }, "h2-frames", true,
     half_request(99, {}, "GET", "/t.bin")},
    {"DATA of nothing but padding",
     [](Http2Client&) { return h2::frame(h2::kData, 8, 99, "\2xx"sv.substr(0, 3)); }, "h2-frames",
     true, half_request(99, {}, "PUT")},
    {"frames of unknown types",
     [](Http2Client&) { return h2::frame(0x42, 0xff, 0, "what is it?"); }, "h2-frames"},
    {"PRIORITY",
     [](Http2Client& client) {
         return h2::frame(h2::kPriority, 0, client.next_stream(), h2::number(0) + "x");
     },
     "h2-frames"},
    {"PRIORITY_UPDATE",
     [](Http2Client& client) {
         return h2::frame(h2::kPriorityUpdate, 0, 0, h2::number(client.next_stream()) + "u=0");
     },
     "h2-protocol"},
    {"PRIORITY_UPDATE of one stream",
     [](Http2Client&) { return h2::frame(h2::kPriorityUpdate, 0, 0, h2::number(99) + "u=0, i"); },
     "h2-frames", true, half_request(99, {}, "GET", "/t.bin")},
    {"WINDOW_UPDATE by 1", [](Http2Client&) { return h2::window_update(99, 1); }, "h2-frames", true,
     h2::settings({{h2::kInitialWindow, 0}}) + half_request(99)},
    {"RST_STREAM of what is no more", [](Http2Client&) { return h2::reset(99); }, "h2-resets", true,
     h2::request(99, "/t.bin")},
    {"HPACK: a byte that stands for 4,000",
     [](Http2Client& client) {
         return h2::frame(h2::kHeaders, h2::kEndHeaders | h2::kEndStream, client.next_stream(),
                          h2::block(h2::request_fields("GET", "/")) + std::string(15'000, '\xbe'));
     },
     "h2-headers", true,
     h2::frame(h2::kHeaders, h2::kEndHeaders | h2::kEndStream, 1,
               h2::block(h2::request_fields("GET", "/")) +
                   indexed_field("x", std::string(4'000, 'x')))},
    {"HPACK: 10,000 fields",
     [](Http2Client& client) {
         std::string fields = h2::block(h2::request_fields("GET", "/"));
         for (unsigned i = 0; i < 2'000; ++i) fields += h2::block({{"a", ""}});
         std::string all;
         for (std::size_t at = 0; at < fields.size(); at += 16'000) {
             all += h2::frame(at == 0 ? h2::kHeaders : h2::kContinuation,
                              at == 0 ? h2::kEndStream : 0, 99, fields.substr(at, 16'000));
         }
         std::string more;
         for (unsigned i = 0; i < 2'500; ++i) more += h2::block({{"a", ""}});
         client.next_stream();
         return all + h2::frame(h2::kContinuation, 0, 99, more) +
                h2::frame(h2::kContinuation, 0, 99, more) +
                h2::frame(h2::kContinuation, 0, 99, more) +
                h2::frame(h2::kContinuation, h2::kEndHeaders, 99, more);
     },
     "h2-headers"},
    {"HPACK: a block that is none",
     [](Http2Client& client) {
         return h2::frame(h2::kHeaders, h2::kEndHeaders | h2::kEndStream, client.next_stream(),
                          "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
     },
     "h2-protocol"},
    {"garbage",
     [](Http2Client&) { return std::string("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); },
     "h2-protocol"},
    {"frames larger than allowed",
     [](Http2Client&) { return h2::frame(h2::kData, 0, 1, std::string(20'000, 'x')); },
     "h2-protocol"},
};

class Http2Attacks : public testing::Test {
  protected:
    Http2Attacks() {
        write_pattern(root_ / "t.bin", 1'000);
        write_pattern(root_ / "big.bin", kBig);
        make_sparse(root_ / "huge.bin", 256 << 20); // more than any socket takes
    }
    void start(std::vector<std::string> more = {}) {
        more.insert(more.end(), {"--workers", "1", "--admin", "127.0.0.1:0"});
        server_.emplace(root_.path(), more);
        admin_.emplace(*server_);
        for (const pid_t worker : admin_->workers()) worker_ = worker;
        expect_honest_ones_answered();
    }
    // Connections that ended, by reason, but for those that just went.
    std::map<std::string, double> ends() const {
        std::map<std::string, double> by_reason;
        auto now = admin_->metrics();
        for (const Sample& sample : now.families["fsrv_connections_closed_total"].samples)
            by_reason[sample.labels.at("reason")] = sample.value;
        by_reason.erase("client-closed");
        return by_reason;
    }
    void expect_honest_ones_answered() const {
        EXPECT_TRUE(is_pattern(fetch(server_->port(), "/t.bin").body, 0, 1'000));
        Http2Client honest(server_->port());
        EXPECT_TRUE(is_pattern(honest.ask("/t.bin").body, 0, 1'000));
    }
    // What has come already.
    static bool hear(Http2Client& client) {
        while (client.read(Deadline(std::chrono::milliseconds(0)))) {
        }
        return client.end() == Got::nothing;
    }
    void carry_out(const Attack& attack) {
        const auto before = ends();
        Http2Client client(server_->port());
        client.next_stream(); // the first is for what begins
        ASSERT_TRUE(client.send(attack.begin));
        std::size_t sent = 0;
        bool goes_on = true;
        for (unsigned round = 0; goes_on && sent < kMost; ++round) {
            std::string chunk;
            for (unsigned i = 0; i < (attack.is_patient ? 50 : UINT_MAX) && chunk.size() < kChunk;
                 ++i)
                chunk += attack.frames(client);
            if (attack.is_patient) chunk += h2::frame(h2::kPing, 0, 0, "12345678");
            goes_on = client.send(chunk);
            sent += chunk.size();
            if (attack.is_patient)
                while (goes_on && client.pings() <= round) goes_on = client.read();
            else if (attack.reads)
                goes_on = hear(client) && goes_on;
            if (round % 8 == 0) expect_honest_ones_answered();
        }
        if (attack.reads) client.await_end();
        EXPECT_LT(sent, kMost) << "nobody has stopped it";
        EXPECT_TRUE(!attack.reads || client.goaways().size() > 0);
        for (const Http2Client::Goaway& goaway : client.goaways())
            EXPECT_NE(goaway.error, h2::kNoError);
        client.raw().close();
        std::string reason;
        EXPECT_TRUE(await(
            [&] {
                for (const auto& [name, count] : ends())
                    if (count > before.at(name)) reason = name;
                return !reason.empty();
            },
            Deadline(std::chrono::seconds(10))));
        EXPECT_EQ(reason, attack.reason) << "after " << sent << " bytes";
    }

    TempDir root_;
    std::optional<Server> server_;
    std::optional<Admin> admin_;
    pid_t worker_ = 0;
};

class Http2Attack : public Http2Attacks, public testing::WithParamInterface<Attack> {};

TEST_P(Http2Attack, IsStoppedForItsReasonWhileOthersAreAnswered) {
    start();
    carry_out(GetParam()); // its pages and caches are there after it
    const std::uint64_t once = resident_kib(worker_);
    for (unsigned i = 0; i < 3; ++i) carry_out(GetParam());
    expect_honest_ones_answered();
    if (!kSanitized) {
        EXPECT_LT(resident_kib(worker_), once + kMarginKiB);
    }
}

INSTANTIATE_TEST_SUITE_P(All, Http2Attack, testing::ValuesIn(kAttacks), [](const auto& attack) {
    std::string name;
    for (const char* c = attack.param.name; *c != 0; ++c)
        if (std::isalnum(static_cast<unsigned char>(*c)) != 0) name += *c;
    return name;
});

// A hundred streams that wait for a window have nothing of the worker's after --stall-timeout, and
// end after --pause-timeout.
TEST_F(Http2Attacks, WindowsOfNothingHoldNoMemoryAndEnd) {
    start({"--stall-timeout", "500ms", "--pause-timeout", "3s", "--io", "inline"});
    const std::uint64_t before = resident_kib(worker_);
    std::vector<std::unique_ptr<Http2Client>> clients;
    for (unsigned i = 0; i < 5; ++i) {
        auto& client = *clients.emplace_back(
            std::make_unique<Http2Client>(server_->port(), Http2Setup{.window = 1}));
        for (unsigned stream = 0; stream < 100; ++stream) client.get("/big.bin");
        for (std::uint32_t stream = 1; stream < 200; stream += 2)
            while (client.received(stream) < 1) ASSERT_TRUE(client.read());
    }
    expect_honest_ones_answered();
    for (const auto& client : clients) {
        for (std::uint32_t stream = 1; stream < 200; stream += 2) {
            ASSERT_TRUE(client->await(stream));
            EXPECT_EQ(client->of(stream).reset, h2::kCancel);
            EXPECT_FALSE(client->of(stream).whole);
        }
        EXPECT_EQ(client->ask("/-/health", {}, "HEAD").status, 200) << "the connection goes on";
        EXPECT_TRUE(client->goaways().empty());
    }
    if (!kSanitized) {
        EXPECT_LT(resident_kib(worker_), before + kMarginKiB);
    }
}

// Always a byte: it moves, so it is never paused, but slower than --min-rate.
TEST_F(Http2Attacks, AWindowThatOpensByBytesIsTooSlow) {
    start({"--stall-timeout", "500ms", "--min-rate", "1MiB"});
    Http2Client client(server_->port(), {.window = 1});
    const std::uint32_t stream = client.get("/big.bin");
    for (std::uint64_t before = 0; !client.of(stream).over();) {
        if (client.received(stream) > before) client.send(h2::window_update(stream, 1));
        before = client.received(stream);
        ASSERT_TRUE(client.read());
        expect_honest_ones_answered(); // which takes its time
    }
    EXPECT_EQ(client.of(stream).reset, h2::kCancel);
    EXPECT_EQ(client.ask("/-/health", {}, "HEAD").status, 200);
}

TEST_F(Http2Attacks, AHeadOrAPrefaceThatNeverEndsHasItsTime) {
    start({"--header-timeout", "500ms", "--idle-timeout", "1s"});
    const struct {
        std::string bytes;
        std::string_view reason;
    } table[] = {
        {"PRI * HTT", "header-timeout"},
        {std::string(h2::kPreface.substr(0, 16)), "idle-timeout"},
        {std::string(h2::kPreface), "idle-timeout"},
        {std::string(h2::kPreface) + h2::settings() +
             h2::frame(h2::kHeaders, 0, 1, h2::block({{":method", "GET"}})),
         "header-timeout"},
    };
    for (const auto& row : table) {
        const std::string& bytes = row.bytes;
        const std::string reason(row.reason);
        SCOPED_TRACE(reason);
        const double before = ends().at(reason);
        RawClient client(server_->port());
        for (const char c : bytes) ASSERT_TRUE(client.send({&c, 1}));
        client.read_to_end();
        client.close();
        EXPECT_TRUE(
            await([&] { return ends().at(reason) > before; }, Deadline(std::chrono::seconds(10))))
            << bytes.size() << " bytes: " << testing::PrintToString(ends());
        expect_honest_ones_answered();
    }
}

// Fifty times a second a player may break off what it loads and ask for another part.
TEST_F(Http2Attacks, APlayerThatSeeksIsNone) {
    start();
    Http2Client client(server_->port(), {.window = 100'000, .keeps_bodies = false});
    for (unsigned i = 0; i < 500; ++i) {
        const std::uint32_t stream =
            client.get("/big.bin", {{"range", "bytes=" + std::to_string(i * 10'000) + "-"}});
        while (client.received(stream) == 0) ASSERT_TRUE(client.read());
        EXPECT_EQ(client.of(stream).status, 206);
        ASSERT_TRUE(client.send(h2::reset(stream)));
    }
    EXPECT_EQ(client.ask("/t.bin").status, 200);
    EXPECT_TRUE(client.goaways().empty());
}

} // namespace
} // namespace fsrv::test
