// The files of TLS: which belong together, which are refused, and with which words.

#include "supervisor/start/key_memory.h"
#include "supervisor/start/tls_auto.h"
#include "supervisor/start/tls_files.h"
#include "tests/support/certificates.h"
#include "tests/support/files.h"
#include "tests/support/process.h"

#include <ctime>
#include <filesystem>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <set>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace fsrv {
namespace {

using test::Certificate;
using test::KeyKind;
using test::make_certificate;
using test::write_file;

constexpr std::int64_t kDay = 86'400;

class TlsFiles : public testing::Test {
  protected:
    std::string at(const std::string& name) const { return (dir_ / name).string(); }
    std::string put(const std::string& name, std::string_view bytes, mode_t mode = 0600) const {
        write_file(at(name), bytes);
        EXPECT_EQ(chmod(at(name).c_str(), mode), 0);
        return at(name);
    }
    static Result<LoadedTls, StartError> load(std::vector<std::string> certs,
                                              std::vector<std::string> keys = {},
                                              std::string client_ca = {}) {
        Options options;
        options.tls_certs = std::move(certs);
        options.tls_keys = std::move(keys);
        options.tls_client_ca = std::move(client_ca);
        return load_tls(options, std::time(nullptr));
    }
    test::TempDir dir_;
};

TEST_F(TlsFiles, CertificatesAndKeysArePairedInWhateverOrderTheyAreNamed) {
    const Certificate ec = make_certificate({.name = "ec"});
    const Certificate rsa = make_certificate({.name = "rsa", .kind = KeyKind::rsa2048});
    const Certificate ed = make_certificate({.name = "ed", .kind = KeyKind::ed25519});
    const Certificate p384 = make_certificate({.name = "p384", .kind = KeyKind::p384});
    const std::string certs[] = {put("ec", "a note\n" + ec.pem), put("rsa", rsa.pem),
                                 put("ed", ed.key_pem + ed.pem), put("p384", p384.pem)};
    const auto tls = load({certs[0], certs[1], certs[2], certs[3]},
                          {put("rsa.key", rsa.key_as_before()), put("p384.key", p384.key_pem),
                           put("ec.key", ec.key_as_before())});
    ASSERT_TRUE(tls) << tls.error().message;
    const auto& pairs = tls->material.pairs;
    ASSERT_EQ(pairs.size(), 4U);
    const Certificate* made[] = {&ec, &rsa, &ed, &p384};
    for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_EQ(pairs[i].name, certs[i]);
        EXPECT_EQ(pairs[i].chain, made[i]->pem);
        EXPECT_EQ(pairs[i].key.view(), made[i]->key_pem) << "PKCS #8, however it came";
        EXPECT_EQ(pairs[i].not_after, made[i]->not_after);
    }
    EXPECT_TRUE(tls->warnings.empty()) << tls->warnings.front();
    EXPECT_EQ(tls->material.tickets, nullptr);
    if (!test::have_program("openssl")) return;
    const auto shown =
        test::run({"openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in", certs[0]});
    EXPECT_NE(shown.out.find(fingerprint_text(pairs[0])), std::string::npos) << shown.out;
}

TEST_F(TlsFiles, AChainKeepsItsOrderAndTwoCertificatesMayHaveOneKey) {
    const Certificate ca = make_certificate({.name = "ca"});
    const Certificate leaf = make_certificate({.issuer = &ca});
    const Certificate other = make_certificate({.name = "other", .key_of = &leaf});
    const auto tls = load({put("chain", leaf.pem + ca.pem), put("other", other.pem)},
                          {put("key", leaf.key_pem)}, put("cas", ca.pem + other.pem));
    ASSERT_TRUE(tls) << tls.error().message;
    EXPECT_EQ(tls->material.pairs[0].chain, leaf.pem + ca.pem);
    EXPECT_EQ(tls->material.pairs[1].key, tls->material.pairs[0].key);
    EXPECT_EQ(tls->material.client_ca, ca.pem + other.pem);
}

// All that one pair can be made of.
struct World {
    Certificate good = make_certificate();
    Certificate other = make_certificate({.name = "other"});
    Certificate ca = make_certificate({.name = "ca"});
    Certificate issued = make_certificate({.issuer = &ca});
};
const World& world() {
    static const World made;
    return made;
}

struct Bad {
    const char* what;
    std::string cert, key; // what is in the files; empty: the file is not there, and not named
    const char* option;
    std::vector<const char*> words; // of the message
};
void PrintTo(const Bad& bad, std::ostream* out) {
    *out << bad.what;
}

// The sixth line of the Base64 is not that of anything.
std::string spoilt(std::string pem) {
    pem.replace(pem.find('\n') + 70, 8, "!!!!!!!!");
    return pem;
}

