// Exchange with a real folder and a real pool, without a session.
#include "worker/exchange/exchange.h"

#include "tests/support/await.h"
#include "tests/support/decode.h"
#include "tests/support/files.h"
#include "tests/worker/content/support.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <string>

namespace fsrv::exchange {
namespace {

class OwnInquiry final : public Inquiry {
  public:
    bool came_back = false;

    void ask(std::string_view method, std::string_view target, std::string_view host = "h") {
        line_ = std::string(method) + ' ' + std::string(target) + " HTTP/1.1";
        request = {};
        request.method = method == "GET"       ? http::Method::get
                         : method == "OPTIONS" ? http::Method::options
                                               : http::Method::other;
        request.method_token = std::string_view(line_).substr(0, method.size());
        request.target = request.origin =
            std::string_view(line_).substr(method.size() + 1, target.size());
        request.host = host;
    }

  private:
    void come_back() override { came_back = true; }

    std::string line_; // method, target and version stand one behind the other
};

class ExchangeTest : public testing::TestWithParam<IoMode>, public ExchangeHome {
  protected:
    ExchangeTest() {
        tree_.file("file", "content");
        tree_.file("page.html", test::gaining_text(10'000));
        tree_.file("noise.txt", test::noise(10'000));
        for (const char* name : {"file", "page.html", "noise.txt"}) test::set_mtime(tree_.at(name));
        iteration_.begin(1'000);
    }
    ~ExchangeTest() override {
        await([&] { return pool_.is_idle(); });
    }

    void on_planned(http::Plan plan) override { plan_ = std::move(plan); }
    void on_unavailable(http::Plan plan) override { plan_ = std::move(plan); }
    void on_body() override {}
    void on_body_given_up() override {}
    void on_ration() override {}
    void on_disk_ill() override {}
    void on_listings_full() override {}
    std::optional<log::TlsNote> tls_note() const override { return std::nullopt; }

    template <class Done>
    void await(Done done) {
        EXPECT_TRUE(test::await([&] {
            pollfd wake{.fd = pool_.wake_fd(), .events = POLLIN, .revents = 0};
            ::poll(&wake, 1, 10);
            pool_.dispatch();
            return done();
        }));
    }
    // The status that the inquiry gets, whenever.
    int status_of(OwnInquiry& inquiry, const Client& client = {}) {
        Exchange::Outcome outcome = exchange_.ask(inquiry, client);
        if (outcome.ready) return exchange_.plan_for(inquiry, *outcome.ready).status;
        plan_ = std::move(outcome.plan);
        if (!plan_) await([&] { return plan_.has_value(); });
        EXPECT_FALSE(inquiry.lookup.is_under_way());
        return std::exchange(plan_, std::nullopt)->status;
    }

    content::Tree tree_;
    Options options_;
    Iteration iteration_;
    Ending ending_;
    static content::StoreConfig compressing(content::StoreConfig config) {
        config.compress = true;
        return config;
    }

    content::LocalStore store_{compressing(tree_.config()), content::MimeTypes()};
    content::Mounts mounts_{tree_.root(), store_.root_device()};
    disk::Pool pool_{disk::Pool::Config{}};
    disk::ChunkPool chunks_;
    disk::PageCache page_cache_;
    FileCache cache_{store_, {.files = 10, .bytes = 1 << 20}};
    Codings codings_{{.kept_bytes = 1 << 20, .threads = 4}};
    NameCheck names_{options_.server_names, iteration_};
    http::PlanConfig plan_config_;
    std::unique_ptr<ScoreSlot> score_ = std::make_unique<ScoreSlot>();
    ExchangeServices services_{.options = options_,
                               .iteration = iteration_,
                               .ending = ending_,
                               .names = names_,
                               .cache = cache_,
                               .lookups = {.store = store_,
                                           .mounts = mounts_,
                                           .pool = pool_,
                                           .cache = cache_,
                                           .plan_config = plan_config_,
                                           .io = GetParam(),
                                           .server_header = true,
                                           .codings = &codings_},
                               .bodies = {.iteration = iteration_,
                                          .chunks = chunks_,
                                          .page_cache = page_cache_,
                                          .pool = pool_,
                                          .score = *score_,
                                          .io = GetParam()},
                               .score = *score_,
                               .log_lines = log::LogLines(LogFormat::extended)};
    Exchange exchange_{services_, *this};
    std::optional<http::Plan> plan_;
};

// Made once, by the pool whatever the mode; from then on it is ready.
TEST_P(ExchangeTest, WhatIsCodedIsKept) {
    OwnInquiry inquiry;
    const auto ask = [&](std::string_view target, std::string_view coding) {
        inquiry.ask("GET", target);
        inquiry.request.minor_version = 1;
        inquiry.request.field_count = 1;
        inquiry.request.fields[0] = {.name = "Accept-Encoding", .value = coding};
        return exchange_.ask(inquiry, {});
    };
    for (const char* coding : {"gzip", "zstd", "br"}) {
        SCOPED_TRACE(coding);
        Exchange::Outcome outcome = ask("/page.html", coding);
        EXPECT_FALSE(outcome.ready);
        EXPECT_FALSE(outcome.plan) << "it has to be made";
        plan_.reset();
        await([&] { return plan_.has_value(); });
        EXPECT_NE(plan_->fields.find(std::string("Content-Encoding: ") + coding + "\r\n"),
                  std::string::npos);
        outcome = ask("/page.html", coding);
        ASSERT_TRUE(outcome.ready);
        ASSERT_TRUE(outcome.coded);
        EXPECT_TRUE(test::decoded(coding, outcome.coded->content) == test::gaining_text(10'000));
        EXPECT_NE(outcome.coded->head.find("\r\nDate: "), std::string::npos);
        EXPECT_TRUE(outcome.coded->head.ends_with("\r\n\r\n"));
        EXPECT_TRUE(outcome.coded->head_304.starts_with("HTTP/1.1 304 "));
        EXPECT_NE(outcome.coded->head_304.find(outcome.coded->etag), std::string::npos);
    }
    // All of them are there, and the identity.
    for (const char* coding : {"gzip", "zstd", "br", "identity"}) {
        const Exchange::Outcome outcome = ask("/page.html", coding);
        ASSERT_TRUE(outcome.ready) << coding;
        EXPECT_EQ(outcome.coded != nullptr, coding != std::string_view("identity"));
    }
}

TEST_P(ExchangeTest, WhatDoesNotGainIsReadyAsItIs) {
    OwnInquiry inquiry;
    for (int time = 0; time < 2; ++time) {
        inquiry.ask("GET", "/noise.txt");
        inquiry.request.minor_version = 1;
        inquiry.request.field_count = 1;
        inquiry.request.fields[0] = {.name = "Accept-Encoding", .value = "zstd"};
        const Exchange::Outcome outcome = exchange_.ask(inquiry, {});
        EXPECT_EQ(outcome.ready != nullptr, time == 1);
        EXPECT_FALSE(outcome.coded);
        if (!outcome.ready && !outcome.plan) await([&] { return plan_.has_value(); });
    }
}

TEST_P(ExchangeTest, EveryRequestGetsOneAnswer) {
    struct Row {
        const char* method;
        const char* target;
        int status;
    };
    const Row rows[] = {{"GET", "/file", 200},  {"GET", "/file", 200},    {"GET", "/none", 404},
                        {"GET", "/%00", 400},   {"GET", "/", 200},        {"OPTIONS", "/file", 204},
                        {"POST", "/file", 405}, {"GET", "/-/health", 200}};
    OwnInquiry inquiry;
    for (unsigned round = 0; round < 20; ++round) {
        for (const Row& row : rows) {
            SCOPED_TRACE(std::string(row.method) + " " + row.target);
            inquiry.ask(row.method, row.target);
            EXPECT_EQ(status_of(inquiry), row.status);
        }
    }
}

TEST_P(ExchangeTest, ANameOfSomebodyElseIsRefusedToWhomIsChecked) {
    OwnInquiry inquiry;
    inquiry.ask("GET", "/file", "localhost");
    EXPECT_EQ(status_of(inquiry, {.is_checked = true}), 200);
    inquiry.ask("GET", "/file", "stranger.example");
    EXPECT_EQ(status_of(inquiry, {.is_checked = true}), 421);
    EXPECT_EQ(status_of(inquiry), 200);
    inquiry.ask("GET", "/file", "203.0.113.9");
    EXPECT_EQ(status_of(inquiry, {.is_checked = true}), 200);
}

TEST_P(ExchangeTest, WhoIsToUseHttpsIsSentThereButForHealthAndProofsForACAs) {
    tree_.folder(".well-known/acme-challenge");
    tree_.file(".well-known/acme-challenge/token", "proof");
    const std::tuple<const char*, const char*, int> rows[] = {
        {"GET", "/file", 308},
        {"HEAD", "/none", 308},
        {"POST", "/file", 308},
        {"GET", "/%00", 308},
        {"GET", "/-/health", 200},
        {"GET", "/-/other", 308},
        {"GET", "/.well-known/acme-challenge/token", 200},
        {"GET", "/.well-known/acme-challenge/none", 404},
        {"GET", "/.well-known/acme-challenge/../../file", 308},
        {"GET", "/.well-known/acme-challenge/", 308},
        {"GET", "/.well-known/other", 308},
        {"GET", "/files?path=file", 308},
    };
    OwnInquiry inquiry;
    for (const auto& [method, target, status] : rows) {
        inquiry.ask(method, target);
        EXPECT_EQ(status_of(inquiry, {.redirects_to = 443}), status) << method << " " << target;
    }
}

TEST_P(ExchangeTest, HealthSaysThatTheEndIsNear) {
    OwnInquiry inquiry;
    inquiry.ask("GET", "/-/health");
    ending_.draining = ending_.retiring = true;
    EXPECT_EQ(status_of(inquiry), 200) << "the server goes on";
    ending_.retiring = false;
    EXPECT_EQ(status_of(inquiry), 503);
}

TEST_P(ExchangeTest, AnInquiryThatIsDroppedComesBackWhenItsLookUpIsOver) {
    if (GetParam() != IoMode::threads) return; // the others have nothing to wait for
    OwnInquiry inquiry;
    inquiry.ask("GET", "/file");
    const Exchange::Outcome outcome = exchange_.ask(inquiry, {});
    ASSERT_FALSE(outcome.ready || outcome.plan);
    inquiry.lookup.cancel();
    await([&] { return inquiry.came_back; });
    EXPECT_FALSE(plan_) << "nobody waits for it";
}

TEST_P(ExchangeTest, TooSlowIsWhoTakesTooLittleOfWhatWasSent) {
    options_.min_rate = 1'000;
    options_.stall_timeout = Millis(1'000);
    OwnInquiry inquiry;
    inquiry.ask("GET", "/file");
    Answer& answer = exchange_.begin(inquiry, {}, 200, http::Body::of(std::string(100'000, 'x')));
    EXPECT_FALSE(exchange_.is_too_slow(1'000, 0)) << "the window begins";
    answer.body.assume_sent(50'000, SendPath::memory);
    EXPECT_FALSE(exchange_.is_too_slow(1'999, 49'999)) << "it is not over";
    EXPECT_TRUE(exchange_.is_too_slow(2'000, 49'500)) << "500 of them were taken";
    EXPECT_FALSE(exchange_.is_too_slow(2'000, 50'000)) << "none: that is a pause";
    answer.body.assume_sent(50'000, SendPath::memory);
    EXPECT_FALSE(exchange_.is_too_slow(3'000, 99'000));
}

INSTANTIATE_TEST_SUITE_P(Modes, ExchangeTest,
                         testing::Values(IoMode::automatic, IoMode::threads, IoMode::inline_),
                         [](const auto& mode) {
                             switch (mode.param) {
                             case IoMode::automatic: return "Auto";
                             case IoMode::threads: return "Threads";
                             default: return "Inline";
                             }
                         });

} // namespace
} // namespace fsrv::exchange
