// What lets somebody in is told to nobody: with every kind of secret on its way through a server,
// none shows in what the server says, in whatever form.

#include "common/crypto/base64.h"
#include "tests/integration/admin_support.h"
#include "tests/support/certificates.h"
#include "tests/support/files.h"
#include "tests/support/http2_client.h"
#include "tests/support/jws.h"
#include "tests/support/process.h"
#include "tests/support/server.h"
#include "tests/support/tls_client.h"

#include <cctype>
#include <csignal>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <set>
#include <sstream>

namespace fsrv::test {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;

const std::string kBearer = "Bearer ";
constexpr std::uint64_t kSize = 16 << 20;
// With what base64 and percent-encoding spell in another way.
constexpr const char* kPassword = "Right+Horse/Battery?Staple>>";
constexpr const char* kWrongPassword = "Wrong+Horse/Battery?Staple>>";
constexpr const char* kUrlPassword = "Url+Horse%2FBattery"; // as it stands in an address
constexpr const char* kToken = "GoodToken~opaque+1/2==";
constexpr const char* kWrongToken = "BadToken~opaque+1/2==";
constexpr const char* kQueryToken = "QueryToken~opaque+1";
constexpr const char* kAccessToken = "AccessToken~opaque+1";
constexpr const char* kSigningSecret = "Signing/Secret+of+32+bytes+or+more";
constexpr const char* kWrongSignature = "WrongSignature-WrongSignature_WrongSignatur";

std::string hash_of_the_password() {
    const RunResult made = run({fsrv_binary(), "--hash-password"}, {.input = kPassword});
    EXPECT_TRUE(ran_well(made, "--hash-password"));
    const std::string key = "password = \"";
    const std::size_t from = made.out.find(key) + key.size();
    return made.out.substr(from, made.out.find('"', from) - from);
}

std::string standard(std::string_view bytes) {
    return crypto::encode_base64(bytes, crypto::Base64::standard);
}

std::string percent(std::string_view bytes, bool all, const char* digits) {
    std::string text;
    for (const char byte : bytes) {
        const auto code = static_cast<unsigned char>(byte);
        if (!all && std::isalnum(code) != 0)
            text += byte;
        else
            text += {'%', digits[code >> 4], digits[code & 15]};
    }
    return text;
}

// What of it is the same in base64, wherever it stands among other bytes.
void add_base64(std::set<std::string>& forms, const std::string& secret) {
    for (const crypto::Base64 kind : {crypto::Base64::standard, crypto::Base64::url}) {
        for (std::size_t before = 0; before < 3; ++before) {
            std::string bytes = std::string(before, 'x') + secret;
            bytes.resize(bytes.size() / 3 * 3);
            forms.insert(crypto::encode_base64(bytes, kind).substr(before == 0 ? 0 : 4));
        }
    }
}

std::set<std::string> forms_of(const std::string& secret) {
    std::set<std::string> forms{secret, crypto::encode_hex(secret)};
    for (const char* digits : {"0123456789ABCDEF", "0123456789abcdef"})
        for (const bool all : {false, true}) forms.insert(percent(secret, all, digits));
    add_base64(forms, secret);
    return forms;
}

class Secrets : public testing::TestWithParam<const char*> {
  protected:
    Secrets() {
        fs::create_directory(root_ / "private");
        write_pattern(root_ / "private/f", 100);
        write_pattern(root_ / "private/big", kSize);
        write_pattern(root_ / "f", 100);
        const Certificate own = make_certificate();
        make("own.pem", own.pem + own.key_pem);
        make("jwt.pem", jws_.public_pem());
        make("keys", fmt::format("k1:{}\n", kSigningSecret));
        const std::string hash = hash_of_the_password();
        digest_ = run({"sh", "-c", "printf %s \"$1\" | sha256sum", "sh", kToken}).out.substr(0, 64);
        make("users", "bob:" + hash + "\n");
        make("fsrv.toml",
             fmt::format("[[path]]\nprefix = \"/private\"\nallow = [\"users\", \"signed\"]\n"
                         "[[login]]\nname = \"ann\"\npassword = \"{}\"\n"
                         "[[token]]\nname = \"ci\"\nsha256 = \"{}\"\n",
                         hash, digest_));
        jwt_ = jwt();
        link_ = link();
        for (const std::string& secret :
             {std::string(kPassword), std::string(kWrongPassword), std::string(kUrlPassword),
              std::string(kToken), std::string(kWrongToken), std::string(kQueryToken),
              std::string(kAccessToken), std::string(kSigningSecret), std::string(kWrongSignature),
              "ann:" + std::string(kPassword), "ann:" + std::string(kWrongPassword), hash, jwt_,
              jwt_.substr(0, jwt_.find('.')), jwt_.substr(jwt_.find('.') + 1, 40),
              jwt_.substr(jwt_.rfind('.') + 1), signature()})
            add(secret);
        std::istringstream lines(own.key_pem);
        for (std::string line; std::getline(lines, line);)
            if (!line.starts_with("-----")) add(line);
    }
    void add(const std::string& secret) { secrets_.merge(forms_of(secret)); }
    std::string at(std::string_view name) const { return (conf_ / name).string(); }
    void make(std::string_view name, const std::string& content) {
        write_file(conf_ / name, content);
        fs::permissions(conf_ / name, fs::perms::owner_read | fs::perms::owner_write);
    }
    std::string jwt() const {
        const std::string text = crypto::encode_base64(R"({"alg":"ES256"})", crypto::Base64::url) +
                                 '.' +
                                 crypto::encode_base64(fmt::format(R"({{"sub":"eve","exp":{}}})",
                                                                   std::time(nullptr) + 3600),
                                                       crypto::Base64::url);
        return text + '.' + crypto::encode_base64(jws_.sign(text), crypto::Base64::url);
    }
    // To all of the private folder.
    std::string link() const {
        const RunResult made = run({fsrv_binary(), "--signing-key", at("keys"), "--sign",
                                    "https://localhost/private/", "--prefix"});
        EXPECT_TRUE(ran_well(made, "--sign"));
        return made.out.substr(made.out.find('?'), made.out.find('\n') - made.out.find('?'));
    }
    std::string signature() const { return link_.substr(link_.find("sig=") + 4, 43); }
    std::vector<std::string> args() const {
        return {"--config",   at("fsrv.toml"), "--users",       at("users"),
                "--jwt-key",  at("jwt.pem"),   "--signing-key", at("keys"),
                "--tls-cert", at("own.pem"),   "--workers",     "1"};
    }
    ServerSetup setup(const char* format) const {
        ServerSetup setup{.args = args(), .trouble = {"worker "}};
        setup.args.insert(setup.args.end(),
                          {"--admin", "127.0.0.1:0", "--control", at("control.sock"), "--log-level",
                           "debug", "--log-format", format, "--auth-failures", "0", "--grace",
                           "100ms"});
        return setup;
    }
    RunResult ctl(const char* word) const {
        return run({fsrv_binary(), "--control", at("control.sock"), "--ctl", word});
    }
    static std::string basic(const char* password) {
        return "Basic " + standard(std::string("ann:") + password);
    }
    static std::string authorization(const std::string& value) {
        return "Authorization: " + value + "\r\n";
    }
    // Every way in, and every way to be refused.
    void ask_for_everything(const Server& server) const {
        const std::string tokens =
            fmt::format("token={}&access_token={}", kQueryToken, kAccessToken);
        const std::string wrong = fmt::format("?expires=9999999999&key=k1&sig={}", kWrongSignature);
        struct Ask {
            std::string target, fields;
            int status;
        };
        const Ask asks[] = {
            {"/private/f", authorization(basic(kPassword)), 200},
            {"/private/f", authorization(basic(kPassword)), 200}, // known by now
            {"/private/f", authorization(basic(kWrongPassword)), 401},
            {"/private/f", authorization(kBearer + kToken), 200},
            {"/private/f", authorization(kBearer + kWrongToken), 401},
            {"/private/f", authorization(kBearer + jwt_), 200},
            {"/private/f", authorization(kBearer + jwt_ + "A"), 401},
            {"/private/f", authorization(basic(kPassword)) + authorization(kBearer + kToken), 400},
            {"/private/f" + link_, "", 200},
            {"/private/none" + link_, "", 404},
            {"/private/" + link_, "", 200},
            {"/private" + link_, "", 301},
            {"/private/" + link_ + "&archive=tar", "", 200},
            {"/private/f" + link_, "Range: bytes=0-9\r\n", 206},
            {"/private/f" + wrong, "", 401},
            {"/f" + link_, "", 200},
            {"/f?" + tokens, "", 200},
            {"/f?a=b&" + tokens + "&c=d", "", 200},
            {"/f?%74oken=" + std::string(kQueryToken), "", 200},
            {"/f?TOKEN=" + std::string(kQueryToken), "", 200},
            {"/none?" + tokens, "", 404},
            {"/f?token=" + percent(kQueryToken, true, "0123456789ABCDEF"), "", 200},
            {"/f", "Referer: https://localhost/private/" + link_ + '&' + tokens + "\r\n", 200},
            {"https://ann:" + std::string(kUrlPassword) + "@localhost/f", "", 400},
            {"/f", fmt::format("Referer: https://ann:{}@localhost/f\r\n", kUrlPassword), 200},
            {"/%zz?" + tokens, "", 400},
            {"/../f?" + tokens, "", 400},
            {"https://localhost/f?" + tokens, "", 200},
            {"/f?" + tokens, "Transfer-Encoding: nonsense\r\n", 501},
            {"/f?" + tokens, "Content-Length: x\r\n", 400},
            {"/f?" + tokens, "bad field\r\n", 400},
            {"/" + std::string(20'000, 'x') + "?" + tokens, "", 414},
        };
        for (const Ask& ask : asks) {
            TlsClient client(server.port());
            const Response response = client.ask(get(ask.target, ask.fields));
            EXPECT_EQ(response.status, ask.status) << ask.target << '\n' << ask.fields;
        }
        Http2Client h2(server.port(), {.tls = true});
        EXPECT_EQ(h2.ask("/private/f" + link_).status, 200);
        EXPECT_EQ(h2.ask("/f?" + tokens).status, 200);
        EXPECT_EQ(h2.ask("/private/f", {{"authorization", kBearer + jwt_}}).status, 200);
        EXPECT_EQ(h2.ask("/private/f", {{"authorization", basic(kWrongPassword)}}).status, 401);
    }
    // A download with every proof at once that a request may have, whose client has stopped to
    // read.
    std::unique_ptr<TlsClient> stalled(const Server& server, const std::string& fields) const {
        auto client = std::make_unique<TlsClient>(server.port(),
                                                  TlsSetup{.socket = {.receive_buffer = 65'536}});
        client->send(get(fmt::format("/private/big{}&token={}&access_token={}", link_, kQueryToken,
                                     kAccessToken),
                         fields));
        EXPECT_EQ(client->read_head().status, 200);
        return client;
    }
    void expect_none_in(const std::string& text, std::string_view where) const {
        EXPECT_FALSE(text.empty()) << where;
        for (const std::string& form : secrets_)
            EXPECT_EQ(text.find(form), std::string::npos)
                << where << " has " << form << ":\n"
                << text.substr(text.find(form) < 300 ? 0 : text.find(form) - 300, 800);
    }
    void expect_none_in_processes(const Server& server) const {
        std::vector<pid_t> pids = server.workers(); // and the admin process
        EXPECT_GE(pids.size(), 2U);
        pids.push_back(server.pid());
        for (const pid_t pid : pids)
            for (const char* file : {"cmdline", "environ"}) // which root alone may read
                expect_none_in(read_file(fmt::format("/proc/{}/{}", pid, file)) + '\n', file);
    }

    TempDir root_, conf_;
    const JwsKey jws_{KeyKind::p256};
    std::string jwt_, link_;
    std::string digest_; // of kToken; --dump-config shows it, as nobody guesses a token by it
    std::set<std::string> secrets_; // each form
};

TEST_P(Secrets, NoneShowsInWhatAServerSays) {
    Server server(root_.path(), setup(GetParam()));
    ASSERT_TRUE(server.started());
    add(digest_);
    ask_for_everything(server);
    const auto download = stalled(server, "");
    const Admin admin(server);
    std::string page;
    ASSERT_TRUE(await([&] {
        page = admin.get("/status", "Accept: application/json\r\n").body;
        return page.find("/private/big") != page.npos;
    })) << page;
    expect_none_in(page, "the status");
    for (const char* target : {"/status", "/metrics", "/"})
        expect_none_in(admin.get(target, "Accept: text/html\r\n").body, target);
    RunResult shown;
    EXPECT_TRUE(await([&] {
        shown = ctl("top");
        return shown.exit_status != 0 || shown.out.find("/private/big") != shown.out.npos;
    }));
    ASSERT_TRUE(ran_well(shown, "top"));
    expect_none_in(shown.out, "top");
    shown = ctl("status");
    ASSERT_TRUE(ran_well(shown, "status"));
    expect_none_in(shown.out, "--ctl status");
    expect_none_in_processes(server);
    ASSERT_TRUE(ran_well(ctl("reload"), "reload"));
    server.stop();
    expect_none_in(server.access().text(), "the access log");
    expect_none_in(server.log().text(), "standard error");
    EXPECT_TRUE(server.log().await_line("cut, the grace is over: GET /private/big?"));
    EXPECT_NE(server.access().text().find("sig=..."), std::string::npos)
        << "what was asked is told";
    EXPECT_NE(server.access().text().find("access_token=..."), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(In, Secrets, testing::Values("combined", "extended", "json"),
                         [](const auto& format) { return std::string(format.param); });

using SecretsOfTheDead = Secrets;

TEST_P(SecretsOfTheDead, NoneShowsInTheNoticeOfADeath) {
    for (const int signal : {SIGABRT, SIGSEGV, SIGKILL}) {
        if (signal == SIGSEGV && kSanitized) continue; // the sanitizer tells of it itself
        SCOPED_TRACE(strsignal(signal));
        Server server(root_.path(), setup("combined"));
        ASSERT_TRUE(server.started());
        const Admin admin(server);
        const auto download =
            stalled(server, authorization(GetParam() == "basic"s ? basic(kPassword)
                                          : GetParam() == "jwt"s ? kBearer + jwt_
                                                                 : kBearer + kToken));
        ASSERT_TRUE(await([&] { return admin.workers().size() == 1; }));
        const pid_t worker = admin.workers().at(0);
        ::kill(worker, signal);
        const auto line = server.log().await_line(fmt::format("SIG{}", ::sigabbrev_np(signal)));
        ASSERT_TRUE(line) << server.log().text();
        EXPECT_NE(line->find("/private/big?"), std::string::npos) << *line;
        EXPECT_NE(line->find("sig=..."), std::string::npos) << *line;
        TlsClient next(server.port());
        EXPECT_EQ(next.ask(get("/f")).status, 200) << "of its successor";
        server.stop();
        expect_none_in(server.log().text(), "standard error");
    }
}

INSTANTIATE_TEST_SUITE_P(Of, SecretsOfTheDead, testing::Values("basic", "token", "jwt"),
                         [](const auto& kind) { return std::string(kind.param); });

using SecretsOfTheConfiguration = Secrets;

TEST_P(SecretsOfTheConfiguration, NoneShowsInWhatACommandPrints) {
    std::vector<std::string> command{fsrv_binary(), GetParam()};
    const std::vector<std::string> more = args();
    command.insert(command.end(), more.begin(), more.end());
    command.push_back(root_.str());
    const RunResult result = run(command);
    ASSERT_TRUE(ran_well(result, GetParam()));
    expect_none_in(result.out + result.err + '\n', GetParam());
}

INSTANTIATE_TEST_SUITE_P(By, SecretsOfTheConfiguration, testing::Values("--check", "--dump-config"),
                         [](const auto& command) {
                             return std::string(command.param) == "--check" ? "Check" : "Dump";
                         });

} // namespace
} // namespace fsrv::test