// The private part is another one, the public part is kept: SEC 1 has both.
std::string with_wrong_secret(const Certificate& certificate) {
    const Certificate other = make_certificate();
    std::string der, strange;
    for (const auto& [pem, into] : {std::pair{certificate.key_as_before(), &der},
                                    std::pair{other.key_as_before(), &strange}}) {
        const std::string text =
            pem.substr(pem.find('\n') + 1, pem.rfind("-----END") - pem.find('\n') - 1);
        unsigned bits = 0, value = 0;
        for (const char c : text) {
            static constexpr std::string_view kDigits =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            const std::size_t digit = kDigits.find(c);
            if (digit == kDigits.npos) continue;
            value = value << 6 | static_cast<unsigned>(digit);
            bits += 6;
            if (bits >= 8) into->push_back(static_cast<char>(value >> (bits -= 8)));
        }
    }
    der.replace(7, 32, strange, 7, 32);
    return test::run({"openssl", "ec", "-inform", "DER"},
                     {.environment = {}, .directory = {}, .input = der})
        .out;
}

std::vector<Bad> bad_pairs() {
    const World& w = world();
    return {
        {"no certificate but a key",
         w.good.key_pem,
         "",
         "tls-cert",
         {"-----BEGIN CERTIFICATE-----", "found none"}},
        {"an empty file", "\n", "", "tls-cert", {"found none", "name the file that has it"}},
        {"only text", "hello", w.good.key_pem, "tls-cert", {"found none"}},
        {"a request",
         w.good.request(),
         w.good.key_pem,
         "tls-cert",
         {"found none (but CERTIFICATE REQUEST)"}},
        {"DER", w.good.der(), w.good.key_pem, "tls-cert", {"openssl x509 -inform der -in"}},
        {"a key file with no key",
         w.good.pem,
         w.good.pem,
         "tls-key",
         {"-----BEGIN PRIVATE KEY-----", "found none"}},
        {"broken Base64", spoilt(w.good.pem), w.good.key_pem, "tls-cert", {"is broken"}},
        {"broken in the middle of the chain",
         w.issued.pem + spoilt(w.ca.pem),
         w.issued.key_pem,
         "tls-cert",
         {"2nd", "is broken"}},
        {"a certificate cut off",
         w.good.pem.substr(0, w.good.pem.size() / 2),
         w.good.key_pem,
         "tls-cert",
         {"is broken"}},
        {"a broken key", w.good.pem, spoilt(w.good.key_pem), "tls-key", {"is broken"}},
        {"a key that is no key",
         w.good.pem,
         "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
         "tls-key",
         {"the 1st key in it is broken"}},
        {"a pass phrase",
         w.good.pem,
         w.good.key_with_pass_phrase(),
         "tls-key",
         {"pass phrase", "openssl pkey -in", "chmod 600"}},
        {"a pass phrase of the old form",
         w.good.pem,
         w.good.key_as_before_with_pass_phrase(),
         "tls-key",
         {"pass phrase", "openssl pkey -in"}},
        {"a pass phrase in the certificate's file",
         w.good.pem + w.good.key_with_pass_phrase(),
         "",
         "tls-cert",
         {"pass phrase"}},
        {"no key", w.good.pem, "", "tls-cert", {"expected its key", "--tls-key"}},
        {"another's key",
         w.good.pem,
         w.other.key_pem,
         "tls-cert",
         {"none of the keys is its own", "openssl pkey -pubout"}},
        {"a key too many",
         w.good.pem + w.good.key_pem,
         w.other.key_pem,
         "tls-key",
         {"belongs to none of the certificates"}},
        {"the issuer first",
         w.ca.pem + w.issued.pem,
         w.issued.key_pem,
         "tls-cert",
         {"the server's own certificate as the first"}},
    };
}

class BadPair : public TlsFiles, public testing::WithParamInterface<Bad> {};
TEST_P(BadPair, IsRefusedByFileAndSaysWhatToDo) {
    const Bad& bad = GetParam();
    std::vector<std::string> keys;
    if (!bad.key.empty()) keys = {put("key.pem", bad.key)};
    const auto tls = load({put("cert.pem", bad.cert)}, keys);
    ASSERT_FALSE(tls);
    EXPECT_EQ(tls.error().exit_status, kExitUsage);
    EXPECT_EQ(tls.error().option, bad.option) << tls.error().message;
    const std::string& message = tls.error().message;
    const bool is_key = std::string_view(bad.option) == "tls-key";
    EXPECT_NE(message.find(at(is_key ? "key.pem" : "cert.pem")), std::string::npos) << message;
    EXPECT_NE(message.find("expected"), std::string::npos) << message;
    for (const char* words : bad.words)
        EXPECT_NE(message.find(words), std::string::npos) << message;
    EXPECT_EQ(message.find("PRIVATE KEY-----\n"), std::string::npos);
    EXPECT_EQ(message.find('\n'), std::string::npos);
}
std::string name_of(const testing::TestParamInfo<Bad>& bad) {
    std::string name = bad.param.what;
    std::erase_if(name, [](unsigned char c) { return std::isalnum(c) == 0; });
    return name;
}
INSTANTIATE_TEST_SUITE_P(Of, BadPair, testing::ValuesIn(bad_pairs()), name_of);

