// Renewed certificates: taken by a generation of their own, or not at all.

#include "tests/supervisor/supervisor_world.h"

namespace fsrv {
namespace {

class Renewed : public SupervisorTest {
  protected:
    Renewed() {
        certificate_ = "one";
        tickets_.open(ops_.now);
        look_at_tls_ = [this](const Options&, const std::string& known) {
            known_.push_back(known);
            return Pending<TlsLook>(look(known));
        };
        make();
    }
    Result<TlsLook, std::string> look(const std::string& known) {
        if (!trouble_.empty()) return unexpected(trouble_);
        TlsLook found{.stamp = stamp_.empty() ? certificate_ : stamp_};
        if (found.stamp == known) return found;
        if (problem_.empty())
            found.tls = tls_on_disk();
        else
            found.problem = problem_;
        if (found.tls) found.tls->stamp = found.stamp;
        return found;
    }
    void start() {
        SupervisorTest::start();
        old_ = pids_of(supervisor_->current());
        turn_after(limits::kTlsLookMs);
    }
    void next_look() { turn_after(limits::kTlsLookMs + 1); }
    void next_becomes_ready() {
        for (const pid_t pid : pids_of(*supervisor_->next())) ops_.say(pid, ControlKind::ready);
        turn();
    }
    const LoadedTls& served() { return *supervisor_->current().config.tls; }
    std::uint64_t failures() {
        return supervisor_->scoreboard().read()->totals.value(Metric::tls_reload_failures);
    }
    bool is_old_generation() {
        return supervisor_->next() == nullptr && pids_of(supervisor_->current()) == old_;
    }

