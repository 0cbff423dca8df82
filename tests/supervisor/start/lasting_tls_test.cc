// What of TLS goes from process to process, and from server to server.

#include "supervisor/start/lasting_tls.h"

#include "common/log.h"
#include "supervisor/start/key_memory.h"

#include <gtest/gtest.h>

namespace fsrv {
namespace {

constexpr std::int64_t kDay = 86'400;
constexpr std::int64_t kNow = 1'800'000'000;

Options with_auto() {
    Options options;
    options.tls_certs = {"auto"};
    return options;
}

LoadedTls complete(LastingTls& lasting, const Options& options, std::int64_t now = kNow,
                   std::uint64_t now_ms = 1000) {
    LoadedTls tls;
    const auto ok = lasting.complete(options, tls, now, now_ms);
    EXPECT_TRUE(ok) << ok.error();
    return tls;
}

TEST(LastingTls, OneCertificateServesAllGenerations) {
    LastingTls lasting{UniqueFd()};
    EXPECT_EQ(lasting.made_fingerprint(), "");
    EXPECT_FALSE(lasting.for_successor()) << "there is nothing yet";
    const LoadedTls first = complete(lasting, with_auto());
    ASSERT_EQ(first.material.pairs.size(), 1U);
    EXPECT_EQ(lasting.made_fingerprint(), fingerprint_text(first.material.pairs[0]));
    EXPECT_TRUE(lasting.tickets().is_open());
    EXPECT_EQ(complete(lasting, with_auto(), kNow + 700 * kDay).material, first.material);
    const LoadedTls late = complete(lasting, with_auto(), kNow + 800 * kDay);
    EXPECT_FALSE(late.material == first.material) << "it is in its last month";
    lasting.forget_made();
    EXPECT_EQ(lasting.made_fingerprint(), "");
}

TEST(LastingTls, ASuccessorGoesOnWithCertificateAndTicketKeys) {
    LastingTls old{UniqueFd()};
    const LoadedTls before = complete(old, with_auto());
    old.tickets().rotate_if_due(1000 + limits::kTicketRotationMs);
    LastingTls fresh{old.for_successor()};
    const LoadedTls after = complete(fresh, with_auto(), kNow, 5'000);
    EXPECT_EQ(after.material, before.material);
    TicketKeySet keys;
    ASSERT_TRUE(fresh.tickets().ring()->read(keys));
    EXPECT_EQ(keys.count, 2U);
    EXPECT_EQ(keys.keys, old.tickets().keys().keys);
}

TEST(LastingTls, FilesNeedNoCertificateOfItsMakingButTicketKeys) {
    Options options;
    options.tls_certs = {"cert.pem"};
    LastingTls old{UniqueFd()};
    LoadedTls tls;
    tls.material.pairs.push_back({.name = "cert.pem"});
    ASSERT_TRUE(old.complete(options, tls, kNow, 1000));
    EXPECT_EQ(tls.material.pairs[0].name, "cert.pem");
    EXPECT_EQ(old.made_fingerprint(), "");
    LastingTls fresh{old.for_successor()};
    complete(fresh, options);
    EXPECT_EQ(fresh.tickets().keys().keys, old.tickets().keys().keys);
}

TEST(LastingTls, WhatCannotBeReadIsNotTaken) {
    log_set_level(LogLevel::error);
    Parcel strange;
    strange.put("another form");
    LastingTls fresh{*strange.close()};
    complete(fresh, with_auto());
    EXPECT_EQ(fresh.tickets().keys().count, 1U);
    EXPECT_NE(fresh.made_fingerprint(), "");
}

TEST(TlsParcel, HoldsAllThatWasLoaded) {
    LoadedTls tls{.stamp = "1 2 3\n", .warnings = {"it expires soon", "others may read it"}};
    tls.material.client_ca = "-----BEGIN CERTIFICATE-----";
    tls.material.least = TlsVersion::tls_1_3;
    for (const char* name : {"a", "b"})
        tls.material.pairs.push_back({.chain = "chain",
                                      .key = Secret(std::string(5'000, 'k')),
                                      .name = name,
                                      .not_after = -1,
                                      .fingerprint = "f"});
    const auto parcel = pack(tls);
    ASSERT_TRUE(parcel);
    const auto opened = unpack_tls(*parcel);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->stamp, tls.stamp);
    EXPECT_EQ(opened->warnings, tls.warnings);
    EXPECT_EQ(opened->material, tls.material);
    EXPECT_FALSE(unpack_tls(UniqueFd()));
}

} // namespace
} // namespace fsrv
