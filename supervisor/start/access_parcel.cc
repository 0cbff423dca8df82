#include "supervisor/start/access_parcel.h"

#include "supervisor/start/key_memory.h"

#include <functional>

namespace fsrv {
namespace {

template <class List, class Put>
void put_each(Parcel& parcel, const List& list, const Put& put) {
    parcel.put_number(list.size());
    for (const auto& entry : list) put(entry);
}

// False: the parcel ends too early.
bool take_each(OpenedParcel& parcel, const std::function<bool()>& take) {
    const auto count = parcel.take_number();
    if (!count) return false;
    for (std::uint64_t n = *count; n > 0; --n)
        if (!take()) return false;
    return true;
}

void put_texts(Parcel& parcel, const std::vector<std::string>& texts) {
    put_each(parcel, texts, [&](const std::string& text) { parcel.put(text); });
}

bool take_text(OpenedParcel& parcel, std::string& text) {
    const auto taken = parcel.take();
    if (taken) text = *taken;
    return taken.has_value();
}

bool take_texts(OpenedParcel& parcel, std::vector<std::string>& texts) {
    return take_each(parcel, [&] { return take_text(parcel, texts.emplace_back()); });
}

template <class Id>
bool take_id(OpenedParcel& parcel, Id& id) {
    const auto taken = parcel.take_number();
    if (taken) id = static_cast<Id>(*taken);
    return taken.has_value();
}

bool take_account(OpenedParcel& parcel, Account& account) {
    return take_text(parcel, account.name) && take_id(parcel, account.uid) &&
           take_id(parcel, account.gid) &&
           take_each(parcel, [&] { return take_id(parcel, account.groups.emplace_back()); });
}

} // namespace

Result<UniqueFd, Errno> pack(const LoadedAccess& access) {
    Parcel parcel;
    const AccessMaterial& material = access.material;
    put_texts(parcel, access.warnings);
    put_each(parcel, material.logins, [&](const Login& login) {
        parcel.put(login.name);
        parcel.put(login.password_hash);
        put_texts(parcel, login.groups);
        parcel.put(login.account);
    });
    put_each(parcel, material.tokens, [&](const Token& token) {
        parcel.put(token.name);
        parcel.put(token.sha256);
        put_texts(parcel, token.groups);
    });
    put_each(parcel, material.jwt_keys, [&](const JwtKey& key) {
        parcel.put(key.pem);
        parcel.put(key.name);
    });
    put_each(parcel, material.signing_keys, [&](const SigningKey& key) {
        parcel.put(key.id);
        parcel.put(key.secret.view());
    });
    put_each(parcel, material.accounts, [&](const Account& account) {
        parcel.put(account.name);
        parcel.put_number(account.uid);
        parcel.put_number(account.gid);
        put_each(parcel, account.groups, [&](gid_t group) { parcel.put_number(group); });
    });
    return parcel.close();
}

std::optional<LoadedAccess> unpack_access(const UniqueFd& fd) {
    keep_memory_private();
    OpenedParcel parcel(fd);
    LoadedAccess access;
    AccessMaterial& material = access.material;
    const bool is_whole =
        take_texts(parcel, access.warnings) &&
        take_each(parcel,
                  [&] {
                      Login& login = material.logins.emplace_back();
                      return take_text(parcel, login.name) &&
                             take_text(parcel, login.password_hash) &&
                             take_texts(parcel, login.groups) && take_text(parcel, login.account);
                  }) &&
        take_each(parcel,
                  [&] {
                      Token& token = material.tokens.emplace_back();
                      return take_text(parcel, token.name) && take_text(parcel, token.sha256) &&
                             take_texts(parcel, token.groups);
                  }) &&
        take_each(parcel,
                  [&] {
                      JwtKey& key = material.jwt_keys.emplace_back();
                      return take_text(parcel, key.pem) && take_text(parcel, key.name);
                  }) &&
        take_each(parcel,
                  [&] {
                      SigningKey& key = material.signing_keys.emplace_back();
                      const auto secret = take_text(parcel, key.id) ? parcel.take() : std::nullopt;
                      if (secret) key.secret = Secret(std::string(*secret));
                      return secret.has_value();
                  }) &&
        take_each(parcel, [&] { return take_account(parcel, material.accounts.emplace_back()); });
    if (!is_whole) return std::nullopt;
    return access;
}

} // namespace fsrv