    std::string stamp_;   // of what is on disk; empty: the certificate itself
    std::string problem_; // with what is on disk
    std::string trouble_; // of who looks
    std::vector<std::string> known_;
    std::vector<pid_t> old_;
};

TEST_F(Renewed, NothingNewIsNothingDone) {
    start();
    for (int i = 0; i < 10; ++i) next_look();
    EXPECT_GE(known_.size(), 10U);
    EXPECT_EQ(std::count(known_.begin(), known_.end(), "one"), static_cast<long>(known_.size()));
    EXPECT_TRUE(is_old_generation());
    EXPECT_EQ(failures(), 0U);
    const auto reading = supervisor_->scoreboard().read();
    EXPECT_EQ(reading->certificates, (std::vector<CertificateRow>{{"cert.pem", not_after_}}));
}

TEST_F(Renewed, AGoodOneBeginsAGenerationThatHasAllElseAsItWas) {
    start();
    certificate_ = "two";
    fresh_options_ = options_;
    fresh_options_->listing = false; // which nobody has asked for
    not_after_ += 1000;
    next_look();
    ASSERT_NE(supervisor_->next(), nullptr);
    EXPECT_EQ(pids_of(supervisor_->current()), old_);
    for (const pid_t pid : old_) EXPECT_EQ(ops_.heard(pid), Words{});
    next_becomes_ready();
    for (const pid_t pid : old_) EXPECT_EQ(ops_.heard(pid), Words{"retire 30000"});
    EXPECT_EQ(served().material.pairs[0].chain, "two");
    EXPECT_EQ(supervisor_->current().config.options, options_);
    EXPECT_EQ(loads_, 0U);
    EXPECT_EQ(verdicts_, Words{"renewed: generation 2 serves with 3 workers"});
    EXPECT_EQ(supervisor_->scoreboard().read()->certificates[0].not_after, not_after_);
    next_look();
    EXPECT_EQ(known_.back(), "two");
    EXPECT_EQ(supervisor_->next(), nullptr);
    EXPECT_EQ(failures(), 0U);
}

TEST_F(Renewed, ABadOneIsLookedAtTwiceThenToldAndCountedOnce) {
    start();
    problem_ = "cannot use the certificate";
    stamp_ = "bad";
    log_set_level(LogLevel::error);
    testing::internal::CaptureStderr();
    next_look();
    EXPECT_EQ(failures(), 0U) << "the key may be written next";
    turn_after(limits::kTlsSecondLookMs);
    EXPECT_EQ(failures(), 1U);
    for (int i = 0; i < 10; ++i) next_look();
    const std::string log = testing::internal::GetCapturedStderr();
    EXPECT_EQ(failures(), 1U);
    EXPECT_EQ(known_.back(), "bad") << "not read again";
    EXPECT_TRUE(is_old_generation());
    EXPECT_EQ(served().stamp, "one");
    const std::size_t told =
        log.find("not taken, those of before stay: cannot use the certificate");
    EXPECT_NE(told, std::string::npos) << log;
    EXPECT_EQ(log.find("not taken", told + 10), std::string::npos) << log;
    stamp_ = "bad in another way";
    next_look();
    next_look();
    EXPECT_EQ(failures(), 2U);
    problem_.clear();
    stamp_.clear();
    certificate_ = "two";
    next_look();
    next_becomes_ready();
    EXPECT_EQ(served().stamp, "two") << "mended";
}

TEST_F(Renewed, OneThatWasWrittenHalfIsNeverTold) {
    start();
    problem_ = "none of the keys is its own";
    stamp_ = "certificate, and not yet its key";
    next_look();
    problem_.clear();
    stamp_.clear();
    certificate_ = "two";
    turn_after(limits::kTlsSecondLookMs);
    ASSERT_NE(supervisor_->next(), nullptr);
    EXPECT_EQ(failures(), 0U);
}

TEST_F(Renewed, TheSameContentUnderAnotherDateIsNoGeneration) {
    start();
    stamp_ = "touched";
    next_look();
    EXPECT_TRUE(is_old_generation());
    next_look();
    EXPECT_EQ(known_.back(), "touched");
    EXPECT_TRUE(is_old_generation());
}

TEST_F(Renewed, ALookThatFailsSaysNothingOfTheFiles) {
    start();
    trouble_ = "it hangs";
    for (int i = 0; i < 5; ++i) next_look();
    EXPECT_EQ(failures(), 0U);
    EXPECT_TRUE(is_old_generation());
    trouble_.clear();
    certificate_ = "two";
    next_look();
    EXPECT_NE(supervisor_->next(), nullptr);
}

TEST_F(Renewed, WorkersThatDoNotGetReadyWithItAreCountedAndNotTriedAgain) {
    start();
    certificate_ = "two";
    next_look();
    ASSERT_NE(supervisor_->next(), nullptr);
    ops_.end(pids_of(*supervisor_->next())[0], exited(kExitUsage));
    turn();
    EXPECT_EQ(verdicts_.size(), 1U);
    EXPECT_TRUE(verdicts_[0].starts_with("not renewed: with the new certificates, its workers"));
    EXPECT_EQ(failures(), 1U);
    for (int i = 0; i < 5; ++i) next_look();
    EXPECT_TRUE(is_old_generation());
    EXPECT_EQ(failures(), 1U);
}

TEST_F(Renewed, AReloadThatIsAskedForMeanwhileComesAfterwards) {
    start();
    certificate_ = "two";
    next_look();
    ops_.signals.push_back(SIGHUP);
    turn();
    EXPECT_EQ(loads_, 0U);
    next_becomes_ready();
    EXPECT_EQ(loads_, 1U);
    next_becomes_ready();
    EXPECT_EQ(supervisor_->current().number, 3U);
    EXPECT_EQ(verdicts_, (Words{"renewed: generation 2 serves with 3 workers",
                                "reloaded: generation 3 serves with 3 workers"}));
}

TEST_F(Renewed, AReloadTakesThemToo) {
    start();
    certificate_ = "two";
    ops_.signals.push_back(SIGHUP);
    turn();
    next_becomes_ready();
    EXPECT_EQ(served().stamp, "two");
    next_look();
    EXPECT_EQ(supervisor_->next(), nullptr);
}

TEST_F(Renewed, NobodyLooksWhileTheServerStops) {
    start();
    ops_.signals.push_back(SIGTERM);
    turn();
    const std::size_t looks = known_.size();
    turn_after(20'000);
    EXPECT_EQ(known_.size(), looks);
}

TEST_F(Renewed, TicketKeysAreNewEveryHour) {
    start();
    const std::uint64_t version = tickets_.ring()->version();
    turn_after(limits::kTicketRotationMs - 2 * limits::kTlsLookMs);
    EXPECT_EQ(tickets_.ring()->version(), version);
    turn_after(3 * limits::kTlsLookMs);
    EXPECT_NE(tickets_.ring()->version(), version);
    EXPECT_EQ(tickets_.keys().count, 2U);
}

TEST_F(Renewed, WithoutTlsNobodyLooks) {
    certificate_.clear();
    known_.clear();
    make();
    SupervisorTest::start();
    turn_after(60'000);
    EXPECT_TRUE(known_.empty());
    EXPECT_TRUE(supervisor_->scoreboard().read()->certificates.empty());
}

} // namespace
} // namespace fsrv
