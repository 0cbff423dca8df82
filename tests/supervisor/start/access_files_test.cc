#include "supervisor/start/access_files.h"

#include "supervisor/start/access_parcel.h"
#include "tests/support/certificates.h"
#include "tests/support/files.h"
#include "tests/support/jws.h"

#include <fcntl.h>
#include <filesystem>
#include <gtest/gtest.h>

namespace fsrv {
namespace {

using test::write_file;

constexpr const char* kHash = "$2b$05$8fq9kzaSPid9ELjAT2MkKODRXIFOUvAZxsHIRjqzfk/gqhVfcQnVy";
const std::string kSecret(40, 's');

class AccessFiles : public testing::Test {
  protected:
    std::string make(const std::string& name, const std::string& content) {
        write_file(dir_ / name, content);
        std::filesystem::permissions(dir_ / name, std::filesystem::perms::owner_read);
        return (dir_ / name).string();
    }
    static std::string why_not(const Options& options) {
        const auto access = load_access(options);
        if (access) return "";
        EXPECT_EQ(access.error().exit_status, kExitUsage);
        return std::string(access.error().option) + ": " + access.error().message;
    }
    test::TempDir dir_;
};

TEST_F(AccessFiles, WithoutAnyThereIsNothing) {
    const auto access = load_access({});
    ASSERT_TRUE(access);
    EXPECT_TRUE(access->is_empty());
}

TEST_F(AccessFiles, UsersAreLinesOfNameAndHash) {
    Options options;
    options.users =
        make("users", "# people\n\nann:" + std::string(kHash) + "\r\nb \xC3\xA4:" + kHash);
    const auto access = load_access(options);
    ASSERT_TRUE(access) << access.error().message;
    EXPECT_TRUE(access->warnings.empty());
    ASSERT_EQ(access->material.logins.size(), 2U);
    EXPECT_EQ(access->material.logins[0],
              (Login{.name = "ann", .password_hash = kHash, .groups = {}, .account = {}}));
    EXPECT_EQ(access->material.logins[1].name, "b \xC3\xA4");
}

TEST_F(AccessFiles, AUserIsRefusedByFileAndLineAndWithoutItsHash) {
    struct Case {
        const char* content;
        const char* line;
        const char* what;
    };
    const std::string twice = std::string("ann:") + kHash + "\nbob:" + kHash + "\nann:" + kHash;
    const Case table[] = {
        {"ann", "users:1: ", "expected NAME:HASH"},
        {"ann:", "users:1: ", "expected NAME:HASH"},
        {":x", "users:1: ", "expected NAME:HASH"},
        {"#\n\nann:hunter2hunter2", "users:3: user \"ann\"", "plain text"},
        {"ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "users:1: user \"ann\"", "{SHA}"},
        {"ann:$apr1$m2rJFKPc$SNOBzBQkHfdTUiWfnHcCC.", "users:1: user \"ann\"", "apr1"},
        {"a\xFFn:$6$x", "users:1: ", "expected NAME:HASH"},
        {twice.c_str(), "users:3: user \"ann\"", "in line 1 already"},
    };
    for (const Case& c : table) {
        Options options;
        std::filesystem::remove(dir_ / "users");
        options.users = make("users", c.content);
        const std::string why = why_not(options);
        EXPECT_TRUE(why.starts_with("users: ")) << why;
        EXPECT_NE(why.find(c.line), std::string::npos) << why;
        EXPECT_NE(why.find(c.what), std::string::npos) << why;
        EXPECT_EQ(why.find("hunter2"), std::string::npos) << why;
        EXPECT_EQ(why.find("SNOB"), std::string::npos) << why;
    }
}

TEST_F(AccessFiles, SigningKeysAreLinesOfIdAndSecret) {
    Options options;
    options.signing_key =
        make("keys", "new:" + kSecret + "\n# older\nold-1.x_:" + kSecret + ":x\n");
    const auto access = load_access(options);
    ASSERT_TRUE(access) << access.error().message;
    const auto& keys = access->material.signing_keys;
    ASSERT_EQ(keys.size(), 2U);
    EXPECT_EQ(keys[0].id, "new");
    EXPECT_EQ(keys[0].secret.view(), kSecret);
    EXPECT_EQ(keys[1].id, "old-1.x_");
    EXPECT_EQ(keys[1].secret.view(), kSecret + ":x");
    EXPECT_EQ(load_signing_keys(options)->material, access->material);
}

TEST_F(AccessFiles, ASigningKeyIsRefusedByFileAndLineAndWithoutItsSecret) {
    const std::pair<std::string, const char*> table[] = {
        {"", "expected a line ID:SECRET"},
        {"# none\n", "expected a line ID:SECRET"},
        {kSecret, "keys:1: expected ID:SECRET"},
        {":" + kSecret, "keys:1: expected ID:SECRET"},
        {"a b:" + kSecret, "keys:1: expected ID:SECRET"},
        {"k:tooshort", "keys:1: key \"k\": expected a secret of 32 bytes or more"},
        {"k:" + kSecret + "\nk:" + kSecret, "keys:2: key \"k\" is there already"},
    };
    for (const auto& [content, what] : table) {
        Options options;
        std::filesystem::remove(dir_ / "keys");
        options.signing_key = make("keys", content);
        const std::string why = why_not(options);
        EXPECT_TRUE(why.starts_with("signing-key: ")) << why;
        EXPECT_NE(why.find(what), std::string::npos) << why;
        EXPECT_EQ(why.find("tooshort"), std::string::npos) << why;
        EXPECT_EQ(why.find("ssss"), std::string::npos) << why;
    }
}

TEST_F(AccessFiles, KeysOfTokensAreFilesOfOneKey) {
    Options options;
    const test::JwsKey one(test::KeyKind::p256), other(test::KeyKind::ed25519);
    options.jwt_keys = {make("one.pem", one.public_pem()), make("other.pem", other.public_pem())};
    const auto access = load_access(options);
    ASSERT_TRUE(access) << access.error().message;
    ASSERT_EQ(access->material.jwt_keys.size(), 2U);
    EXPECT_EQ(access->material.jwt_keys[1].pem, other.public_pem());
    EXPECT_EQ(access->material.jwt_keys[1].name, options.jwt_keys[1]);
    options.jwt_keys = {make("private.pem", test::make_certificate().key_pem)};
    const std::string why = why_not(options);
    EXPECT_TRUE(why.starts_with("jwt-key: cannot use the key of tokens")) << why;
    EXPECT_NE(why.find("openssl pkey -pubout"), std::string::npos) << why;
}

TEST_F(AccessFiles, WhatCannotBeReadIsToldByName) {
    Options options;
    options.users = (dir_ / "none").string();
    EXPECT_NE(why_not(options).find("expected the name of a file that exists"), std::string::npos);
    options.users = dir_.path().string();
    EXPECT_NE(why_not(options).find("expected a file"), std::string::npos);
}

TEST_F(AccessFiles, ThatEverybodyMayReadThemIsWarnedOf) {
    Options options;
    options.users = make("users", std::string("ann:") + kHash);
    options.signing_key = make("keys", "k:" + kSecret);
    for (const std::string& name : {options.users, options.signing_key})
        std::filesystem::permissions(name, std::filesystem::perms::others_read,
                                     std::filesystem::perm_options::add);
    const auto access = load_access(options);
    ASSERT_TRUE(access);
    ASSERT_EQ(access->warnings.size(), 2U);
    EXPECT_NE(access->warnings[0].find("chmod o= \"" + options.users + "\""), std::string::npos);
}

TEST_F(AccessFiles, TravelInAParcel) {
    LoadedAccess access;
    access.warnings = {"one", ""};
    access.material.logins = {
        {.name = "ann", .password_hash = kHash, .groups = {"a", "b"}, .account = "www"}};
    access.material.tokens = {{.name = "ci", .sha256 = "00", .groups = {"c"}}};
    access.material.jwt_keys = {{.pem = "PEM\n", .name = "file"}};
    access.material.signing_keys.push_back({.id = "k", .secret = Secret(kSecret)});
    access.material.accounts = {{.name = "www", .uid = 33, .gid = 33, .groups = {33, 100'000}},
                                {.name = "none", .uid = 1, .gid = 0, .groups = {}}};
    const auto parcel = pack(access);
    ASSERT_TRUE(parcel);
    const auto taken = unpack_access(*parcel);
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->warnings, access.warnings);
    EXPECT_EQ(taken->material, access.material);
    EXPECT_EQ(access.copy().material, access.material);
    const auto empty = pack(LoadedAccess{});
    EXPECT_TRUE(unpack_access(*empty)->is_empty());
    const test::TempDir dir;
    write_file(dir / "odd", "odd");
    const UniqueFd odd(open((dir / "odd").c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_FALSE(unpack_access(odd));
}

} // namespace
} // namespace fsrv
