// What a session needs, without a worker or a listener: a socketpair, a real folder and a clock
// that the test turns. Nothing waits.
#pragma once

#include "tests/support/files.h"
#include "tests/worker/content/support.h"
#include "worker/session/connection.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <gtest/gtest.h>
#include <memory>
#include <poll.h>
#include <string>
#include <string_view>
#include <sys/socket.h>

namespace fsrv::session {

inline constexpr std::size_t kLarge =
    4 * 1024 * 1024; // bytes of "large", which has test::pattern()

// Of one connection that speaks Session.
template <class Session>
class SessionTest : public testing::Test {
  protected:
    SessionTest() {
        ::signal(SIGPIPE, SIG_IGN); // as a worker has it
        tree_.file("file", "content");
        test::set_mtime(tree_.at("file"));
        test::write_pattern(tree_.at("large"), kLarge);
        test::set_mtime(tree_.at("large"));
        options_.io = IoMode::inline_; // no answer waits for another thread
        iteration_.begin(1'000);
    }
    ~SessionTest() override {
        for (unsigned s = 0; s < kStates; ++s)
            connections_.for_each(static_cast<State>(s),
                                  [](Member& member) { member.close(CloseReason::done); });
        connections_.destroy_buried();
    }

    Session& come(std::string_view first = {}, bool overloaded = false) {
        int ends[2] = {-1, -1};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
        client_.reset(ends[1]);
        says(first);
        auto* connection = new Session(sessions_, wire::Transport(ends[0]), {}, 1);
        connections_.add(*connection,
                         overloaded ? Connections::Admission::overloaded
                                    : Connections::Admission::yes,
                         iteration_.now_ms());
        connection->start(overloaded);
        go_on();
        return *connection;
    }
    void says(std::string_view bytes) {
        ASSERT_EQ(::send(client_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(bytes.size()));
    }
    // What has come to the client; "END" behind it if that is all there will be, "RESET" likewise.
    std::string hears() {
        std::string heard;
        char buffer[65536];
        ssize_t n = 0;
        while ((n = ::recv(client_.get(), buffer, sizeof buffer, 0)) > 0)
            heard.append(buffer, static_cast<std::size_t>(n));
        if (n == 0) heard += "END";
        if (n < 0 && errno == ECONNRESET) heard += "RESET";
        return heard;
    }
    // All that the loop would do without waiting.
    void go_on() {
        for (unsigned i = 0; i < 100; ++i) {
            turns_.give();
            poller_.wait(0);
            poller_.dispatch();
        }
    }
    void pass(std::uint64_t ms) {
        iteration_.begin(iteration_.now_ms() + ms);
        followers_.look();
        connections_.sweep(deadlines_, iteration_.now_ms());
        go_on();
    }
    // And what the pool does meanwhile.
    void go_on_with_pool() {
        for (go_on(); !pool_.is_idle(); go_on()) {
            pollfd wake{.fd = pool_.wake_fd(), .events = POLLIN, .revents = 0};
            EXPECT_EQ(::poll(&wake, 1, 60'000), 1);
            pool_.dispatch();
        }
    }
    void pass_with_pool(std::uint64_t ms) {
        pass(ms);
        go_on_with_pool();
    }
    content::Tree tree_;
    Options options_;
    exchange::Iteration iteration_;
    exchange::Ending ending_;
    static content::StoreConfig compressing(content::StoreConfig config) {
        config.compress = true;
        return config;
    }

    content::LocalStore store_{compressing(tree_.config()), content::MimeTypes()};
    exchange::Codings codings_{{.kept_bytes = 1 << 20, .threads = 4}};
    content::Mounts mounts_{tree_.root(), store_.root_device()};
    disk::Pool pool_{{.threads = 1}};
    disk::FileCloser closer_{pool_};
    disk::ChunkPool chunks_;
    disk::PageCache page_cache_;
    wire::PageLender lender_;
    exchange::FileCache cache_{store_, {.files = 10, .bytes = 1 << 20}};
    exchange::NameCheck names_{options_.server_names, iteration_};
    http::PlanConfig plan_config_;
    std::unique_ptr<ScoreSlot> score_ = std::make_unique<ScoreSlot>();
    loop::Poller poller_;
    Connections connections_{10};
    Turns turns_;
    SpareInquiries inquiries_{8 * 1024, closer_};
    SwiftPlaces swift_places_;
    exchange::Followers followers_{2, iteration_};
    std::string http2_out_;
    http::SplitHeads split_heads_;
    std::array<char, 64 * 1024> scratch_;
    exchange::ExchangeServices exchanges_{.options = options_,
                                          .iteration = iteration_,
                                          .ending = ending_,
                                          .names = names_,
                                          .cache = cache_,
                                          .lookups = {.store = store_,
                                                      .mounts = mounts_,
                                                      .pool = pool_,
                                                      .cache = cache_,
                                                      .plan_config = plan_config_,
                                                      .io = IoMode::inline_,
                                                      .server_header = true,
                                                      .codings = &codings_},
                                          .bodies = {.iteration = iteration_,
                                                     .chunks = chunks_,
                                                     .page_cache = page_cache_,
                                                     .pool = pool_,
                                                     .score = *score_,
                                                     .io = IoMode::inline_},
                                          .score = *score_,
                                          .log_lines = log::LogLines(LogFormat::extended),
                                          .followers = &followers_};
    SessionServices sessions_{.options = options_,
                              .exchanges = exchanges_,
                              .poller = poller_,
                              .connections = connections_,
                              .turns = turns_,
                              .inquiries = inquiries_,
                              .lender = lender_,
                              .swift_places = swift_places_,
                              .http2_out = http2_out_,
                              .split_heads = split_heads_,
                              .scratch = scratch_};
    Deadlines deadlines_ = [] {
        Deadlines d;
        d.ms.fill(Deadlines::kNever);
        d[State::accepted] = 100;
        d[State::reading_head] = 100;
        d[State::idle] = 500;
        d[State::sending] = 1'000;
        d[State::paused] = 10'000;
        d[State::lingering] = 300;
        return d;
    }();
    UniqueFd client_;
};

} // namespace fsrv::session
