// Whose rights on the file system decide (permissions = "world" and "user"), with the real server,
// started as root: each file is asked for by everybody, and the kernel's own answer is compared.

#include "tests/support/files.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <filesystem>
#include <fmt/format.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/fsuid.h>
#include <unistd.h>

namespace fsrv::test {
namespace {

namespace fs = std::filesystem;

// Of "sesame".
constexpr const char* kHash = "$2b$05$abcdefghijklmnopqrstuuKcS.CYWVYVaLiiCKrrc0A5s3mGesJ9O";
constexpr const char* kAnn = "Authorization: Basic YW5uOnNlc2FtZQ==\r\n"; // daemon's account
constexpr const char* kBob = "Authorization: Basic Ym9iOnNlc2FtZQ==\r\n"; // mail's
constexpr const char* kCid = "Authorization: Basic Y2lkOnNlc2FtZQ==\r\n"; // none
// Accounts that each Debian has.
constexpr const char* kAnnsAccount = "daemon";
constexpr const char* kBobsAccount = "mail";

// What the start says of it.
constexpr const char* kKept = "workers keep CAP_SETUID and CAP_SETGID";

void give(const fs::path& path, const char* account, const char* group, mode_t mode) {
    const passwd* const user = ::getpwnam(account);
    ASSERT_NE(user, nullptr) << account;
    const struct group* const its = ::getgrnam(group);
    ASSERT_NE(its, nullptr) << group;
    ASSERT_EQ(::chown(path.c_str(), user->pw_uid, its->gr_gid), 0);
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
}

struct Mode {
    const char* name;
    bool plain;     // the build that locks its workers in
    const char* io; // --io
    const char* user;
};
void PrintTo(const Mode& mode, std::ostream* out) {
    *out << mode.name;
}

class Permissions : public testing::TestWithParam<Mode> {
  protected:
    void SetUp() override {
        if (!am_root()) GTEST_SKIP() << "needs root";
        if (GetParam().plain && !use_plain_binary())
            GTEST_SKIP() << "FSRV_PLAIN_BINARY names no build without a sanitizer";
        ASSERT_EQ(::chmod(root_.path().c_str(), 0755), 0);
        for (const char* folder :
             {"home", "world", "home/ann", "home/bob", "home/shared", "world/shut"})
            fs::create_directory(root_ / folder);
        const auto file = [&](const char* name, const char* account, const char* group,
                              mode_t mode) {
            write_file(root_ / name, content(name));
            give(root_ / name, account, group, mode);
            set_mtime(root_ / name);
        };
        file("home/ann/own", kAnnsAccount, "root", 0600);
        file("home/ann/all", kAnnsAccount, "root", 0644);
        file("home/bob/own", kBobsAccount, "root", 0600);
        file("home/bob/group", kBobsAccount, kAnnsAccount, 0640);
        file("home/shared/roots", "root", "root", 0600);
        file("home/shared/anns", kAnnsAccount, "root", 0400);
        file("home/shared/all", "root", "root", 0644);
        give(root_ / "home/ann", kAnnsAccount, "root", 0700);
        give(root_ / "home/bob", kBobsAccount, "root", 0711);
        file("world/all", "root", "root", 0644);
        file("world/group", "root", "root", 0640);
        file("world/shut/all", "root", "root", 0644);
        fs::create_symlink("shut/all", root_ / "world/link");
        fs::create_symlink("../home/shared/all", root_ / "world/to-home");
        fs::create_symlink("home/shared/all", root_ / "to-home");
        give(root_ / "world/shut", "root", "root", 0750);
        write_file(conf_ / "fsrv.toml", rules());
    }
    static std::string content(const std::string& name) { return "the bytes of " + name; }
    static std::string rules() {
        std::string text =
            "[[path]]\nprefix = \"/world\"\npermissions = \"world\"\n"
            "[[path]]\nprefix = \"/home\"\npermissions = \"user\"\nallow = [\"users\"]\n";
        for (const auto& [name, account] :
             {std::pair{"ann", kAnnsAccount}, {"bob", kBobsAccount}, {"cid", ""}}) {
            text += fmt::format("[[login]]\nname = \"{}\"\npassword = \"{}\"\n", name, kHash);
            if (*account != '\0') text += fmt::format("account = \"{}\"\n", account);
        }
        return text;
    }
    std::vector<std::string> args() {
        return {"--config",  (conf_ / "fsrv.toml").string(),
                "--user",    GetParam().user,
                "--io",      GetParam().io,
                "--workers", "1",
                "--threads", "2"};
    }
    TempDir root_, conf_;
};

struct Ask {
    const char* target;
    int nobody, ann, bob, cid;
};
constexpr Ask kAsks[] = {
    {"/home/ann/own", 401, 200, 403, 403},
    {"/home/ann/all", 401, 200, 403, 403}, // behind a folder of mode 700
    {"/home/bob/own", 401, 403, 200, 403},
    {"/home/bob/group", 401, 200, 200, 403},
    {"/home/shared/roots", 401, 403, 403, 403},
    {"/home/shared/anns", 401, 200, 403, 403},
    {"/home/shared/all", 401, 200, 200, 403},
    {"/home/ann/", 401, 200, 403, 403},
    {"/home/bob/", 401, 403, 200, 403}, // may be entered, not read
    {"/home/shared/", 401, 200, 200, 403},
    {"/home/shared/?archive=tar", 401, 200, 200, 403},
    {"/home/none", 401, 404, 404, 403},
    {"/world/all", 200, 200, 200, 200},
    {"/world/group", 403, 403, 403, 403},
    {"/world/shut/all", 403, 403, 403, 403},
    {"/world/shut/", 403, 403, 403, 403},
    {"/world/link", 403, 403, 403, 403},
    {"/world/to-home", 401, 403, 403, 403}, // others' rights would have to decide
    {"/to-home", 401, 403, 403, 403},
    {"/world/", 200, 200, 200, 200},
};

TEST_P(Permissions, DecideWhoeverAskedBefore) {
    Server server(root_.path(), args());
    server.expect_trouble(kKept);
    RawClient client(server.port());
    for (int round = 0; round < 3; ++round) { // whatever was kept of the one before
        for (const Ask& ask : kAsks) {
            const auto status = [&](const char* fields) {
                return client.ask(get(ask.target, fields)).status;
            };
            EXPECT_EQ(status(""), ask.nobody) << ask.target;
            EXPECT_EQ(status(kAnn), ask.ann) << ask.target;
            EXPECT_EQ(status(kBob), ask.bob) << ask.target;
            EXPECT_EQ(status(kCid), ask.cid) << ask.target;
        }
    }
}

TEST_P(Permissions, HoldForWhatAnArchiveHas) {
    Server server(root_.path(), args());
    server.expect_trouble(kKept);
    const auto archive = [&](const char* target, const char* fields) {
        return RawClient(server.port()).ask(get(target, fields)).body;
    };
    const auto has = [](const std::string& bytes, const char* text) {
        return bytes.find(content(text)) != bytes.npos;
    };
    const std::string ann = archive("/home/shared/?archive=tar", kAnn);
    const std::string bob = archive("/home/shared/?archive=tar", kBob);
    EXPECT_TRUE(has(ann, "home/shared/anns"));
    EXPECT_FALSE(has(bob, "home/shared/anns"));
    for (const std::string* bytes : {&ann, &bob}) {
        EXPECT_TRUE(has(*bytes, "home/shared/all"));
        EXPECT_FALSE(has(*bytes, "home/shared/roots"));
        EXPECT_NE(bytes->find("NOT-INCLUDED.txt"), bytes->npos);
    }
    const std::string world = archive("/world/?archive=tar", "");
    EXPECT_TRUE(has(world, "world/all"));
    for (const char* name : {"world/group", "world/shut/all", "home/shared/all"})
        EXPECT_FALSE(has(world, name)) << name;
    const std::string whole = archive("/?archive=tar", kAnn);
    for (const char* name : {"world/group", "world/shut/all", "home/ann/own", "home/shared/all"})
        EXPECT_FALSE(has(whole, name)) << name << ": read with the worker's rights";
}

TEST_P(Permissions, ChangeWithTheFile) {
    Server server(root_.path(), args());
    server.expect_trouble(kKept);
    RawClient client(server.port());
    const auto status = [&](const char* target, const char* fields) {
        return client.ask(get(target, fields)).status;
    };
    EXPECT_EQ(status("/world/all", ""), 200);
    ASSERT_EQ(::chmod((root_ / "world").c_str(), 0750), 0);
    EXPECT_EQ(status("/world/all", ""), 403);
    ASSERT_EQ(::chmod((root_ / "world").c_str(), 0755), 0);
    EXPECT_EQ(status("/world/all", ""), 200);
    EXPECT_EQ(status("/home/shared/all", kBob), 200);
    ASSERT_EQ(::chmod((root_ / "home/shared").c_str(), 0700), 0);
    EXPECT_EQ(status("/home/shared/all", kBob), 403);
}

INSTANTIATE_TEST_SUITE_P(With, Permissions,
                         testing::Values(Mode{"Threads", false, "threads", "nobody"},
                                         Mode{"Auto", false, "auto", "root"},
                                         Mode{"LockedIn", true, "auto", "nobody"},
                                         Mode{"LockedInAsRoot", true, "threads", "root"},
                                         Mode{"LockedInInline", true, "inline", "nobody"}),
                         [](const auto& mode) { return std::string(mode.param.name); });

struct Refusal {
    const char* rule;
    const char* said;
};
constexpr Refusal kRefusals[] = {
    {"[[path]]\nprefix = \"/\"\npermissions = \"user\"\n", "who has not logged in has no account"},
    {"[[path]]\nprefix = \"/\"\npermissions = \"world\"\nsymlinks = \"follow\"\n",
     "below the root only"},
    {"[[path]]\nprefix = \"/\"\npermissions = \"owner\"\n", "expected worker, world or user"},
    {"[[path]]\nprefix = \"/\"\npermissions = \"user\"\nallow = [\"users\"]\n[[login]]\nname = "
     "\"a\"\n"
     "password = \"$2b$05$abcdefghijklmnopqrstuuKcS.CYWVYVaLiiCKrrc0A5s3mGesJ9O\"\naccount = "
     "\"no-such\"\n",
     "there is none of that name"},
    {"[[path]]\nprefix = \"/\"\npermissions = \"user\"\nallow = [\"users\"]\n[[login]]\nname = "
     "\"a\"\n"
     "password = \"$2b$05$abcdefghijklmnopqrstuuKcS.CYWVYVaLiiCKrrc0A5s3mGesJ9O\"\naccount = "
     "\"root\"\n",
     "root's rights are lent to nobody"},
};

TEST(PermissionsAtTheStart, AreRefusedWhereTheyCannotHold) {
    if (!am_root()) GTEST_SKIP() << "needs root";
    const TempDir root, conf;
    for (const Refusal& refusal : kRefusals) {
        write_file(conf / "fsrv.toml", refusal.rule);
        const RunResult check = run({fsrv_binary(), "--check", "--config",
                                     (conf / "fsrv.toml").string(), root.path().string()});
        EXPECT_EQ(check.exit_status, 2) << refusal.rule;
        EXPECT_NE(check.err.find(refusal.said), std::string::npos) << check.err;
    }
}

} // namespace
} // namespace fsrv::test
