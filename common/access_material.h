// What people prove with that they are who they say: plain data, read and checked by the supervisor
// (supervisor/start/access_files.h), which alone can open the files; it crosses fork() in Heritage.
// A generation of workers has one for life: a reload reads the files anew, for the next.
//
// Lifetime: a worker's copy is the memory that it has from the fork, and lives as long as the
// process.
// Thread: nobody writes to it after the fork, so any may read. Hashes and secrets are to go nowhere
// else: no log, no message, no --dump-config.
#pragma once

#include "common/secret.h"

#include <string>
#include <sys/types.h>
#include <vector>

namespace fsrv {

// A user who proves it by a password: a [[login]] table, or a line of --users.
struct Login {
    std::string name;
    std::string password_hash;       // crypt(3), as crypto/crypt_hash.h takes it
    std::vector<std::string> groups; // none in --users
    std::string account;             // local; empty: none
    std::string place;               // "fsrv.toml:12"

    friend bool operator==(const Login&, const Login&) = default;
};

// A local one, for permissions = "user".
struct Account {
    std::string name;
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups; // its own too

    friend bool operator==(const Account&, const Account&) = default;
};

// An opaque bearer token: a [[token]] table.
struct Token {
    std::string name;
    std::string sha256; // of the token's bytes: 64 lower-case hexadecimal digits
    std::vector<std::string> groups;
    std::string place; // "fsrv.toml:12"

    friend bool operator==(const Token&, const Token&) = default;
};

// Whose tokens of RFC 7519 are believed.
struct JwtKey {
    std::string pem;  // one public key: SubjectPublicKeyInfo
    std::string name; // of its file, as given

    friend bool operator==(const JwtKey&, const JwtKey&) = default;
};

// Signs links and verifies them.
struct SigningKey {
    std::string id;
    Secret secret;

    SigningKey copy() const { return {.id = id, .secret = secret.copy()}; }
    friend bool operator==(const SigningKey&, const SigningKey&) = default;
};

struct AccessMaterial {
    std::vector<Login> logins; // a name once
    std::vector<Token> tokens;
    std::vector<JwtKey> jwt_keys;
    std::vector<SigningKey> signing_keys; // the first signs, all verify; an id once
    std::vector<Account> accounts;        // of logins, where a rule asks for them; a name once

    bool is_empty() const {
        return logins.empty() && tokens.empty() && jwt_keys.empty() && signing_keys.empty();
    }
    AccessMaterial copy() const {
        AccessMaterial other{.logins = logins, .tokens = tokens, .jwt_keys = jwt_keys};
        other.accounts = accounts;
        for (const SigningKey& key : signing_keys) other.signing_keys.push_back(key.copy());
        return other;
    }
    friend bool operator==(const AccessMaterial&, const AccessMaterial&) = default;
};

} // namespace fsrv