TEST_F(TlsFiles, WhatIsNotValidNowOrTooWeakIsRefused) {
    const std::pair<Certificate, const char*> table[] = {
        {make_certificate({.from_s = -9 * kDay, .to_s = -kDay}), "it has expired, on "},
        {make_certificate({.from_s = kDay, .to_s = 9 * kDay}), "it is not valid before "},
        {make_certificate({.kind = KeyKind::rsa1024}),
         "expected RSA of 2048 bits or more, found 1024"},
        {make_certificate({.kind = KeyKind::dsa2048}), "expected a key of RSA, ECDSA or EdDSA"},
    };
    for (const auto& [made, words] : table) {
        const auto tls = load({put("c", made.pem)}, {put("k", made.key_pem)});
        ASSERT_FALSE(tls) << words;
        EXPECT_EQ(tls.error().exit_status, kExitUsage);
        EXPECT_NE(tls.error().message.find(words), std::string::npos) << tls.error().message;
    }
}

TEST_F(TlsFiles, AKeyWhosePrivatePartIsNotThatOfItsPublicOneIsRefused) {
    if (!test::have_program("openssl")) GTEST_SKIP() << "openssl is not installed";
    const Certificate made = make_certificate();
    const std::string key = with_wrong_secret(made);
    if (key.empty()) GTEST_SKIP() << "openssl refuses to write such a key";
    const auto tls = load({put("c", made.pem)}, {put("k", key)});
    ASSERT_FALSE(tls);
    EXPECT_NE(tls.error().message.find("expected"), std::string::npos) << tls.error().message;
}

TEST_F(TlsFiles, TheSameCertificateTwiceIsRefused) {
    const World& w = world();
    for (const auto& second : {put("one", w.good.pem), put("two", w.good.pem)}) {
        const auto tls = load({at("one"), second}, {put("key", w.good.key_pem)});
        ASSERT_FALSE(tls);
        EXPECT_NE(tls.error().message.find("it is the same as \"" + at("one")), std::string::npos)
            << tls.error().message;
    }
}

TEST_F(TlsFiles, WhatCannotBeReadIsNamedWithTheReason) {
    const std::string good = put("good", world().good.pem + world().good.key_pem);
    ASSERT_EQ(mkfifo(at("fifo").c_str(), 0644), 0);
    ASSERT_EQ(symlink("nowhere", at("link").c_str()), 0);
    put("large", std::string((1 << 20) + 1, 'x'));
    const std::pair<const char*, const char*> table[] = {
        {"none", "ENOENT"},       {"link", "ENOENT"},          {"good/x", "ENOTDIR"},
        {".", "expected a file"}, {"fifo", "expected a file"}, {"large", "at most 1024 KiB"},
    };
    for (const auto& [name, words] : table)
        for (const char* option : {"tls-cert", "tls-key", "tls-client-ca"}) {
            const std::string_view which = option;
            const auto tls = which == "tls-cert"  ? load({at(name)})
                             : which == "tls-key" ? load({good}, {at(name)})
                                                  : load({good}, {}, at(name));
            ASSERT_FALSE(tls) << name;
            EXPECT_EQ(tls.error().option, option);
            EXPECT_NE(tls.error().message.find(words), std::string::npos) << tls.error().message;
            EXPECT_NE(tls.error().message.find(at(name)), std::string::npos);
        }
    EXPECT_FALSE(load({good}, {}, put("empty", ""))) << "no CA in it";
}

TEST_F(TlsFiles, ExpiryAndAKeyForEverybodyAreWarnedOf) {
    const Certificate soon = make_certificate({.to_s = 7 * kDay - 60});
    auto tls = load({put("c", soon.pem, 0644)}, {put("k", soon.key_pem, 0644)});
    ASSERT_TRUE(tls) << tls.error().message;
    ASSERT_EQ(tls->warnings.size(), 2U);
    EXPECT_NE(tls->warnings[0].find("expires soon, on " + date_text(soon.not_after)),
              std::string::npos);
    EXPECT_NE(tls->warnings[1].find("(mode 0644): chmod o="), std::string::npos)
        << tls->warnings[1];
    put("k", soon.key_pem, 0640);
    EXPECT_EQ(load({at("c")}, {at("k")})->warnings.size(), 1U) << "a group is somebody's choice";
}

