#include "worker/access/passwords.h"

#include "common/check.h"
#include "common/crypto/crypt_hash.h"

#include <utility>

namespace fsrv::access {

struct PasswordWaiter::List {
    IntrusiveList<PasswordWaiter, &PasswordWaiter::hook_> waiters;

    PasswordWaiter* take_first() {
        PasswordWaiter* const first = waiters.front();
        if (first != nullptr) first->stop_waiting();
        return first;
    }
};

struct Passwords::Flight {
    const Login* login = nullptr; // null: there is no such user
    PasswordWaiter::List list;
};

void PasswordJob::run() {
    const bool matches = crypto::password_matches(password.view(), hash);
    is_right = matches && has_user;
    password.clear();
}

void PasswordWaiter::stop_waiting() {
    if (list_ == nullptr) return;
    std::exchange(list_, nullptr)->waiters.remove(*this);
}

Passwords::Passwords(std::span<const Login> logins, Bounds bounds)
    : logins_(logins), bounds_(bounds), right_(bounds.right), wrong_(bounds.wrong) {
    for (const Login& login : logins) by_name_.emplace(login.name, &login);
}

Passwords::~Passwords() {
    for (auto& [credential, flight] : flights_)
        while (flight->list.take_first() != nullptr) {
        }
}

Passwords::Look Passwords::look(std::string_view user, std::string_view password) {
    if (logins_.empty() || password.size() > crypto::kMaxPasswordBytes)
        return {.state = State::wrong};
    Look look{.credential = credential_of(user, password)};
    if (const auto* const login = right_.find(look.credential)) {
        look.state = State::right;
        look.login = *login;
    } else if (wrong_.find(look.credential) != nullptr) {
        look.state = State::wrong;
    } else if (flights_.contains(look.credential)) {
        look.state = State::is_being_hashed;
    } else {
        look.state = flights_.size() < bounds_.hashes ? State::must_be_hashed : State::too_many;
    }
    return look;
}

PasswordJob Passwords::began(const Look& look, std::string_view user, std::string_view password) {
    const Login* login = login_of(user);
    auto flight = std::make_unique<Flight>();
    flight->login = login;
    const bool is_new = flights_.emplace(look.credential, std::move(flight)).second;
    FSRV_CHECK(is_new, "a password that is being hashed already");
    if (login == nullptr) {
        // Always the same of a name, so that nobody sees another cost the second time.
        login = &logins_[fingerprints_.of(user).low % logins_.size()];
        return {.credential = look.credential,
                .hash = login->password_hash,
                .password = Secret(std::string(password))};
    }
    return {.credential = look.credential,
            .hash = login->password_hash,
            .password = Secret(std::string(password)),
            .has_user = true};
}

void Passwords::join(const Look& look, PasswordWaiter& waiter) {
    const auto flight = flights_.find(look.credential);
    FSRV_CHECK(flight != flights_.end() && !waiter.is_waiting(), "nothing to wait for");
    waiter.list_ = &flight->second->list;
    waiter.list_->waiters.push_back(waiter);
}

void Passwords::ended(const PasswordJob& job) {
    auto node = flights_.extract(job.credential);
    if (node.empty()) return;
    Flight& flight = *node.mapped();
    const Login* const login = job.is_right ? flight.login : nullptr;
    if (login != nullptr)
        right_.keep(job.credential, login);
    else
        wrong_.keep(job.credential, {});
    while (PasswordWaiter* const waiter = flight.list.take_first()) waiter->on_password(login);
}

void Passwords::gave_up(const PasswordJob& job) {
    auto node = flights_.extract(job.credential);
    if (node.empty()) return;
    while (node.mapped()->list.take_first() != nullptr) {
    }
}

const Login* Passwords::login_of(std::string_view user) const {
    const auto found = by_name_.find(user);
    return found == by_name_.end() ? nullptr : found->second;
}

// The length of the name stands first, so that no two credentials are one text.
Fingerprint Passwords::credential_of(std::string_view user, std::string_view password) const {
    std::string bytes;
    const std::uint64_t length = user.size();
    bytes.reserve(sizeof length + user.size() + password.size());
    bytes.append(reinterpret_cast<const char*>(&length), sizeof length);
    bytes.append(user).append(password);
    const Secret text(std::move(bytes));
    return fingerprints_.of(text.view());
}

} // namespace fsrv::access
