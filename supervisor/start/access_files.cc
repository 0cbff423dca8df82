#include "supervisor/start/access_files.h"

#include "common/ascii.h"
#include "common/crypto/crypt_hash.h"
#include "common/crypto/public_key.h"
#include "common/escape.h"
#include "common/limits.h"
#include "supervisor/start/key_memory.h"
#include "supervisor/start/secret_file.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <functional>
#include <grp.h>
#include <map>
#include <pwd.h>
#include <string_view>
#include <unistd.h>

namespace fsrv {
namespace {

constexpr std::size_t kMostNameBytes = 255;
constexpr std::size_t kMostIdBytes = 64;
constexpr std::size_t kLeastSecretBytes = 32; // as many as the HMAC has

// What a file is named for.
struct Use {
    std::string_view option; // as in common/options.def
    std::string_view noun;
    std::string_view content;
};
constexpr Use kUsers{"users", "users", "lines NAME:HASH"};
constexpr Use kJwtKey{"jwt-key", "key of tokens", "PEM"};
constexpr Use kSigningKey{"signing-key", "signing keys", "lines ID:SECRET"};

StartError error_of(const Use& use, std::string message) {
    return {.exit_status = kExitUsage, .message = std::move(message), .option = use.option};
}

Result<SecretFile, StartError> read_for(const Use& use, const std::string& name,
                                        const AboutTo& about_to) {
    if (about_to) about_to(fmt::format("the {} \"{}\"", use.noun, name));
    auto file = read_secret_file(name, use.content);
    if (!file)
        return unexpected(error_of(
            use, fmt::format("cannot use the {} \"{}\": {}", use.noun, name, file.error())));
    return std::move(*file);
}

// Each line that says something: without what ends it, comments and blanks left out. What `take`
// returns is wrong with it; empty: nothing.
using TakeLine = std::function<std::string(std::string_view line, unsigned number)>;
Result<void, StartError> each_line(const Use& use, const std::string& name, std::string_view text,
                                   const TakeLine& take) {
    for (unsigned number = 1; !text.empty(); ++number) {
        std::string_view line = take_before(text, '\n');
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.empty() || line.starts_with('#')) continue;
        if (const std::string why = take(line, number); !why.empty())
            return unexpected(error_of(use, fmt::format("{}:{}: {}", name, number, why)));
    }
    return {};
}

bool is_user_name(std::string_view name) {
    return !name.empty() && name.size() <= kMostNameBytes && is_utf8(name) &&
           std::ranges::none_of(name, [](char c) { return (c >= 0 && c < ' ') || c == 0x7F; });
}

bool is_key_id(std::string_view id) {
    return !id.empty() && id.size() <= kMostIdBytes && std::ranges::all_of(id, [](char c) {
        return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || c == '.' || c == '_' ||
               c == '-';
    });
}

void warn_if_for_everybody(LoadedAccess& access, const Use& use, const std::string& name,
                           const SecretFile& file) {
    if (file.is_for_everybody())
        access.warnings.push_back(
            fmt::format("every user of this machine may read the {} in \"{}\" (mode {:04o}): chmod "
                        "o= \"{}\"",
                        use.noun, name, file.mode & 07777U, name));
}

Result<void, StartError> load_users(const std::string& name, const AboutTo& about_to,
                                    LoadedAccess& access) {
    const auto file = read_for(kUsers, name, about_to);
    if (!file) return unexpected(file.error());
    warn_if_for_everybody(access, kUsers, name, *file);
    std::map<std::string, unsigned> lines;
    return each_line(
        kUsers, name, file->bytes.view(),
        [&](std::string_view line, unsigned number) -> std::string {
            const std::string user(take_before(line, ':'));
            if (!is_user_name(user) || line.empty())
                return "expected NAME:HASH, as htpasswd -B and fsrv --hash-password "
                       "make it";
            if (const auto [first, is_new] = lines.emplace(user, number); !is_new)
                return fmt::format("user \"{}\" is in line {} already; expected each "
                                   "once",
                                   printable(user), first->second);
            if (const std::string why = crypto::why_no_password_hash(line); !why.empty())
                return fmt::format("user \"{}\": {}", printable(user), why);
            access.material.logins.push_back(
                {.name = user, .password_hash = std::string(line), .groups = {}, .account = {}});
            return {};
        });
}

Result<void, StartError> load_jwt_key(const std::string& name, const AboutTo& about_to,
                                      LoadedAccess& access) {
    const auto file = read_for(kJwtKey, name, about_to);
    if (!file) return unexpected(file.error());
    const auto key = crypto::PublicKey::from_pem(file->bytes.view());
    if (!key)
        return unexpected(error_of(
            kJwtKey, fmt::format("cannot use the {} \"{}\": {}", kJwtKey.noun, name, key.error())));
    access.material.jwt_keys.push_back({.pem = std::string(file->bytes.view()), .name = name});
    return {};
}

Result<void, StartError> load_keys(const std::string& name, const AboutTo& about_to,
                                   LoadedAccess& access) {
    const auto file = read_for(kSigningKey, name, about_to);
    if (!file) return unexpected(file.error());
    warn_if_for_everybody(access, kSigningKey, name, *file);
    auto& keys = access.material.signing_keys;
    auto ok = each_line(
        kSigningKey, name, file->bytes.view(), [&](std::string_view line, unsigned) -> std::string {
            const bool has_id = line.find(':') != std::string_view::npos;
            const std::string id(take_before(line, ':'));
            if (!has_id || !is_key_id(id)) // else it may be a secret that is shown
                return fmt::format("expected ID:SECRET, the ID of at most {} letters, digits, "
                                   "dots, dashes and underscores",
                                   kMostIdBytes);
            if (line.size() < kLeastSecretBytes)
                return fmt::format("key \"{}\": expected a secret of {} bytes or more, such as "
                                   "openssl rand -hex 32 makes",
                                   id, kLeastSecretBytes);
            if (std::ranges::find(keys, id, &SigningKey::id) != keys.end())
                return fmt::format("key \"{}\" is there already; expected each once", id);
            keys.push_back({.id = id, .secret = Secret(std::string(line))});
            return {};
        });
    if (ok && keys.empty())
        return unexpected(error_of(
            kSigningKey, fmt::format("cannot use the {} \"{}\": expected a line ID:SECRET: printf "
                                     "'k1:%s\\n' \"$(openssl rand -hex 32)\" > \"{}\"",
                                     kSigningKey.noun, name, name)));
    return ok;
}

// A name of the system's, asked for where one wants it, which may take as long as the network does.
Result<Account, std::string> account_of(const std::string& name) {
    errno = 0;
    const passwd* const entry = ::getpwnam(name.c_str());
    if (entry == nullptr)
        return unexpected(errno == 0 || errno == ENOENT
                              ? std::string("there is none of that name on this system")
                              : errno_text(errno));
    if (entry->pw_uid == 0) return unexpected(std::string("root's rights are lent to nobody"));
    Account account{.name = name, .uid = entry->pw_uid, .gid = entry->pw_gid};
    int count = 16;
    do account.groups.resize(static_cast<std::size_t>(count));
    while (::getgrouplist(name.c_str(), account.gid, account.groups.data(), &count) < 0 &&
           count > static_cast<int>(account.groups.size()));
    account.groups.resize(static_cast<std::size_t>(count));
    return account;
}

Result<void, StartError> add_accounts(const Options& options, AccessMaterial& material) {
    const auto refused = [](std::string message) {
        return unexpected(
            StartError{.exit_status = kExitUsage, .message = std::move(message), .option = ""});
    };
    if (!options.rules.want_accounts()) return {};
    if (::geteuid() != 0)
        return refused(
            "permissions = \"user\" needs a start as root: nobody else may lend the rights "
            "of accounts (--user says what the workers are otherwise)");
    for (const Login& login : options.rules.logins) {
        if (login.account.empty() || std::ranges::find(material.accounts, login.account,
                                                       &Account::name) != material.accounts.end())
            continue;
        auto account = account_of(login.account);
        if (!account)
            return refused(fmt::format("{}: [[login]] \"{}\": account \"{}\": {}", login.place,
                                       printable(login.name), printable(login.account),
                                       account.error()));
        material.accounts.push_back(*std::move(account));
        if (material.accounts.size() > limits::kMostAccounts)
            return refused(fmt::format("{}: more than {} accounts: the sandbox names each",
                                       login.place, limits::kMostAccounts));
    }
    return {};
}

// What the tables of the configuration file say of people, with those that the files have.
Result<void, StartError> add_tables(const Options& options, LoadedAccess& access) {
    AccessMaterial& material = access.material;
    const Rules& rules = options.rules;
    for (const Login& login : rules.logins) {
        const auto refused = [&](std::string_view why) {
            return unexpected(
                StartError{.exit_status = kExitUsage,
                           .message = fmt::format("{}: [[login]] \"{}\": {}", login.place,
                                                  printable(login.name), why),
                           .option = ""});
        };
        if (const std::string why = crypto::why_no_password_hash(login.password_hash); !why.empty())
            return refused(why);
        if (std::ranges::find(material.logins, login.name, &Login::name) != material.logins.end())
            return refused(fmt::format("a user of that name is in \"{}\" too", options.users));
    }
    material.logins.insert(material.logins.begin(), rules.logins.begin(), rules.logins.end());
    if (auto ok = add_accounts(options, material); !ok) return unexpected(std::move(ok.error()));
    material.tokens = rules.tokens;
    // Others may prove names that only they know.
    const bool has_others = !options.jwt_keys.empty() || !options.trusted_proxies.empty();
    const auto is_user = [&](std::string_view name) {
        return has_others ||
               std::ranges::find(material.logins, name, &Login::name) != material.logins.end();
    };
    const auto is_group = [&](std::string_view) { return has_others; };
    if (auto ok = check_names(rules, is_user, is_group); !ok)
        return unexpected(StartError{
            .exit_status = kExitUsage, .message = std::move(ok.error().message), .option = ""});
    return {};
}

} // namespace

Result<LoadedAccess, StartError> load_access(const Options& options, const AboutTo& about_to) {
    LoadedAccess access;
    if (!options.users.empty() || !options.signing_key.empty() || !options.rules.logins.empty())
        keep_memory_private();
    if (!options.users.empty())
        if (auto ok = load_users(options.users, about_to, access); !ok)
            return unexpected(std::move(ok.error()));
    for (const std::string& name : options.jwt_keys)
        if (auto ok = load_jwt_key(name, about_to, access); !ok)
            return unexpected(std::move(ok.error()));
    if (!options.signing_key.empty())
        if (auto ok = load_keys(options.signing_key, about_to, access); !ok)
            return unexpected(std::move(ok.error()));
    if (auto ok = add_tables(options, access); !ok) return unexpected(std::move(ok.error()));
    return access;
}

Result<LoadedAccess, StartError> load_signing_keys(const Options& options) {
    keep_memory_private();
    LoadedAccess access;
    if (auto ok = load_keys(options.signing_key, {}, access); !ok)
        return unexpected(std::move(ok.error()));
    return access;
}

} // namespace fsrv
