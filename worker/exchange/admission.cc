#include "worker/exchange/admission.h"

#include "common/ascii.h"
#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "worker/access/authorization.h"

#include <fmt/format.h>
#include <utility>

namespace fsrv::exchange {
namespace {

// Hashes are charged to a device that there is not, of whose threads they have the share of what
// takes long: others are served meanwhile.
constexpr dev_t kHashing = ~dev_t{0};

constexpr std::string_view kExpired =
    "this link has expired: ask whoever gave it to you for a new one";

struct HashJob final : disk::Job {
    HashJob(access::PasswordJob its_work, access::Passwords& its_home)
        : work(std::move(its_work)), home(its_home) {}
    void run() override { work.run(); }
    void on_done() override {
        home.ended(work);
        delete this;
    }
    void on_ill() override {}
    void on_orphaned() override { delete this; }

    access::PasswordJob work;
    access::Passwords& home;
};

std::string challenge_of(const AccessMaterial& material) {
    std::string lines = "WWW-Authenticate: Basic realm=\"fsrv\", charset=\"UTF-8\"\r\n";
    if (!material.tokens.empty() || !material.jwt_keys.empty())
        lines += "WWW-Authenticate: Bearer realm=\"fsrv\"\r\n";
    return lines;
}

std::vector<std::string> names_of(std::string_view list) {
    std::vector<std::string> names;
    while (!list.empty()) {
        std::string_view name = take_before(list, ',');
        while (name.starts_with(' ') || name.starts_with('\t')) name.remove_prefix(1);
        while (name.ends_with(' ') || name.ends_with('\t')) name.remove_suffix(1);
        if (!name.empty()) names.emplace_back(name);
    }
    return names;
}

// Where the kernel is to decide, it has to be told for whom.
access::Verdict verdict_of(const access::Rule& rule, const access::Who& who) {
    const access::Verdict verdict = access::decide(rule, who);
    if (verdict != access::Verdict::allowed || who.account ||
        rule.settings.permissions != Permissions::user)
        return verdict;
    return who.user.empty() ? access::Verdict::unproven : access::Verdict::refused;
}

// A link lets in to what it names, not to all that links let in to.
int refusal_by(const access::Site& site, const access::Who& who,
               const std::optional<crypto::Link>& link, std::string_view path) {
    const access::Rule& rule = site.rule_of(path);
    access::Verdict verdict{};
    if (link && who.has_link && !link->covers(path)) {
        access::Who without = who;
        without.has_link = false;
        verdict = verdict_of(rule, without);
    } else {
        verdict = verdict_of(rule, who);
    }
    switch (verdict) {
    case access::Verdict::allowed: return 0;
    case access::Verdict::unproven: return 401;
    case access::Verdict::refused: break;
    }
    return 403;
}

class LastingPolicy final : public content::Policy {
  public:
    LastingPolicy(const access::Site& site, access::Who who, std::optional<crypto::Link> link)
        : site_(site), who_(std::move(who)), link_(std::move(link)) {}

    const ServedRule& rule_of(std::string_view path) const override { return site_.rule_of(path); }
    int refusal_of(std::string_view path) const override {
        return refusal_by(site_, who_, link_, path);
    }
    bool differs_below(std::string_view path) const override { return site_.has_rules_below(path); }
    std::string_view asker() const override { return who_.user; }
    const Account* account() const override { return who_.account; }
    std::shared_ptr<const content::Policy> lasting() const override {
        return std::make_shared<LastingPolicy>(site_, who_, link_);
    }

