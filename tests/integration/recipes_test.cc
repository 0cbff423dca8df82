// The recipes of docs/ACCESS.md, as they stand in it: each is a configuration that is taken, and
// does what its heading says.

#include "common/crypto/base64.h"
#include "tests/support/certificates.h"
#include "tests/support/files.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"
#include "tests/support/tls_client.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sstream>
#include <unistd.h>

namespace fsrv::test {
namespace {

namespace fs = std::filesystem;

struct Recipe {
    std::string heading; // the line above it, without what marks it as one
    std::string text;
};

// Each block of the document that is a configuration.
std::vector<Recipe> recipes_of_the_document() {
    const char* docs = std::getenv("FSRV_DOCS");
    std::istringstream lines(
        read_file(std::string(docs != nullptr ? docs : "docs") + "/ACCESS.md"));
    std::vector<Recipe> recipes;
    bool inside = false;
    std::string above;
    for (std::string line; std::getline(lines, line);) {
        if (inside && line != "```") {
            recipes.back().text += line + '\n';
        } else if (line == "```toml") {
            recipes.push_back({.heading = above, .text = {}});
            inside = true;
        } else if (inside) {
            inside = false;
        } else if (!line.empty()) {
            above = line.substr(std::min(line.find_first_not_of("# "), line.size()));
        }
    }
    return recipes;
}

constexpr const char* kTeam = "A folder for a team";
constexpr const char* kAccounts = "| `\"user\"` |";
constexpr const char* kPrivateCorner = "Public, with a private corner";
constexpr const char* kPublicCorner = "Private, with a public corner";
constexpr const char* kLinks = "Links for customers";
constexpr const char* kProxy = "Behind oauth2-proxy or Authelia";
constexpr const char* kMachines = "Machines by certificate";
constexpr const char* kOffice = "From the office alone";
constexpr const char* kAll[] = {kTeam,  kAccounts, kPrivateCorner, kPublicCorner,
                                kLinks, kProxy,    kMachines,      kOffice};

Recipe recipe(const char* heading) {
    for (Recipe& each : recipes_of_the_document())
        if (each.heading.starts_with(heading)) return each;
    ADD_FAILURE() << "docs/ACCESS.md has no recipe \"" << heading << '"';
    return {};
}

// What the recipe's own words leave to the reader.
struct Filling {
    std::vector<std::pair<std::string, std::string>> places; // what stands there, what it is here
    std::string options;                                     // before the tables
    std::string tables;                                      // after them
    std::vector<std::string> args;
    std::vector<std::string> trouble;
};

class Recipes : public testing::Test {
  protected:
    Recipes() {
        for (const char* folder :
             {"team", "home", "internal", "public", "orders", "builds", "archive"}) {
            fs::create_directory(root_ / folder);
            write_file(root_ / folder / "f", folder);
        }
        write_file(root_ / "f", "root");
    }
    std::string at(std::string_view name) const { return (conf_ / name).string(); }
    std::string make(std::string_view name, const std::string& content) {
        write_file(conf_ / name, content);
        fs::permissions(conf_ / name, fs::perms::owner_read | fs::perms::owner_write);
        return at(name);
    }
    // As the document says to make it.
    static std::string login(const std::string& name, const std::string& more = "") {
        const RunResult made =
            run({fsrv_binary(), "--hash-password", name}, {.input = password(name)});
        EXPECT_TRUE(ran_well(made, "--hash-password"));
        return made.out + more;
    }
    static std::string hash_in(const std::string& table) {
        const std::string key = "password = \"";
        const std::size_t from = table.find(key) + key.size();
        return table.substr(from, table.find('"', from) - from);
    }
    static std::string password(const std::string& name) { return "sesame of " + name; }
    static std::string as(const std::string& name) {
        return fmt::format(
            "Authorization: Basic {}\r\n",
            crypto::encode_base64(name + ':' + password(name), crypto::Base64::standard));
    }
    static std::string from(const char* address) {
        return fmt::format("X-Forwarded-For: {}\r\n", address);
    }
    // Checked first, with the very arguments it is started with.
    ServerSetup configured(const char* heading, const Filling& filling) {
        std::string text = recipe(heading).text;
        for (const auto& [place, here] : filling.places) {
            const std::size_t found = text.find(place);
            EXPECT_NE(found, std::string::npos) << place;
            if (found != std::string::npos) text.replace(found, place.size(), here);
        }
        ServerSetup setup{
            .args = {"--config", make("fsrv.toml", filling.options + text + filling.tables)}};
        setup.args.insert(setup.args.end(), filling.args.begin(), filling.args.end());
        setup.trouble = filling.trouble;
        std::vector<std::string> check{fsrv_binary(), "--check"};
        check.insert(check.end(), setup.args.begin(), setup.args.end());
        check.push_back(root_.str());
        EXPECT_TRUE(ran_well(run(check), heading));
        return setup;
    }
    static int status(const Server& server, std::string_view target,
                      const std::string& fields = "") {
        return fetch(server.port(), target, fields).status;
    }
    TempDir root_, conf_;
};

TEST_F(Recipes, EachOfTheDocumentIsTriedHere) {
    const std::vector<Recipe> found = recipes_of_the_document();
    EXPECT_EQ(found.size(), std::size(kAll));
    for (const Recipe& each : found)
        EXPECT_EQ(std::ranges::count_if(
                      kAll, [&](const char* known) { return each.heading.starts_with(known); }),
                  1)
            << each.heading;
}

TEST_F(Recipes, AFolderForATeam) {
    Server server(root_.path(), configured(kTeam, {.tables = login("ann") + login("bob")}));
    EXPECT_EQ(status(server, "/team/f", as("ann")), 200);
    EXPECT_EQ(status(server, "/team/f", as("bob")), 403);
    for (const char* path : {"/team", "/team/", "/team/f", "/team/none"})
        EXPECT_EQ(status(server, path), 401) << path;
    EXPECT_EQ(status(server, "/f"), 200);
    EXPECT_EQ(fetch(server.port(), "/").body.find("team"), std::string::npos);
    EXPECT_NE(fetch(server.port(), "/", as("ann")).body.find("team"), std::string::npos);
}

TEST_F(Recipes, WhoAsksGetsWhatTheAccountMayRead) {
    if (!am_root()) GTEST_SKIP() << "needs root";
    const passwd* const account = ::getpwnam("daemon"); // each Debian has it
    ASSERT_NE(account, nullptr);
    fs::permissions(root_.path(), fs::perms(0755));
    write_file(root_ / "home/own", "own");
    ASSERT_EQ(::chown((root_ / "home/own").c_str(), account->pw_uid, account->pw_gid), 0);
    fs::permissions(root_ / "home/own", fs::perms(0600));
    fs::permissions(root_ / "home/f", fs::perms(0600));
    Server server(root_.path(),
                  configured(kAccounts, {.places = {{"$y$j9T$...", hash_in(login("ann"))},
                                                    {"account = \"ann\"", "account = \"daemon\""}},
                                         .args = {"--user", "nobody"},
                                         .trouble = {"workers keep CAP_SETUID and CAP_SETGID"}}));
    EXPECT_EQ(fetch(server.port(), "/home/own", as("ann")).body, "own");
    EXPECT_EQ(status(server, "/home/f", as("ann")), 403);
    EXPECT_EQ(status(server, "/home/own"), 401);
}

TEST_F(Recipes, PublicWithAPrivateCorner) {
    Server server(root_.path(),
                  configured(kPrivateCorner,
                             {.tables = login("ann", "groups = [\"staff\"]\n") + login("bob")}));
    EXPECT_EQ(status(server, "/f"), 200);
    EXPECT_EQ(status(server, "/public/f"), 200);
    EXPECT_EQ(status(server, "/internal/f"), 401);
    EXPECT_EQ(status(server, "/internal/f", as("bob")), 403);
    EXPECT_EQ(status(server, "/internal/f", as("ann")), 200);
}

TEST_F(Recipes, PrivateWithAPublicCorner) {
    Server server(root_.path(), configured(kPublicCorner, {.tables = login("ann")}));
    EXPECT_EQ(status(server, "/public/f"), 200);
    for (const char* path : {"/", "/f", "/internal/f", "/publicity"}) {
        EXPECT_EQ(status(server, path), 401) << path;
        EXPECT_NE(status(server, path, as("ann")), 401) << path;
    }
    EXPECT_EQ(status(server, "/f", as("ann")), 200);
}

TEST_F(Recipes, LinksForCustomers) {
    const std::string keys = make("keys", "k1:0123456789abcdef0123456789abcdef\n");
    Server server(root_.path(),
                  configured(kLinks, {.tables = login("ann", "groups = [\"staff\"]\n"),
                                      .args = {"--signing-key", keys}}));
    write_file(root_ / "orders/7.zip", "seven");
    write_file(root_ / "orders/8.zip", "eight");
    // The command in its heading, word by word.
    const std::string heading = recipe(kLinks).heading;
    const std::size_t begin = heading.find('`') + 1;
    std::istringstream words(heading.substr(begin, heading.find('`', begin) - begin));
    std::vector<std::string> command;
    for (std::string word; words >> word;)
        command.push_back(word == "fsrv" ? fsrv_binary() : word == "keys" ? keys : word);
    const RunResult made = run(command);
    ASSERT_TRUE(ran_well(made, heading));
    const std::string host = "https://files.example.org";
    ASSERT_TRUE(made.out.starts_with(host + "/orders/7.zip?")) << made.out;
    const std::string link = made.out.substr(host.size(), made.out.size() - host.size() - 1);
    EXPECT_EQ(fetch(server.port(), link).body, "seven");
    EXPECT_EQ(status(server, "/orders/7.zip"), 401);
    EXPECT_EQ(status(server, "/orders/8.zip" + link.substr(link.find('?'))), 401) << "of another";
    EXPECT_EQ(status(server, "/orders/8.zip", as("ann")), 200);
    EXPECT_EQ(status(server, "/f"), 200);
}

TEST_F(Recipes, BehindAProxyThatKnowsTheUsers) {
    const std::string trusted = "trusted-proxies = [\"127.0.0.1\"]";
    EXPECT_NE(recipe(kProxy).heading.find(trusted), std::string::npos);
    {
        Server server(root_.path(), configured(kProxy, {.options = trusted + '\n'}));
        EXPECT_EQ(status(server, "/f", "Remote-User: eve\r\n"), 200);
        EXPECT_TRUE(server.access().await_line(" - eve ["));
        const int none = status(server, "/f");
        EXPECT_EQ(none, 401);
    }
    // Of anybody else it is only a field.
    Server server(root_.path(),
                  configured(kProxy, {.options = "trusted-proxies = [\"192.0.2.1\"]\n"}));
    const int strangers = status(server, "/f", "Remote-User: eve\r\n");
    EXPECT_EQ(strangers, 401);
}

TEST_F(Recipes, MachinesByCertificate) {
    const Certificate ca = make_certificate({.name = "ca", .is_ca = true});
    const Certificate ci = make_certificate({.name = "ci.example.org", .issuer = &ca});
    const Certificate other = make_certificate({.name = "other.example.org", .issuer = &ca});
    const Certificate stranger = make_certificate({.name = "ci.example.org"});
    const Certificate own = make_certificate();
    Server server(
        root_.path(),
        configured(kMachines, {.options = fmt::format("tls-cert = \"{}\"\ntls-client-ca = \"{}\"\n",
                                                      make("own.pem", own.pem + own.key_pem),
                                                      make("ca.pem", ca.pem))}));
    struct Case {
        const Certificate* shown;
        int builds, elsewhere; // 0: there is no answer at all
    };
    for (const unsigned version : {12U, 13U}) {
        for (const Case& each : {Case{&ci, 200, 200}, Case{&other, 403, 200},
                                 Case{nullptr, 403, 200}, Case{&stranger, 0, 0}}) {
            SCOPED_TRACE(
                fmt::format("{}, TLS {}", each.shown ? each.shown->name : "none", version));
            TlsClient client(server.port(), {.version = version, .own = each.shown});
            EXPECT_EQ(client.ask(get("/builds/f")).status, each.builds);
            EXPECT_EQ(client.ask(get("/f")).status, each.elsewhere);
        }
        // Who is known by a session is the one that has begun it.
        TlsClient before(server.port(), {.version = version, .own = &ci});
        EXPECT_EQ(before.ask(get("/builds/f")).status, 200);
        TlsClient resumed(server.port(),
                          {.version = version, .own = &ci, .resumes = before.session().get()});
        EXPECT_EQ(resumed.ask(get("/builds/f")).status, 200);
    }
}

TEST_F(Recipes, FromTheOfficeAlone) {
    {
        Server server(root_.path(), configured(kOffice, {}));
        EXPECT_EQ(status(server, "/archive/f"), 403) << "from here";
        EXPECT_EQ(status(server, "/archive/f", from("192.0.2.9")), 403) << "by its own word";
        EXPECT_EQ(status(server, "/f"), 200);
    }
    Server server(root_.path(), configured(kOffice, {.args = {"--trusted-proxies", "127.0.0.1"}}));
    EXPECT_EQ(fetch(server.port(), "/archive/f", from("192.0.2.9")).body, "archive");
    EXPECT_EQ(status(server, "/archive/f", from("192.0.3.9")), 403);
    EXPECT_EQ(status(server, "/archive/f"), 403);
    EXPECT_EQ(status(server, "/f", from("192.0.3.9")), 200);
}

} // namespace
} // namespace fsrv::test
