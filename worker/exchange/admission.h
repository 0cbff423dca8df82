// Admission: who asks, as far as a request proves it, and what the rules by path say to that
// (access/site.h). A part of an Inquiry, made where there are rules; its look-up asks it as a
// Policy, in whatever thread that is.
//
//   begin() ─► known             refusal_of() and the rest may be asked
//           ─► waiting           a password is being hashed: AdmissionHome::on_admitted() comes
//           ─► refused           `plan` is the answer
//
// Thread: the loop's, but for what Policy has.
#pragma once

#include "common/access_material.h"
#include "common/client_table.h"
#include "common/crypto/signed_link.h"
#include "worker/access/jwt.h"
#include "worker/access/passwords.h"
#include "worker/access/site.h"
#include "worker/access/tokens.h"
#include "worker/access/who.h"
#include "worker/content/policy.h"
#include "worker/disk/pool.h"
#include "worker/exchange/iteration.h"
#include "worker/http/plan.h"
#include "worker/http/request.h"
#include "worker/http/target.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace fsrv::exchange {

// How often a client may fail to prove who it is, counted by all workers together.
struct FailureBudget {
    ClientTable* clients = nullptr; // none: as often as it likes
    unsigned per_minute = 0;
    const Iteration& iteration;

    // 0: it may try. Else seconds until it may again.
    unsigned retry_after_s(const in6_addr& client) const;
    void failed(const in6_addr& client) const;
    // Takes back what was said in advance, so that many attempts at a time are counted too.
    void proved(const in6_addr& client) const;
};

// What proves who somebody is, in a worker. Made once, of what the supervisor has read.
class Gate final {
  public:
    // Borrows all of them.
    Gate(const access::Site& site, const AccessMaterial& material, const std::string& jwt_audience,
         disk::Pool& pool, const FailureBudget& failures);

    const access::Site& site() const { return site_; }
    // The lines of a 401 that say which proofs there are.
    const std::string& challenge() const { return challenge_; }
    // Null: it is none of a [[login]]'s, or no rule asks for accounts.
    const Account* account_of(std::string_view name) const;

  private:
    friend class Admission;

    const access::Site& site_;
    access::Passwords passwords_;
    access::Tokens tokens_;
    access::Jwts jwts_;
    std::span<const SigningKey> signing_keys_;
    std::unordered_map<std::string_view, const Account*> accounts_; // few hundred, asked each time
    disk::Pool& pool_;
    FailureBudget failures_;
    std::string challenge_;
};

class AdmissionHome {
  public:
    virtual void on_admitted() = 0; // known, or refused

  protected:
    ~AdmissionHome() = default;
};

// What the connection, and those before it, say of who asks.
struct Asking {
    in6_addr address{};
    bool by_proxy = false; // a trusted one, whose Remote-User counts
    const std::vector<std::string>* certificate = nullptr; // its names; none: it has none
};

class Admission final : public content::Policy, public access::PasswordWaiter {
  public:
    Admission(Gate& gate, AdmissionHome& home) : gate_(gate), home_(home) {}

    enum class State : std::uint8_t { known, waiting, refused };
    // `path`: of the target below the root.
    State begin(const http::Request& request, const http::Target& target, std::string_view path,
                const Asking& asking);
    State state() const { return state_; }
    void give_up() { stop_waiting(); } // there is another answer: on_admitted() will not come
    std::optional<http::Plan> plan;    // of refused; whoever takes it resets it

    const access::Who& who() const { return who_; }
    // Of what was asked for.
    const access::Rule& rule() const { return *rule_; }
    // Another answer than everybody's who is let in: its link says a name to save it as, or lets
    // in those alone who have begun.
    bool is_special() const { return resumes_ || !attachment_.empty(); }
    const std::string& attachment() const { return attachment_; }
    // What was planned is no part of the version that the client has of it already, and it may have
    // nothing else: the answer instead.
    std::optional<http::Plan> plan_beginning(const http::Plan& planned) const;

    // The answer to who may not have it: 401 or 403; none: it may.
    std::optional<http::Plan> plan_refusal() const;
    // What an answer says because of the rule, and of who asked, if it is no file's: a challenge,
    // and that it is for the asker alone.
    void complete(http::Plan& plan) const;

    // Policy
    const ServedRule& rule_of(std::string_view path) const override {
        return gate_.site().rule_of(path);
    }
    int refusal_of(std::string_view path) const override;
    bool differs_below(std::string_view path) const override {
        return gate_.site().has_rules_below(path);
    }
    const Account* account() const override { return who_.account; }
    std::string_view asker() const override { return who_.user; }
    std::shared_ptr<const content::Policy> lasting() const override;

  private:
    void on_password(const Login* login) override;

    void take_link(std::string_view query, std::string_view path);
    State prove(const http::Request& request);
    State prove_password(std::string_view user, std::string_view password);
    State prove_token(std::string_view token);
    void become(const Login& login);
    void failed();
    State refuse(int status, std::string_view what, unsigned retry_after_s = 0);

    Gate& gate_;
    AdmissionHome& home_;
    const http::Request* request_ = nullptr;
    const access::Rule* rule_ = nullptr;
    access::Who who_;
    std::optional<crypto::Link> link_; // a good one
    State state_ = State::known;
    std::string attachment_;
    bool resumes_ = false;     // by its link it may only go on with what it has begun
    bool has_failed_ = false;  // there was a proof, and it was none
    bool is_charged_ = false;  // for a failure that is not one yet
    bool has_expired_ = false; // there was a link
};

} // namespace fsrv::exchange
