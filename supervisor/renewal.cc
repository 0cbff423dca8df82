#include "supervisor/renewal.h"

#include "common/clock.h"
#include "common/log.h"

#include <algorithm>
#include <fmt/format.h>

namespace fsrv {

void Renewal::turn(bool is_upgrading, std::uint64_t now) {
    publish_certificates();
    if (phase_.stop != Stop::no) {
        stuck_.give_up(errand());
        looking_.reset();
        return;
    }
    see_what_was_found(is_upgrading, now);
    see_how_it_went();
    if (!speaks_tls() || now < due_) return;
    due_ = now + limits::kTlsLookMs;
    if (!phase_.started || is_upgrading) return; // the next server has copies of the keys
    if (tickets_ != nullptr) tickets_->rotate_if_due(now);
    warn_of_age();
    if (!taken().empty() && !looking_ && !reload_.is_under_way()) begin_to_look(now);
}

void Renewal::publish_certificates() {
    std::vector<CertificateRow> rows;
    if (speaks_tls())
        for (const TlsPair& pair : crew_.current().config.tls->material.pairs)
            rows.push_back({.name = pair.name, .not_after = pair.not_after});
    if (rows == published_) return;
    published_ = std::move(rows);
    scoreboard_.publish(published_);
}

// A start, a reload and a renewal have told how old it was then.
void Renewal::warn_of_age() {
    const std::int64_t now = wall_now().seconds;
    for (const TlsPair& pair : crew_.current().config.tls->material.pairs) {
        const std::int64_t left = pair.not_after - now;
        const Age age = left < 0                         ? Age::expired
                        : left < limits::kTlsExpirySoonS ? Age::old
                                                         : Age::fresh;
        const auto [known, is_new] = ages_.try_emplace(pair.fingerprint, age);
        if (is_new || known->second >= age) continue;
        known->second = age;
        if (age == Age::expired)
            log_error("the certificate \"{}\" has expired, on {}: clients refuse it", pair.name,
                      date_text(pair.not_after));
        else
            log_warn("the certificate \"{}\" expires soon, on {}: renew it", pair.name,
                     date_text(pair.not_after));
    }
}

void Renewal::begin_to_look(std::uint64_t now) {
    if (stuck_.too_many())
        return tell_once(fmt::format("{} processes that looked before still hang", stuck_.size()));
    looking_ = look_for_(crew_.current().config.options, refused_.empty() ? taken() : refused_);
    see_what_was_found(false, now);
}

void Renewal::see_what_was_found(bool is_upgrading, std::uint64_t now) {
    if (!looking_) return;
    auto found = looking_->look(now);
    if (!found) return;
    stuck_.give_up(errand());
    looking_.reset();
    if (!*found) return tell_once(found->error());
    told_.clear();
    if (!speaks_tls()) return; // a reload came first
    if (!(*found)->problem.empty()) return on_bad(**found, now);
    if ((*found)->tls) return on_good(std::move(**found), is_upgrading, now);
    doubtful_.clear(); // as they were
}

void Renewal::on_bad(const TlsLook& found, std::uint64_t now) {
    if (found.stamp != doubtful_) {
        doubtful_ = found.stamp;
        due_ = now + limits::kTlsSecondLookMs;
        return;
    }
    refuse(found.stamp, found.problem);
}

void Renewal::on_good(TlsLook found, bool is_upgrading, std::uint64_t now) {
    Configuration& current = crew_.current().config;
    doubtful_.clear();
    if (found.tls->material == current.tls->material) {
        current.tls->stamp = found.stamp;
        if (!refused_.empty()) log_info("the certificates on disk are those in use again");
        refused_.clear();
        return;
    }
    std::vector<std::string> news;
    for (const TlsPair& pair : found.tls->material.pairs)
        if (std::ranges::count(current.tls->material.pairs, pair) == 0)
            news.push_back(fmt::format("certificate \"{}\" from now on: SHA-256 {}, until {}",
                                       pair.name, pair.fingerprint, date_text(pair.not_after)));
    const std::vector<std::string> warnings = found.tls->warnings;
    auto config = renewed(current, std::move(*found.tls));
    if (!config) return tell_once(errno_text(config.error().code));
    if (const std::string why = reload_.renew(std::move(*config), is_upgrading, now); !why.empty())
        return tell_once(why);
    refused_.clear();
    begun_ = found.stamp;
    for (const std::string& line : news) log_info("{}", line);
    for (const std::string& warning : warnings) log_warn("{}", warning);
}

void Renewal::see_how_it_went() {
    if (begun_.empty() || reload_.is_under_way()) return;
    const std::string stamp = std::exchange(begun_, {});
    if (!speaks_tls() || taken() == stamp) return;
    refused_ = stamp; // the reason is in the log
    scoreboard_.count(Metric::tls_reload_failures, Single::all);
}

void Renewal::refuse(const std::string& stamp, std::string_view why) {
    doubtful_.clear();
    refused_ = stamp;
    scoreboard_.count(Metric::tls_reload_failures, Single::all);
    log_error("renewed certificates are not taken, those of before stay: {}", why);
}

void Renewal::tell_once(const std::string& trouble) {
    if (trouble == told_) return;
    told_ = trouble;
    log_warn("nobody sees whether certificates are renewed: {}", trouble);
}

bool Renewal::on_ended(pid_t pid) {
    if (errand() == nullptr || errand()->pid() != pid) return false;
    errand()->on_reaped();
    return true;
}

std::uint64_t Renewal::next_deadline() const {
    if (phase_.stop != Stop::no) return kNever;
    const std::uint64_t look = speaks_tls() ? due_ : kNever;
    return errand() != nullptr ? std::min(look, errand()->due()) : look;
}

void Renewal::append_fds(std::vector<pollfd>& fds) const {
    if (errand() != nullptr) fds.push_back({.fd = errand()->fd(), .events = POLLIN, .revents = 0});
}

void Renewal::close_in_child() {
    if (errand() != nullptr) errand()->forget();
}

} // namespace fsrv
