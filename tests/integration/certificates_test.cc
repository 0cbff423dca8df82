// Certificates and keys of a real server: what it says of bad ones, who can read them, and that
// renewed ones are taken. What is downloaded here goes over the Unix socket, which is always clear.

#include "tests/integration/admin_support.h"
#include "tests/support/certificates.h"
#include "tests/support/files.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <csignal>
#include <gtest/gtest.h>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

namespace fsrv::test {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kSize = 8 << 20;

class Certificates : public testing::Test {
  protected:
    Certificates() {
        write_pattern(root_ / "big.bin", kSize);
        write_file(conf_ / "fsrv.toml", "access-log = \"off\"\n");
    }
    std::string at(std::string_view name) const { return (conf_ / name).string(); }
    void put(std::string_view name, std::string_view bytes) const {
        write_file(conf_ / name, bytes);
        ASSERT_EQ(chmod(at(name).c_str(), 0600), 0);
    }
    // As certbot has them: links in live/ to files that are never written again.
    void install(const Certificate& certificate, const std::string& key_pem) {
        const std::string version = std::to_string(++versions_);
        put("cert" + version + ".pem", certificate.pem);
        put("key" + version + ".pem", key_pem);
        for (const std::string name : {"key", "cert"}) {
            fs::create_symlink(name + version + ".pem", conf_ / "next");
            fs::rename(conf_ / "next", conf_ / name);
        }
    }
    ServerSetup setup(std::vector<std::string> args, std::vector<std::string> trouble = {}) {
        args.insert(args.end(), {"--workers", "2", "--config", at("fsrv.toml"), "--control",
                                 at("control.sock")});
        return {.args = std::move(args),
                .environment = {},
                .wrapper = {},
                .before_exec = {},
                .trouble = std::move(trouble)};
    }
    RunResult ctl(const std::string& word) {
        return run({fsrv_binary(), "--control", at("control.sock"), "--ctl", word});
    }
    RunResult start(std::vector<std::string> args, std::vector<std::string> environment = {}) {
        args.insert(args.begin(), {fsrv_binary(), "--host", "127.0.0.1", "--port", "0"});
        args.push_back(root_.str());
        return run(args, {.environment = std::move(environment), .directory = {}, .input = {}});
    }