  private:
    const access::Site& site_;
    const access::Who who_;
    const std::optional<crypto::Link> link_;
};

} // namespace

Gate::Gate(const access::Site& site, const AccessMaterial& material,
           const std::string& jwt_audience, disk::Pool& pool, const FailureBudget& failures)
    : site_(site),
      passwords_(material.logins, {.hashes = limits::kMostHashes}),
      tokens_(material.tokens),
      jwts_(material.jwt_keys, jwt_audience),
      signing_keys_(material.signing_keys),
      pool_(pool),
      failures_(failures),
      challenge_(challenge_of(material)) {
    for (const Account& account : material.accounts) accounts_.emplace(account.name, &account);
}

const Account* Gate::account_of(std::string_view name) const {
    const auto found = accounts_.find(name);
    return found == accounts_.end() ? nullptr : found->second;
}

unsigned FailureBudget::retry_after_s(const in6_addr& client) const {
    if (!clients || per_minute == 0) return 0;
    const std::uint64_t wait_ms =
        clients->may_try_in_ms(clients->key_of(client), per_minute, iteration.now_ms());
    return static_cast<unsigned>((wait_ms + 999) / 1000);
}

void FailureBudget::failed(const in6_addr& client) const {
    if (clients && per_minute > 0)
        clients->failed(clients->key_of(client), per_minute, iteration.now_ms());
}

void FailureBudget::proved(const in6_addr& client) const {
    if (clients && per_minute > 0) clients->proved(clients->key_of(client), per_minute);
}

Admission::State Admission::begin(const http::Request& request, const http::Target& target,
                                  std::string_view path, const Asking& asking) {
    request_ = &request;
    rule_ = &gate_.site().rule_of(path);
    who_.address = asking.address;
    if (asking.certificate) {
        who_.has_certificate = true;
        who_.certificate_names = *asking.certificate;
    }
    if (target.kind == http::Target::Kind::tree && crypto::is_signed(target.query))
        take_link(target.query, path);
    if (asking.by_proxy) {
        if (const auto user = request.field("remote-user"); user && !user->empty()) {
            who_.user = *user;
            who_.groups = names_of(request.field("remote-groups").value_or(""));
            return state_ = State::known;
        }
    }
    return state_ = prove(request);
}

// Downloads are not counted yet, so who may have so many has none.
void Admission::take_link(std::string_view query, std::string_view path) {
    const std::int64_t now = wall_now().seconds;
    const auto link = crypto::verify_link(query, path, who_.address, gate_.signing_keys_, now);
    if (link && link->terms.uses == 0) {
        resumes_ = !link->may_begin(now);
        has_expired_ = resumes_;
        who_.has_link = !resumes_ || (request_->field("range") && request_->field("if-range"));
        if (who_.has_link) attachment_ = link->terms.attachment;
        link_ = *link;
    } else {
        has_expired_ = !link && link.error() == crypto::LinkFault::expired;
        if (!rule_->open)
            log_info("a signed link is refused: {}",
                     link ? "its uses are not counted" : crypto::text_of(link.error()));
    }
}

std::optional<http::Plan> Admission::plan_beginning(const http::Plan& planned) const {
    if (!resumes_ || rule_->open || planned.status == 206 || planned.status >= 400)
        return std::nullopt;
    http::Plan refused = http::plan_status(*request_, 403, kExpired);
    complete(refused);
    return refused;
}

Admission::State Admission::prove(const http::Request& request) {
    const auto said = access::read_authorization(request);
    if (!said) return refuse(said.error().status, said.error().what);
    switch (said->kind) {
    case access::Authorization::Kind::none: return State::known;
    case access::Authorization::Kind::basic:
        return prove_password(said->user, said->password.view());
    case access::Authorization::Kind::bearer: return prove_token(said->token);
    case access::Authorization::Kind::broken: break;
    }
    failed();
    return State::known;
}

Admission::State Admission::prove_password(std::string_view user, std::string_view password) {
    using Known = access::Passwords::State;
    const access::Passwords::Look look = gate_.passwords_.look(user, password);
    if (look.state == Known::right) {
        become(*look.login);
        return State::known;
    }
    // A guess too many is not even looked at.
    if (const unsigned wait_s = gate_.failures_.retry_after_s(who_.address); wait_s > 0)
        return refuse(429, "too many failed attempts to log in", wait_s);
    switch (look.state) {
    case Known::too_many: return refuse(503, "too many passwords are being checked, try again");
    case Known::must_be_hashed: {
        auto job = std::make_unique<HashJob>(gate_.passwords_.began(look, user, password),
                                             gate_.passwords_);
        gate_.passwords_.join(look, *this);
        if (gate_.pool_.submit(*job, kHashing, disk::JobKind::listing) != disk::Submitted::yes) {
            gate_.passwords_.gave_up(job->work);
            return refuse(503, "passwords cannot be checked now, try again");
        }
        static_cast<void>(job.release()); // it ends its own life
        gate_.failures_.failed(who_.address);
        is_charged_ = true;
        return State::waiting;
    }
    case Known::is_being_hashed: gate_.passwords_.join(look, *this); return State::waiting;
    default: failed(); return State::known;
    }
}

void Admission::on_password(const Login* login) {
    if (std::exchange(is_charged_, false)) gate_.failures_.proved(who_.address);
    if (login)
        become(*login);
    else
        failed();
    state_ = State::known;
    home_.on_admitted();
}

Admission::State Admission::prove_token(std::string_view token) {
    if (const Token* const known = gate_.tokens_.find(token)) {
        who_.user = known->name;
        who_.groups = known->groups;
        return State::known;
    }
    if (!gate_.jwts_.empty() && access::looks_like_jwt(token)) {
        const auto claims = gate_.jwts_.find(token, wall_now().seconds);
        if (claims) {
            who_.user = (*claims)->user;
            who_.groups = (*claims)->groups;
            return State::known;
        }
        log_info("a token is refused: {}", access::text_of(claims.error()));
    }
    if (const unsigned wait_s = gate_.failures_.retry_after_s(who_.address); wait_s > 0)
        return refuse(429, "too many failed attempts to log in", wait_s);
    failed();
    return State::known;
}

void Admission::become(const Login& login) {
    who_.user = login.name;
    who_.groups = login.groups;
    who_.account = gate_.account_of(login.account);
}

void Admission::failed() {
    has_failed_ = true;
    gate_.failures_.failed(who_.address);
}

Admission::State Admission::refuse(int status, std::string_view what, unsigned retry_after_s) {
    plan = status == 429 ? http::plan_too_many(*request_, what, retry_after_s)
                         : http::plan_status(*request_, status, what);
    complete(*plan);
    return state_ = State::refused;
}

std::optional<http::Plan> Admission::plan_refusal() const {
    const access::Verdict verdict = verdict_of(*rule_, who_);
    if (verdict == access::Verdict::allowed) return std::nullopt;
    http::Plan refused;
    if (verdict == access::Verdict::unproven) {
        refused =
            http::plan_status(*request_, 401,
                              has_failed_    ? "that name and password, or token, is not known here"
                              : has_expired_ ? "this link has expired; log in, or ask for a new one"
                                             : "log in to get this");
    } else {
        refused = http::plan_status(
            *request_, 403,
            has_expired_ ? kExpired : "this is not for you: ask whoever runs this server");
    }
    complete(refused);
    return refused;
}

int Admission::refusal_of(std::string_view path) const {
    return refusal_by(gate_.site(), who_, link_, path);
}

std::shared_ptr<const content::Policy> Admission::lasting() const {
    return std::make_shared<LastingPolicy>(gate_.site(), who_, link_);
}

void Admission::complete(http::Plan& answer) const {
    if (answer.status == 401) answer.fields += gate_.challenge();
    // That nobody keeps it, plan_status() has said.
    if (answer.status == 401 || answer.status == 403 || answer.status == 429 || !rule_->open)
        answer.fields += "Vary: Authorization\r\n";
}

} // namespace fsrv::exchange
