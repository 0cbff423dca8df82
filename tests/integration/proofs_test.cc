// What people prove with that they are who they say: the files and commands of it.

#include "common/access_material.h"
#include "common/crypto/crypt_hash.h"
#include "common/crypto/signed_link.h"
#include "tests/support/await.h"
#include "tests/support/files.h"
#include "tests/support/jws.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <csignal>
#include <cstdlib>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

namespace fsrv::test {
namespace {

constexpr const char* kHash = "$2b$05$8fq9kzaSPid9ELjAT2MkKODRXIFOUvAZxsHIRjqzfk/gqhVfcQnVy";
constexpr const char* kSecret = "0123456789abcdef0123456789abcdef";

class Proofs : public testing::Test {
  protected:
    std::string make(const std::string& name, const std::string& content) {
        write_file(dir_ / name, content);
        std::filesystem::permissions(dir_ / name, std::filesystem::perms::owner_read |
                                                      std::filesystem::perms::owner_write);
        return (dir_ / name).string();
    }
    // The hash in a table that was printed, "" where there is none.
    static std::string hash_in(const std::string& table) {
        const std::size_t begin = table.find("password = \"");
        if (begin == std::string::npos) return "";
        const std::size_t from = begin + std::string_view("password = \"").size();
        return table.substr(from, table.find('"', from) - from);
    }
    TempDir root_, dir_;
};

// A program that asks something in a terminal.
class Asked final {
  public:
    explicit Asked(const std::vector<std::string>& command) {
        master_.reset(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
        if (::grantpt(master_.get()) != 0 || ::unlockpt(master_.get()) != 0) std::abort();
        const std::string name = ::ptsname(master_.get());
        slave_.reset(::open(name.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
        ::tcgetattr(slave_.get(), &before_);
        std::vector<char*> argv;
        for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
        argv.push_back(nullptr);
        std::vector<char*> envp = environment_with({});
        pid_ = ::fork();
        if (pid_ != 0) return;
        ::setsid();
        for (int fd = 0; fd < 3; ++fd) ::dup2(slave_.get(), fd);
        ::execvpe(argv[0], argv.data(), envp.data());
        ::_exit(127);
    }
    ~Asked() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        await_child(pid_);
    }

    // Types it once the question is there.
    void answer(std::string_view question, std::string_view keys) {
        while (text_.find(question, asked_) == std::string::npos && take_text()) {
        }
        EXPECT_NE(text_.find(question, asked_), std::string::npos) << text_;
        asked_ = text_.size();
        EXPECT_EQ(::write(master_.get(), keys.data(), keys.size()),
                  static_cast<ssize_t>(keys.size()));
    }
    int end() {
        const auto status = await_child(pid_);
        pid_ = -1;
        termios now{};
        ::tcgetattr(slave_.get(), &now);
        EXPECT_EQ(now.c_lflag, before_.c_lflag) << "the terminal is as it was";
        slave_.reset();
        while (take_text()) {
        }
        return status && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
    }
    const std::string& text() const { return text_; }

  private:
    bool take_text() {
        char bytes[4096];
        const ssize_t size = ::read(master_.get(), bytes, sizeof bytes);
        if (size > 0) text_.append(bytes, static_cast<std::size_t>(size));
        return size > 0;
    }

    UniqueFd master_, slave_;
    termios before_{};
    pid_t pid_ = -1;
    std::string text_;
    std::size_t asked_ = 0;
};

TEST_F(Proofs, APasswordIsAskedForTwiceAndNotShown) {
    Asked asked({fsrv_binary(), "--hash-password", "ann \"a\""});
    asked.answer("Password: ", "correct horse\n");
    asked.answer("Again: ", "correct horse\n");
    EXPECT_EQ(asked.end(), 0);
    EXPECT_EQ(asked.text().find("horse"), std::string::npos) << asked.text();
    EXPECT_NE(asked.text().find("[[login]]\r\nname = \"ann \\\"a\\\"\"\r\n"), std::string::npos)
        << asked.text();
    EXPECT_TRUE(crypto::password_matches("correct horse", hash_in(asked.text())));
}

TEST_F(Proofs, ThatDiffersOrIsBrokenOffNothingIsMadeOf) {
    Asked differs({fsrv_binary(), "--hash-password"});
    differs.answer("Password: ", "one\n");
    differs.answer("Again: ", "two\n");
    EXPECT_EQ(differs.end(), 2);
    EXPECT_NE(differs.text().find("they differ"), std::string::npos) << differs.text();
    Asked broken({fsrv_binary(), "--hash-password"});
    broken.answer("Password: ", "on\x03");
    EXPECT_EQ(broken.end(), 2);
    EXPECT_NE(broken.text().find("interrupted"), std::string::npos) << broken.text();
    for (const std::string& text : {differs.text(), broken.text()})
        EXPECT_EQ(hash_in(text), "") << text;
}

TEST_F(Proofs, APasswordIsALineOfStandardInput) {
    for (const char* input : {"secret\n", "secret", "secret\nmore\n"}) {
        const auto made = run({fsrv_binary(), "--hash-password", "ann"}, {.input = input});
        ASSERT_TRUE(ran_well(made, "--hash-password"));
        EXPECT_TRUE(made.out.starts_with("[[login]]\nname = \"ann\"\n")) << made.out;
        EXPECT_TRUE(crypto::password_matches("secret", hash_in(made.out)));
    }
    for (const std::string& input : {std::string(), std::string("\n"), std::string("a\tb\n"),
                                     std::string("\xFF\n"), std::string(600, 'a') + "\n"}) {
        const auto refused = run({fsrv_binary(), "--hash-password"}, {.input = input});
        EXPECT_EQ(refused.exit_status, 2) << input;
        EXPECT_EQ(refused.out, "");
    }
}

TEST_F(Proofs, ALinkIsPrintedThatIsGood) {
    const std::string file = make("keys", fmt::format("k1:{}\nk2:{}x\n", kSecret, kSecret));
    const auto made =
        run({fsrv_binary(), "--signing-key", file, "--sign", "https://x/a%20b/./c/?format=json",
             "--prefix", "--expires", "2h", "--resume", "1h", "--client", "192.0.2.0/24",
             "--attachment", "a&b.zip"});
    ASSERT_TRUE(ran_well(made, "--sign"));
    const std::string url = "https://x/a%20b/./c/?format=json&";
    ASSERT_TRUE(made.out.starts_with(url)) << made.out;
    const std::string query = made.out.substr(url.size(), made.out.size() - url.size() - 1);
    std::vector<SigningKey> keys;
    keys.push_back({.id = "k1", .secret = Secret(kSecret)});
    const std::int64_t now = std::time(nullptr);
    const auto link = crypto::verify_link(query, "a b/c/d", *parse_address("192.0.2.9"), keys, now);
    ASSERT_TRUE(link) << crypto::text_of(link.error()) << ": " << query;
    EXPECT_EQ(link->path, "a b/c");
    EXPECT_EQ(link->terms.attachment, "a&b.zip");
    EXPECT_EQ(link->terms.resume_by - link->terms.begin_by, 3600);
    EXPECT_GT(link->terms.begin_by, now + 7000);
}

TEST_F(Proofs, ALinkThatCannotBeMadeIsRefusedWithWhatWasExpected) {
    const std::string file = make("keys", fmt::format("k1:{}\n", kSecret));
    const std::string short_one = make("short", "k1:0123\n");
    const std::pair<std::vector<std::string>, const char*> table[] = {
        {{"--sign", "/a"}, "wants --signing-key"},
        {{"--sign", "/a", "--signing-key", short_one}, "short:1: key \"k1\": expected a secret"},
        {{"--sign", "/a", "--signing-key", dir_ / "none"}, "the name of a file that exists"},
        {{"--sign", "https://x?a", "--signing-key", file}, "expected a URL with a path"},
        {{"--sign", "/-/health", "--signing-key", file}, "expected the URL of a file"},
        {{"--sign", "/files?path=/etc", "--signing-key", file}, "from the folder that is served"},
        {{"--sign", "/a?sig=x", "--signing-key", file}, "signed already"},
        {{"--sign", "/a", "--uses", "2", "--signing-key", file}, "counts no downloads"},
        {{"--sign", "/a b", "--signing-key", file}, "blanks and # encoded"},
        {{"--sign", "/%2", "--signing-key", file}, "bad percent-encoding"},
    };
    for (const auto& [arguments, what] : table) {
        std::vector<std::string> command{fsrv_binary()};
        command.insert(command.end(), arguments.begin(), arguments.end());
        const auto refused = run(command);
        EXPECT_EQ(refused.exit_status, 2) << what;
        EXPECT_NE(refused.err.find(what), std::string::npos) << refused.err;
        EXPECT_EQ(refused.err.find("0123"), std::string::npos) << refused.err;
        EXPECT_EQ(refused.out, "");
    }
}

TEST_F(Proofs, TheirFilesAreCheckedAndNotShown) {
    const std::string users = make("users", fmt::format("ann:{}\n", kHash));
    const std::string keys = make("keys", fmt::format("k1:{}\n", kSecret));
    const std::string pem = make("key.pem", JwsKey(KeyKind::p256).public_pem());
    const std::vector<std::string> arguments = {"--users",   users, "--signing-key", keys,
                                                "--jwt-key", pem,   root_.str()};
    std::vector<std::string> command{fsrv_binary(), "--check"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    EXPECT_TRUE(ran_well(run(command), "--check"));
    command[1] = "--dump-config";
    const auto dump = run(command);
    EXPECT_NE(dump.out.find(users), std::string::npos);
    EXPECT_EQ(dump.out.find("$2b$"), std::string::npos);
    EXPECT_EQ(dump.out.find(kSecret), std::string::npos);
    make("users", "ann:hunter2\n");
    command[1] = "--check";
    const auto refused = run(command);
    EXPECT_EQ(refused.exit_status, 2);
    EXPECT_NE(refused.err.find("--users: " + users + ":1: user \"ann\""), std::string::npos)
        << refused.err;
    EXPECT_EQ(refused.err.find("hunter2"), std::string::npos) << refused.err;
}

TEST_F(Proofs, AReloadReadsThemAnewAndKeepsWhatWasWhenTheyAreBad) {
    write_file(root_ / "f", "f");
    const std::string users = make("users", fmt::format("ann:{}\n", kHash));
    const std::string keys = make("keys", fmt::format("k1:{}\n", kSecret));
    Server server(root_.path(), {.args = {"--users", users, "--signing-key", keys},
                                 .trouble = {"users:2: user \"bob\"", "every user of this"}});
    ASSERT_TRUE(server.started());
    make("users", fmt::format("ann:{}\nbob:hunter2\n", kHash));
    server.signal(SIGHUP);
    ASSERT_TRUE(server.log().await_line("users:2: user \"bob\": its password is no hash"));
    make("users", fmt::format("ann:{}\nbob:{}\n", kHash, kHash));
    std::filesystem::permissions(users, std::filesystem::perms::others_read,
                                 std::filesystem::perm_options::add);
    server.signal(SIGHUP);
    EXPECT_TRUE(server.log().await_line("reloaded: ")) << server.log().text();
    EXPECT_TRUE(server.log().await_line("every user of this machine may read the users"));
    EXPECT_EQ(fetch(server.port(), "/f").status, 200);
    EXPECT_EQ(server.log().text().find("hunter2"), std::string::npos);
}

} // namespace
} // namespace fsrv::test