    TempDir root_, conf_;
    unsigned versions_ = 0;
};

TEST_F(Certificates, ABadPairIsStatus2WhereItStandsAndCheckSaysTheSame) {
    const Certificate good = make_certificate(), other = make_certificate();
    put("good", good.pem + good.key_pem);
    put("cert", good.pem);
    put("other.key", other.key_pem);
    put("locked", good.key_with_pass_phrase());
    const Certificate expired = make_certificate({.from_s = -200'000, .to_s = -100'000});
    put("expired", expired.pem + expired.key_pem);
    put("bad.toml", "port = 0\ntls-cert = \"" + at("cert") + "\"\n");
    const struct {
        std::vector<std::string> args, environment;
        std::string message;
    } table[] = {
        {{"--tls-cert", at("none")},
         {},
         "fsrv: --tls-cert: cannot use the certificate \"" + at("none")},
        {{"--tls-cert", at("cert")}, {}, "fsrv: --tls-cert: cannot use the certificate"},
        {{}, {"FSRV_TLS_CERT=" + at("cert")}, "fsrv: FSRV_TLS_CERT: cannot use the certificate"},
        {{"--config", at("bad.toml")}, {}, "bad.toml:2: tls-cert: cannot use the certificate"},
        {{"--tls-cert", at("cert"), "--tls-key", at("other.key")},
         {},
         "none of the keys is its own"},
        {{"--tls-cert", at("good"), "--tls-key", at("other.key")},
         {},
         "fsrv: --tls-key: cannot use the key"},
        {{"--tls-cert", at("cert"), "--tls-key", at("locked")}, {}, "openssl pkey -in"},
        {{"--tls-cert", at("expired")}, {}, "it has expired, on "},
        {{"--tls-cert", at("good"), "--tls-client-ca", at("other.key")},
         {},
         "fsrv: --tls-client-ca: "},
        {{"--tls-key", at("good")}, {}, "fsrv: --tls-key: wants --tls-cert"},
        {{"--tls-client-ca", at("good")}, {}, "fsrv: --tls-client-ca: wants --tls-cert"},
    };
    for (const auto& [args, environment, message] : table) {
        std::vector<std::string> checked = args;
        checked.emplace_back("--check");
        for (const RunResult& result : {start(args, environment), start(checked, environment)}) {
            EXPECT_EQ(result.exit_status, 2) << message;
            EXPECT_NE(result.err.find(message), std::string::npos) << result.err;
            EXPECT_EQ(result.err.find(" serves "), std::string::npos);
            EXPECT_EQ(result.err.find("PRIVATE KEY-----\n"), std::string::npos);
        }
    }
    const RunResult fine = start({"--check", "--tls-cert", at("good")});
    EXPECT_EQ(fine.exit_status, 0) << fine.err;
    const Certificate old = make_certificate({.to_s = 86'400});
    put("old", old.pem + old.key_pem);
    chmod(at("old").c_str(), 0644);
    const RunResult warned = start({"--check", "--tls-cert", at("old")});
    EXPECT_EQ(warned.exit_status, 0) << warned.err;
    EXPECT_NE(warned.err.find("expires soon"), std::string::npos) << warned.err;
    EXPECT_NE(warned.err.find("chmod o="), std::string::npos) << warned.err;
}

TEST_F(Certificates, AKeyInTheFolderServedIsWarnedOf) {
    const Certificate made = make_certificate();
    write_file(root_ / "pair.pem", made.pem + made.key_pem);
    chmod((root_ / "pair.pem").c_str(), 0600);
    fs::create_symlink(root_ / "pair.pem", conf_ / "link");
    const RunResult result = start({"--check", "--tls-cert", at("link")});
    EXPECT_EQ(result.exit_status, 0);
    EXPECT_NE(result.err.find("lies in the folder that is served"), std::string::npos)
        << result.err;
    put("elsewhere", made.pem + made.key_pem);
    EXPECT_EQ(start({"--check", "--tls-cert", at("elsewhere")}).err, "");
}

TEST_F(Certificates, AKeyThatOnlyRootMayReadServesForWorkersThatMayNot) {
    if (!am_root()) GTEST_SKIP() << "only root starts workers as another user";
    install(make_certificate(), make_certificate().key_pem); // not of that certificate
    const Certificate certificate = make_certificate();
    install(certificate, certificate.key_pem);
    Server server(root_.path(),
                  setup({"--user", "nobody", "--tls-cert", at("cert"), "--tls-key", at("key")}));
    ASSERT_TRUE(server.started());
    EXPECT_NE(server.start_line().find(" at https://127.0.0.1:"), std::string::npos);
    for (const pid_t worker : server.workers()) {
        EXPECT_NE(process_status(worker)["Uid"].substr(0, 2), "0\t");
        EXPECT_EQ(open_descriptors(worker, conf_.str() + "/key"), 0U);
        EXPECT_EQ(open_descriptors(worker, "memfd:"), 0U) << "ticket keys cannot be mapped again";
    }
    EXPECT_EQ(open_descriptors(server.pid(), conf_.str() + "/key"), 0U);
    EXPECT_EQ(run({"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "cat", at("key")})
                  .exit_status,
              1);
}

TEST_F(Certificates, ALinkThatIsSwappedIsFollowedAndNoDownloadIsLost) {
    const Certificate first = make_certificate(), second = make_certificate({.to_s = 9'000'000});
    install(first, first.key_pem);
    Server server(root_.path(), setup({"--tls-cert", at("cert"), "--tls-key", at("key"), "--unix",
                                       at("unix.sock"), "--admin", "127.0.0.1:0"}));
    ASSERT_TRUE(server.started());
    EXPECT_NE(server.start_line().find(" unix:" + at("unix.sock")), std::string::npos);
    const Admin admin(server);
    RawClient client(at("unix.sock"));
    client.send(get("/big.bin"));
    ASSERT_EQ(client.read_head().status, 200);
    write_file(conf_ / "fsrv.toml", "this is no TOML, and nobody has asked for a reload");
    install(second, second.key_pem);
    EXPECT_TRUE(server.log().await_line("renewed: generation 2 serves with 2 workers"));
    EXPECT_TRUE(
        server.log().await_line("certificate \"" + at("cert") + "\" from now on: SHA-256 "));
    EXPECT_EQ(pattern_mismatch(client.read_bytes(kSize), 0), std::nullopt);
    EXPECT_EQ(admin.metrics().sum("fsrv_tls_certificate_reload_failures_total"), 0);
    EXPECT_EQ(server.log().text().find("PRIVATE KEY"), std::string::npos);
}

TEST_F(Certificates, ABadPairChangesNothingAndIsToldOnce) {
    const Certificate good = make_certificate(), other = make_certificate();
    install(good, good.key_pem);
    Server server(root_.path(), setup({"--tls-cert", at("cert"), "--tls-key", at("key"), "--admin",
                                       "127.0.0.1:0"},
                                      {"renewed certificates are not taken", "not reloaded: "}));
    ASSERT_TRUE(server.started());
    const Admin admin(server);
    const std::vector<pid_t> workers = admin.workers();
    install(other, good.key_pem);
    EXPECT_TRUE(server.log().await_line("renewed certificates are not taken, those of before stay: "
                                        "cannot use the certificate \"" +
                                        at("cert") + "\": none of the keys is its own"));
    EXPECT_EQ(admin.metrics().sum("fsrv_tls_certificate_reload_failures_total"), 1);
    EXPECT_EQ(admin.workers(), workers);
    const RunResult reload = ctl("reload");
    EXPECT_EQ(reload.exit_status, 1);
    EXPECT_NE(reload.err.find("--tls-cert: cannot use the certificate"), std::string::npos);
    EXPECT_EQ(admin.workers(), workers);
    install(other, other.key_pem);
    EXPECT_TRUE(server.log().await_line("renewed: generation 2 serves"));
    EXPECT_EQ(server.log().count("are not taken"), 1U);
    EXPECT_EQ(admin.metrics().sum("fsrv_tls_certificate_reload_failures_total"), 1);
}

TEST_F(Certificates, OneThatIsMadeIsKeptOverReloadsAndUpgrades) {
    Server server(root_.path(), setup({"--tls-cert", "auto"}));
    ASSERT_TRUE(server.started());
    const std::string text = "SHA-256 fingerprint of its certificate: ";
    const auto line = server.log().await_line(text);
    ASSERT_TRUE(line);
    const std::string fingerprint = line->substr(line->find(text) + text.size());
    EXPECT_EQ(fingerprint.size(), 95U) << fingerprint;
    ASSERT_TRUE(ran_well(ctl("reload"), "reload"));
    ASSERT_TRUE(ran_well(ctl("upgrade"), "upgrade"));
    server.follow();
    EXPECT_TRUE(server.log().await_count(text + fingerprint, 2)) << server.log().text();
    for (const pid_t process : server.workers())
        EXPECT_EQ(open_descriptors(process, "memfd:fsrv parcel"), 0U);
    EXPECT_EQ(open_descriptors(server.pid(), "memfd:fsrv parcel"), 0U);
}

TEST_F(Certificates, AReloadMayBeginAndEndTls) {
    const Certificate certificate = make_certificate();
    put("pair", certificate.pem + certificate.key_pem);
    Server server(root_.path(), setup({}));
    ASSERT_TRUE(server.started());
    EXPECT_NE(server.start_line().find(" at http://"), std::string::npos);
    for (const std::string& line : {"tls-cert = [\"" + at("pair") + "\"]\n", std::string(),
                                    std::string("tls-cert = \"auto\"\n")}) {
        write_file(conf_ / "fsrv.toml", "access-log = \"off\"\n" + line);
        EXPECT_TRUE(ran_well(ctl("reload"), "reload")) << line;
    }
}

// Who owns /proc/PID tells whether a process may leave a core, and be looked into by its own user.
TEST_F(Certificates, ProcessesThatHaveKeysLeaveNoCore) {
    const Certificate certificate = make_certificate();
    write_file(conf_ / "pair", certificate.pem + certificate.key_pem);
    std::vector<std::string> wrapper;
    if (am_root()) {
        wrapper = {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"};
        if (run({"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", fsrv_binary(),
                 "--version"})
                .exit_status != 0)
            GTEST_SKIP() << "another user cannot start it where it lies";
        chmod(at("pair").c_str(), 0644);
    }
    const auto owners = [](const Server& server) {
        std::set<uid_t> all;
        std::vector<pid_t> processes = server.workers();
        processes.push_back(server.pid());
        for (const pid_t process : processes) {
            struct stat found {};
            EXPECT_EQ(stat(("/proc/" + std::to_string(process) + "/status").c_str(), &found), 0);
            all.insert(found.st_uid);
        }
        return all;
    };
    const std::vector<std::string> args{"--workers",    "2",  "--control", "off",
                                        "--access-log", "off"};
    {
        Server clear(root_.path(), {.args = args, .environment = {}, .wrapper = wrapper});
        ASSERT_TRUE(clear.started());
        EXPECT_FALSE(owners(clear).contains(0)) << "as it is elsewhere";
    }
    std::vector<std::string> with_tls = args;
    with_tls.insert(with_tls.end(), {"--tls-cert", at("pair")});
    Server server(root_.path(), {.args = with_tls,
                                 .environment = {},
                                 .wrapper = wrapper,
                                 .before_exec = {},
                                 .trouble = {"may read the key"}});
    ASSERT_TRUE(server.started());
    EXPECT_EQ(owners(server), std::set<uid_t>{0});
}

} // namespace
} // namespace fsrv::test