TEST_F(TlsFiles, TheStampFollowsNamesAndContent) {
    Options options;
    options.tls_certs = {at("live")};
    options.tls_client_ca = at("ca");
    std::set<std::string> seen;
    const auto is_new = [&] { return seen.insert(stamp_of(options)).second; };
    EXPECT_TRUE(is_new()) << "none";
    put("one", "1");
    put("two", "2");
    put("ca", "3");
    ASSERT_EQ(symlink("one", at("live").c_str()), 0);
    EXPECT_TRUE(is_new());
    EXPECT_FALSE(is_new());
    ASSERT_EQ(symlink("two", at("next").c_str()), 0);
    std::filesystem::rename(at("next"), at("live"));
    EXPECT_TRUE(is_new()) << "as certbot does it";
    put("ca", "33");
    EXPECT_TRUE(is_new());
    options.tls_certs = {"auto"};
    options.tls_client_ca.clear();
    EXPECT_EQ(stamp_of(options), "");
}

TEST_F(TlsFiles, OneThatIsMadeIsForItsNamesAndCanBeReadLikeAnother) {
    const std::int64_t now = std::time(nullptr);
    const auto made =
        make_own_certificate({.names = {"localhost", "host.example", "no name, at all"},
                              .addresses = {"127.0.0.1", "::1", "fe80::1%eth0", "x"}},
                             now);
    ASSERT_TRUE(made) << made.error();
    EXPECT_EQ(made->name, "auto");
    EXPECT_TRUE(is_worth_keeping(*made, now));
    EXPECT_FALSE(is_worth_keeping(*made, made->not_after - 29 * kDay));
    EXPECT_EQ(fingerprint_text(*made).size(), 95U);
    const auto again = make_own_certificate({.names = {"localhost"}, .addresses = {}}, now);
    EXPECT_NE(again->fingerprint, made->fingerprint);
    const auto tls = load({put("made", made->chain)}, {put("key", made->key.view())});
    ASSERT_TRUE(tls) << tls.error().message;
    EXPECT_EQ(tls->material.pairs[0].fingerprint, made->fingerprint);
    if (!test::have_program("openssl")) return;
    const auto shown = test::run({"openssl", "x509", "-noout", "-text", "-in", at("made")});
    for (const char* words :
         {"DNS:localhost, DNS:host.example, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, "
          "IP Address:FE80:0:0:0:0:0:0:1\n",
          "CA:FALSE", "prime256v1", "TLS Web Server Authentication", "CN = localhost"})
        EXPECT_NE(shown.out.find(words), std::string::npos) << words << shown.out;
    EXPECT_EQ(test::run({"openssl", "verify", "-CAfile", at("made"), at("made")}).exit_status, 0);
}

TEST(KeyMemory, AProcessThatReadsKeysLeavesNoCoreNorDoesItsChild) {
    const pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_DUMPABLE, 1);
        Options options;
        options.tls_certs = {"/no/such/file"};
        const bool before = prctl(PR_GET_DUMPABLE) == 1;
        const bool refused = !load_tls(options, 0);
        if (const pid_t grandchild = fork(); grandchild == 0) _exit(prctl(PR_GET_DUMPABLE));
        int status = -1;
        wait(&status);
        _exit(before && refused && prctl(PR_GET_DUMPABLE) == 0 && status == 0 ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

TEST(KeyMemory, AParcelIsSealedAndOpenedInItsOrder) {
    Parcel parcel;
    parcel.put("one");
    parcel.put_number(7);
    parcel.put("");
    parcel.put(std::string(100'000, 'x'));
    const auto fd = parcel.close();
    ASSERT_TRUE(fd) << fd.error().code;
    EXPECT_LT(::write(fd->get(), "x", 1), 0) << "sealed";
    OpenedParcel opened(*fd);
    EXPECT_EQ(opened.take(), "one");
    EXPECT_EQ(opened.take_number(), 7U);
    EXPECT_EQ(opened.take(), "");
    EXPECT_EQ(opened.take(), std::string(100'000, 'x'));
    EXPECT_EQ(opened.take(), std::nullopt);
    Parcel strange;
    strange.put_number(1'000'000);
    OpenedParcel cut(*strange.close());
    EXPECT_EQ(cut.take(), std::nullopt) << "longer than all there is";
    EXPECT_EQ(OpenedParcel(UniqueFd()).take_number(), std::nullopt);
}

} // namespace
} // namespace fsrv
