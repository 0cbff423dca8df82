// Which passwords are right, in a worker: what was hashed once is kept, the same credential is
// hashed once at a time, and no more than so many are at all. Hashes nothing itself.
//
//   look() ─► right, wrong: known
//          ─► must_be_hashed ─► began() ─► PasswordJob::run() in a thread ─► ended()
//          ─► is_being_hashed ─► join(), and on_password() when it is known
//          ─► too_many: later
//
// A user that nobody knows costs the same: another's hash is computed, and never matches. What is
// kept ends with the worker, and so with its generation. Whoever counts failures does so before
// began(), and after every wrong one.
//
// Thread: the loop's, but for PasswordJob::run().
#pragma once

#include "common/access_material.h"
#include "common/intrusive_list.h"
#include "common/secret.h"
#include "worker/access/fingerprint.h"
#include "worker/access/kept.h"

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

namespace fsrv::access {

// One hash. Belongs to the caller of Passwords::began(); has no views.
struct PasswordJob {
    Fingerprint credential;
    std::string hash;
    Secret password;
    bool has_user = false; // else whatever the hash says, it is wrong
    bool is_right = false;

    // Blocks as password_matches() does. Any thread.
    void run();
};

// Who waits for a hash that is under way. Leaves when it dies.
class PasswordWaiter {
  public:
    PasswordWaiter() = default;
    PasswordWaiter(const PasswordWaiter&) = delete;
    PasswordWaiter& operator=(const PasswordWaiter&) = delete;

    // The user's, as long as what Passwords was made with; null: wrong. It waits no more. May call
    // everything here, and may end its own life or that of others who wait.
    virtual void on_password(const Login* login) = 0;

  protected:
    virtual ~PasswordWaiter() { stop_waiting(); }
    bool is_waiting() const { return list_ != nullptr; }
    void stop_waiting();

  private:
    friend class Passwords;
    using Hook = ListHook<PasswordWaiter>;
    struct List;

    Hook hook_;
    List* list_ = nullptr;
};

class Passwords final {
  public:
    struct Bounds {
        unsigned hashes = 2;        // under way at a time
        std::size_t right = 10'000; // kept: 150 bytes each
        std::size_t wrong = 1'000;  // likewise; they never take room from the right ones
    };
    // Borrows them. A name once; of two the first counts.
    Passwords(std::span<const Login> logins, Bounds bounds);
    ~Passwords();

    enum class State { right, wrong, must_be_hashed, is_being_hashed, too_many };
    struct Look {
        State state{};
        const Login* login = nullptr; // of `right`
        Fingerprint credential;       // of who asks; for began() and join()
    };
    Look look(std::string_view user, std::string_view password);

    // After `must_be_hashed`, of the same arguments, with nothing else called in between.
    PasswordJob began(const Look& look, std::string_view user, std::string_view password);
    // After began() or `is_being_hashed`. `waiter` waits for nothing yet.
    void join(const Look& look, PasswordWaiter& waiter);
    // Its job has run. Calls all who wait, before it returns.
    void ended(const PasswordJob& job);
    // Its job will not run: nobody has taken it. Nobody is called, who has joined waits no more.
    void gave_up(const PasswordJob& job);

    unsigned under_way() const { return static_cast<unsigned>(flights_.size()); }

  private:
    struct Flight;

    const Login* login_of(std::string_view user) const;
    Fingerprint credential_of(std::string_view user, std::string_view password) const;

    std::span<const Login> logins_;
    std::unordered_map<std::string_view, const Login*> by_name_;
    Bounds bounds_;
    Fingerprints fingerprints_;
    Kept<const Login*> right_;
    struct Nothing {};
    Kept<Nothing> wrong_;
    std::map<Fingerprint, std::unique_ptr<Flight>> flights_;
};

} // namespace fsrv::access
