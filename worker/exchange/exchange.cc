#include "worker/exchange/exchange.h"

#include "common/crypto/signed_link.h"
#include "common/limits.h"
#include "worker/http/accept_encoding.h"
#include "worker/http/forwarded.h"
#include "worker/http/secret_query.h"

#include <algorithm>
#include <utility>

namespace fsrv::exchange {

Asked to_label(http::Method method) {
    switch (method) {
    case http::Method::get: return Asked::get;
    case http::Method::head: return Asked::head;
    case http::Method::options: return Asked::options;
    case http::Method::other: return Asked::other;
    }
    return Asked::none;
}

namespace {

// Others with the new rules serve already, and get who comes again.
http::Plan plan_outdated(const http::Request& request) {
    http::Plan plan =
        http::plan_status(request, 503, "who may have what has just changed, ask again");
    plan.close = true;
    return plan;
}

log::LogFields fields_of(const Inquiry& inquiry) {
    log::LogFields fields = log::LogFields::of(inquiry.request);
    if (inquiry.admission) fields.user = inquiry.admission->who().user;
    return fields;
}

} // namespace

Client client_of(const log::Peer& peer, const ExchangeServices& services) {
    const bool is_trusted = any_holds(services.options.trusted_proxies, peer.address);
    return {.peer = peer,
            .is_trusted = is_trusted,
            // Who connects to a loopback address comes from one.
            .is_checked = !is_trusted && is_loopback(peer.address) && !services.names.any()};
}

Client client_of_proxy(const http::ProxyHeader& header, const Client& proxy,
                       const Options& options) {
    return {.peer = {.address = header.source, .port = header.port},
            .is_trusted = any_holds(options.trusted_proxies, header.source),
            .redirects_to = proxy.redirects_to};
}

void Inquiry::on_planned() {
    services_->score.observe(Metric::pool_wait, lookup.waited_us());
    asker_->home_.on_planned(asker_->take_plan(*this));
}

void Inquiry::on_unavailable(std::string_view why) {
    http::Plan plan = Exchange::plan_unavailable(*this, why);
    if (begins_)
        lookup.plan = std::move(plan);
    else
        asker_->home_.on_unavailable(std::move(plan));
}

void Inquiry::on_orphaned() {
    if (auto found = lookup.take_found())
        services_->cache.insert(std::move(found), services_->iteration.now_ms());
    come_back();
}

Exchange::Outcome Exchange::ask(Inquiry& inquiry, const Client& client) {
    const http::Request& request = inquiry.request;
    if (http::has_secret(request.target))
        services_.score.set_last_request(http::without_secrets(request.target));
    else
        services_.score.set_last_request(request.target);
    inquiry.admission.reset(); // of the request before, on the same connection
    inquiry.by_proxy_ = client.is_trusted;
    if (services_.has_old_rules() && !http::asks_for_health(request.origin))
        return {.plan = plan_outdated(request)};
    if (services_.client_limits && !services_.gate)
        if (auto refused = admit(request, client_of(request, client).address))
            return {.plan = std::move(refused)};
    if (client.redirects_to != 0 && !http::stays_clear(request.origin))
        return {.plan = http::plan_redirect(request, client.redirects_to)};
    if (client.is_checked && !services_.names.passes(request.host)) {
        return {.plan = http::plan_status(request, 421,
                                          "on a loopback address this server does not answer to "
                                          "that name: see --server-name")};
    }
    if (request.method == http::Method::options) return {.plan = http::plan_options()};
    if (request.method == http::Method::other) {
        return {.plan =
                    http::plan_status(request, 405, "this server offers GET, HEAD and OPTIONS")};
    }
    if (services_.gate) return ask_by_rules(inquiry, client);
    const bool api = services_.options.api;
    const auto plain_key = http::plain_cache_key(request.origin, api);
    Kept kept = plain_key ? kept_for(request, *plain_key) : Kept();
    if (kept.file) return {.ready = kept.file, .coded = kept.coded};
    auto target = http::parse_target(request.origin, api);
    if (!target)
        return {.plan = http::plan_status(request, target.error().status, target.error().what)};
    if (target->kind == http::Target::Kind::health)
        return {.plan = http::plan_health(request, services_.ending.is_near())};
    if (!plain_key) kept = kept_for(request, http::cache_key(*target));
    if (kept.file) return {.ready = kept.file, .coded = kept.coded};
    return find(inquiry, *std::move(target));
}

// The rule of a path is found before any cache is asked. What is kept of a path whose rule is open
// is everybody's, whatever they prove; of another, of those that the rule lets in.
Exchange::Outcome Exchange::ask_by_rules(Inquiry& inquiry, const Client& client) {
    const http::Request& request = inquiry.request;
    auto target = http::parse_target(request.origin, services_.options.api);
    if (!target)
        return {.plan = http::plan_status(request, target.error().status, target.error().what)};
    if (target->kind == http::Target::Kind::health)
        return {.plan = http::plan_health(request, services_.ending.is_near())};
    const auto path = services_.lookups.store.path_of(*target);
    const Asking who = asking(request, client);
    const access::Rule* const rule = path ? &services_.gate->site().rule_of(*path) : nullptr;
    if (rule && rule->open && !crypto::is_signed(target->query)) {
        const Kept kept = kept_for(request, http::cache_key(*target));
        if (kept.file) {
            if (auto refused = admit(request, who.address)) return {.plan = std::move(refused)};
            set_rate(*rule);
            return {.ready = kept.file, .coded = kept.coded};
        }
    }
    inquiry.services_ = &services_;
    inquiry.asker_ = this;
    inquiry.admission = std::make_unique<Admission>(*services_.gate, inquiry);
    // What leads elsewhere is not found, whoever asks.
    switch (inquiry.admission->begin(request, *target, path ? *path : "", who)) {
    case Admission::State::refused:
        return {.plan = std::exchange(inquiry.admission->plan, std::nullopt)};
    case Admission::State::waiting: inquiry.target_ = *std::move(target); return {};
    case Admission::State::known: break;
    }
    return admitted(inquiry, *std::move(target));
}

Exchange::Outcome Exchange::admitted(Inquiry& inquiry, http::Target target) {
    const Admission& admission = *inquiry.admission;
    const access::Who& who = admission.who();
    if (auto refused = admit(inquiry.request, who.address, who.user))
        return {.plan = std::move(refused)};
    set_rate(admission.rule());
    if (auto refused = admission.plan_refusal()) return {.plan = std::move(refused)};
    if (!admission.rule().open && !admission.is_special()) {
        const Kept kept = kept_for(inquiry.request, http::cache_key(target));
        if (kept.file) return {.ready = kept.file, .coded = kept.coded};
    }
    return find(inquiry, std::move(target));
}

void Inquiry::on_admitted() {
    Exchange::Outcome outcome = asker_->admitted(*this, *std::exchange(target_, std::nullopt));
    if (outcome.ready) outcome.plan = asker_->plan_for(*this, *outcome.ready);
    if (outcome.plan) asker_->home_.on_planned(*std::move(outcome.plan));
}

Asking Exchange::asking(const http::Request& request, const Client& client) const {
    return {.address = client_of(request, client).address,
            .by_proxy = client.is_trusted,
            .certificate = client.certificate.get()};
}

// Who watches the server is not to be kept out by those who use it.
std::optional<http::Plan> Exchange::admit(const http::Request& request, const in6_addr& address,
                                          std::string_view user) {
    limited_.reset();
    if (!services_.client_limits || http::asks_for_health(request.origin)) return std::nullopt;
    ClientLimits& client_limits = *services_.client_limits;
    limited_ = std::make_unique<Limited>(*this, user.empty() ? client_limits.payer_of(address)
                                                             : client_limits.payer_of_user(user));
    return client_limits.admit(request, limited_->payer, limited_->place);
}

void Exchange::set_rate(const access::Rule& rule) {
    if (limited_ && rule.settings.rate > 0)
        limited_->payer.rule = {.rule = rule.id, .bytes_per_second = rule.settings.rate};
}

bool Exchange::may_go_at_once(std::uint64_t body_bytes) {
    if (!limited_) return true;
    Throttle* const throttle = services_.client_limits->throttle();
    return !throttle || throttle->pay_at_once(limited_->payer, body_bytes);
}

Exchange::Outcome Exchange::find(Inquiry& inquiry, http::Target target) {
    inquiry.services_ = &services_;
    inquiry.asker_ = this;
    inquiry.begins_ = true;
    const std::string_view scheme =
        target.digests == http::DigestForm::metalink ? scheme_of(inquiry) : "http";
    const bool planned =
        inquiry.lookup.begin(services_.lookups, std::move(target), inquiry.admission.get(), scheme);
    inquiry.begins_ = false;
    if (planned) return {.plan = take_plan(inquiry)};
    if (inquiry.lookup.is_under_way()) return {};
    return {.plan = std::exchange(inquiry.lookup.plan, std::nullopt)};
}

// Of the address that the client has asked for, as far as it is known.
std::string_view Exchange::scheme_of(const Inquiry& inquiry) const {
    const bool is_secure =
        home_.tls_note() ||
        (inquiry.by_proxy_ && inquiry.request.field("x-forwarded-proto") == "https");
    return is_secure ? "https" : "http";
}

// Whoever is refused now finds room the next time.
http::Plan Exchange::take_plan(Inquiry& inquiry) {
    Lookup& lookup = inquiry.lookup;
    if (auto found = lookup.take_found())
        services_.cache.insert(std::move(found), services_.iteration.now_ms());
    if (SharedFile file = lookup.take_undigested())
        services_.lookups.digests->begin(std::move(file));
    if (lookup.listings_full()) {
        home_.on_listings_full();
    } else if (lookup.plan->status == 503) {
        services_.cache.shrink(); // its descriptors may be what is missing
    }
    http::Plan plan = *std::exchange(lookup.plan, std::nullopt);
    if (!plan.body.growing() || may_follow()) return plan;
    if (services_.bodies.closer) services_.bodies.closer->let_go(std::move(plan.body));
    return plan_unavailable(inquiry, "too many files are being followed, try again later");
}

Exchange::Kept Exchange::kept_for(const http::Request& request, std::string_view key) {
    CachedFile* const file = cached(key);
    if (!file) return {};
    return file->codable ? coded_for(request, *file) : Kept{.file = file};
}

Exchange::Kept Exchange::coded_for(const http::Request& request, CachedFile& file) const {
    const http::Coding coding = http::wanted_coding(request);
    if (coding == http::Coding::identity || file.is_useless(coding)) return {.file = &file};
    CachedCoding* const coded = file.coded_as(coding);
    if (!coded) return {}; // it has to be made
    coded->set_date(services_.iteration);
    return {.file = &file, .coded = coded};
}

CachedFile* Exchange::cached(std::string_view key) {
    if (!services_.cache.on()) return nullptr;
    CachedFile* const file = services_.cache.find(key, services_.iteration.now_ms());
    services_.score.count(file ? Metric::cache_hits : Metric::cache_misses);
    if (file) file->set_date(services_.iteration);
    return file;
}

http::Plan Exchange::plan_for(const Inquiry& inquiry, const CachedFile& file) const {
    http::FindResult found(file.resource);
    Digests* const digests = services_.lookups.digests;
    if (digests && Digests::is_wanted(*found, inquiry.request))
        if (SharedFile unknown = digests->add(*found, file.file))
            digests->begin(std::move(unknown));
    return http::plan_resource(inquiry.request, std::move(found), services_.lookups.plan_config,
                               wall_now());
}

http::Plan Exchange::plan_unavailable(const Inquiry& inquiry, std::string_view what) {
    return http::plan_status(inquiry.request, 503, what);
}

Answer& Exchange::begin(const Inquiry& inquiry, const Client& client, int status, http::Body body,
                        bool is_paid) {
    const http::Request& request = inquiry.request;
    if (inquiry.admission) inquiry.admission->give_up();
    make_answer(status, std::move(body), log::LogRecord(fields_of(inquiry)));
    answer_->asked = to_label(request.method);
    answer_->client = client_of(request, client);
    if (limited_ && !is_paid) take_ration();
    return *answer_;
}

Answer& Exchange::begin_refusal(std::string_view received, const Client& client, int status,
                                http::Body body) {
    make_answer(status, std::move(body), log::LogRecord(log::LogFields::of_refused(received)));
    answer_->client = client.peer;
    answer_->end_reason = CloseReason::bad_request;
    return *answer_;
}

Answer& Exchange::begin_again(CloseReason failure, int status, http::Body body) {
    const std::unique_ptr<Answer> failed = std::move(answer_);
    make_answer(status, std::move(body), std::move(failed->record));
    answer_->asked = failed->asked;
    answer_->client = failed->client;
    answer_->end_reason = failure;
    return *answer_;
}

// Errors, redirects and what has no body are free.
void Exchange::take_ration() {
    const BodyReader& body = answer_->body;
    Throttle* const throttle = services_.client_limits->throttle();
    if (!throttle || class_of_status(answer_->status) != StatusClass::success || body.at_end())
        return;
    const auto bytes = body.has_known_size() ? std::optional(body.size()) : std::nullopt;
    answer_->ration = throttle->ration(limited_->payer, bytes, *limited_);
}

void Exchange::make_answer(int status, http::Body body, log::LogRecord record) {
    http::Growing* const growing = body.growing();
    answer_ = std::make_unique<Answer>(services_.bodies, *this, std::move(body));
    answer_->id = services_.next_answer_id++;
    answer_->record = std::move(record);
    answer_->status = status;
    answer_->started = wall_now();
    answer_->started_ms = services_.iteration.now_ms();
    if (growing)
        answer_->follower = std::make_unique<Follower>(*services_.followers, *growing, *this);
}

std::optional<http::Refusal> Exchange::honest_answer(CloseReason failure) {
    switch (failure) {
    case CloseReason::file_changed:
        return http::Refusal{.status = 503, .what = "the file is being changed"};
    case CloseReason::read_error:
        return http::Refusal{.status = 500, .what = "the file cannot be read"};
    case CloseReason::disk_silent: return http::Refusal{.status = 503, .what = kDiskIsIll};
    default: return std::nullopt;
    }
}

void Exchange::answered_at_once(const Inquiry& inquiry, const Client& client, int status,
                                SendPath path, std::uint64_t body_bytes) {
    const http::Request& request = inquiry.request;
    const std::uint64_t now_ms = services_.iteration.now_ms();
    limited_.reset();
    services_.score.count(Metric::sent_bytes, path, body_bytes);
    count(to_label(request.method), status, now_ms);
    if (!services_.log) return;
    services_.log->push(
        services_.log_lines.line(fields_of(inquiry), {.peer = client_of(request, client),
                                                      .status = status,
                                                      .started = wall_now(),
                                                      .started_ms = now_ms,
                                                      .body_bytes = body_bytes,
                                                      .now_ms = now_ms,
                                                      .end = "complete",
                                                      .tls = home_.tls_note()}));
}

std::unique_ptr<Answer> Exchange::end(std::string_view how) {
    count(answer_->asked, answer_->status, answer_->started_ms);
    answer_->ration.reset();
    answer_->follower.reset();
    limited_.reset();
    if (services_.log) {
        services_.log->push(services_.log_lines.line(answer_->record.fields(),
                                                     {.peer = answer_->client,
                                                      .status = answer_->status,
                                                      .started = answer_->started,
                                                      .started_ms = answer_->started_ms,
                                                      .body_bytes = answer_->body.sent(),
                                                      .now_ms = services_.iteration.now_ms(),
                                                      .end = how,
                                                      .tls = home_.tls_note()}));
    }
    return std::move(answer_);
}

void Exchange::forget() {
    answer_.reset();
    limited_.reset();
}

void Exchange::count(Asked asked, int status, std::uint64_t started_ms) const {
    const std::uint64_t now_ms = services_.iteration.now_ms();
    services_.score.count(Metric::requests, asked, class_of_status(status));
    // The iteration's time may be behind by its length.
    services_.score.observe(Metric::request_duration,
                            now_ms > started_ms ? now_ms - started_ms : 0);
}

// What counts is what the client has taken: the socket takes more in large steps, with pauses
// between them that are none.
bool Exchange::is_too_slow(std::uint64_t now_ms, std::uint64_t untaken) {
    Answer& answer = *answer_;
    const auto window_ms = static_cast<std::uint64_t>(services_.options.stall_timeout.count());
    const bool waits_for_us = answer.body.read_under_way() || answer.body.awaits_growth() ||
                              (answer.ration && answer.ration->is_waiting());
    const bool begins = answer.window_start_ms == 0 || waits_for_us;
    const std::uint64_t elapsed_ms = now_ms - answer.window_start_ms;
    if (!begins && elapsed_ms < window_ms) return false;
    const std::uint64_t sent = answer.sent();
    const std::uint64_t taken = sent - std::min(sent, untaken);
    const std::uint64_t moved = taken - std::min(taken, answer.window_bytes);
    if (!begins && moved > 0 && moved * 1000 / elapsed_ms < services_.options.min_rate) return true;
    answer.window_start_ms = now_ms;
    answer.window_bytes = taken;
    return false;
}

log::Peer Exchange::client_of(const http::Request& request, const Client& client) const {
    if (!client.is_trusted) return client.peer;
    const in6_addr address =
        http::client_address(request, client.peer.address, services_.options.trusted_proxies);
    return same_address(address, client.peer.address) ? client.peer : log::Peer{.address = address};
}

void Exchange::on_chunk_read() {
    answer_->body.settle_read();
    if (answer_->body.awaits_growth()) {
        answer_->follower->wait();
        if (answer_->ration) answer_->ration->rest();
    }
    home_.on_body();
}

void Exchange::on_growth() {
    answer_->window_start_ms = 0; // as on_ration()
    answer_->body.on_growth();
    home_.on_body();
}

// The time that it has waited is not the client's: --min-rate begins anew.
void Exchange::Limited::on_ration() {
    exchange.answer_->window_start_ms = 0;
    exchange.home_.on_ration();
}

// An answer that has begun is not lost before its client loses patience.
void Exchange::on_disk_ill() {
    if (answer_->sent() == 0) {
        answer_->body.give_up_read(CloseReason::disk_silent);
        home_.on_body_given_up();
    } else {
        home_.on_disk_ill();
    }
}

} // namespace fsrv::exchange
