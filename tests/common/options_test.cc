// What each option takes, whichever of the sources it comes from, and which source wins.
#include "common/option_table.h"
#include "common/options.h"
#include "tests/common/invocation.h"
#include "tests/support/files.h"

#include <gtest/gtest.h>
#include <thread>

namespace fsrv {
namespace {

using test::invoke;
using test::refusal;
using namespace std::chrono_literals;

TEST(Options, DefaultsAreThoseOfTheTable) {
    const auto invocation = invoke({});
    ASSERT_TRUE(invocation) << refusal(invocation);
    EXPECT_EQ(invocation->action, Action::serve);
    const Options& o = invocation->options;
    EXPECT_EQ(o.root, ".");
    EXPECT_TRUE(o.listing);
    EXPECT_EQ(o.index, "index.html");
    EXPECT_FALSE(o.hidden);
    EXPECT_EQ(o.symlinks, Symlinks::inside);
    EXPECT_EQ(o.sandbox, SandboxMode::automatic);
    EXPECT_TRUE(o.host.empty());
    EXPECT_FALSE(o.speaks_tls());
    EXPECT_EQ(o.tls_min, TlsVersion::tls_1_2);
    EXPECT_EQ(o.port, 8080);
    EXPECT_EQ(o.io, IoMode::automatic);
    EXPECT_EQ(o.threads, 4U);
    EXPECT_EQ(o.requests_per_worker, 32U);
    EXPECT_EQ(o.grace, 30s);
    EXPECT_EQ(o.hang_timeout, 30s);
    EXPECT_EQ(o.header_timeout, 10s);
    EXPECT_EQ(o.idle_timeout, 60s);
    EXPECT_EQ(o.stall_timeout, 10s);
    EXPECT_EQ(o.pause_timeout, 1h);
    EXPECT_EQ(o.min_rate, 0U);
    EXPECT_EQ(o.max_connections, 0U);
    EXPECT_EQ(o.max_header_size, 16U * 1024);
    EXPECT_EQ(o.max_ranges, 64U);
    EXPECT_TRUE(o.server_header);
    EXPECT_EQ(o.access_log, "-");
    EXPECT_EQ(o.log_format, LogFormat::extended);
    EXPECT_EQ(o.log_level, LogLevel::info);
}

template <class T>
struct Good {
    std::string text;
    T value;
};

// Each value as flag, as --flag=value, as variable and as a string of the file.
template <class T>
void expect_values(const std::string& name, T Options::*field, const std::vector<Good<T>>& cases) {
    for (const Good<T>& c : cases) {
        const auto toml = fmt::format("{} = '{}'\n", name, c.text);
        for (const auto& result :
             {invoke({flag_name(name), c.text}), invoke({flag_name(name) + "=" + c.text}),
              invoke({}, {variable_name(name) + "=" + c.text}), parse_config(toml, "f")}) {
            ASSERT_TRUE(result) << refusal(result);
            EXPECT_EQ(result->options.*field, c.value) << name << ' ' << c.text;
        }
    }
}

TEST(Options, GoodValuesOfEveryType) {
    expect_values<std::string>("root", &Options::root,
                               {{"/srv", "/srv"}, {"a b", "a b"}, {"-", "-"}, {"a=b", "a=b"}});
    expect_values<std::string>("index", &Options::index,
                               {{"", ""}, {"..x", "..x"}, {"default.htm", "default.htm"}});
    expect_values<std::string>("unix", &Options::unix_path,
                               {{"", ""}, {std::string(107, 's'), std::string(107, 's')}});
    expect_values<std::string>(
        "admin", &Options::admin,
        {{"", ""},
         {"127.0.0.1:9090", "127.0.0.1:9090"},
         {"[::1]:0", "[::1]:0"},
         {"localhost:1", "localhost:1"},
         {"unix:/run/x:1", "unix:/run/x:1"},
         {"unix:" + std::string(107, 's'), "unix:" + std::string(107, 's')}});
    expect_values<std::string>("access-log", &Options::access_log,
                               {{"-", "-"}, {"off", "off"}, {"/var/log/x", "/var/log/x"}});
    expect_values<bool>("listing", &Options::listing,
                        {{"on", true},
                         {"off", false},
                         {"true", true},
                         {"false", false},
                         {"yes", true},
                         {"no", false},
                         {"1", true},
                         {"0", false}});
    expect_values<std::uint16_t>("port", &Options::port,
                                 {{"0", 0}, {"1", 1}, {"65535", 65535}, {"0080", 80}});
    expect_values<unsigned>("threads", &Options::threads, {{"1", 1}, {"1024", 1024}});
    expect_values<unsigned>("requests-per-worker", &Options::requests_per_worker,
                            {{"1", 1}, {"1000000", 1'000'000}});
    expect_values<WorkerRange>(
        "workers", &Options::workers,
        {{"1", {1, 1}}, {"1024", {1024, 1024}}, {"1..4", {1, 4}}, {"3..3", {3, 3}}});
    expect_values<unsigned>("max-connections", &Options::max_connections,
                            {{"0", 0}, {"2147483647", 2147483647}});
    expect_values<Thousandths>("client-requests", &Options::client_requests,
                               {{"0", {0}},
                                {"10", {10'000}},
                                {"0.5", {500}},
                                {"2.25", {2'250}},
                                {"0.001", {1}},
                                {"1000000.000", {1'000'000'000}}});
    expect_values<unsigned>("max-ranges", &Options::max_ranges, {{"0", 0}, {"10000", 10000}});
    expect_values<std::uint64_t>("min-rate", &Options::min_rate,
                                 {{"0", 0},
                                  {"1", 1},
                                  {"65536", 65536},
                                  {"64K", 65536},
                                  {"64KiB", 65536},
                                  {"1M", 1 << 20},
                                  {"1MiB", 1 << 20},
                                  {"2G", 2ULL << 30},
                                  {"2GiB", 2ULL << 30},
                                  {"1T", 1ULL << 40},
                                  {"1TiB", 1ULL << 40}});
    expect_values<std::uint64_t>("max-header-size", &Options::max_header_size,
                                 {{"1024", 1024}, {"1KiB", 1024}, {"1MiB", 1 << 20}});
    expect_values<Millis>(
        "header-timeout", &Options::header_timeout,
        {{"1ms", 1ms}, {"500ms", 500ms}, {"10s", 10s}, {"5m", 5min}, {"720h", 720h}});
    expect_values<Millis>("grace", &Options::grace, {{"0", 0ms}, {"0s", 0ms}, {"0h", 0ms}});
    expect_values<Millis>("hang-timeout", &Options::hang_timeout, {{"1s", 1s}, {"1000ms", 1s}});
    expect_values<IoMode>(
        "io", &Options::io,
        {{"auto", IoMode::automatic}, {"threads", IoMode::threads}, {"inline", IoMode::inline_}});
    expect_values<option_type::FileMode>(
        "unix-mode", &Options::unix_mode,
        {{"auto", std::nullopt}, {"0660", 0660}, {"600", 0600}, {"0777", 0777}, {"0", 0}});
    expect_values<Symlinks>(
        "symlinks", &Options::symlinks,
        {{"inside", Symlinks::inside}, {"never", Symlinks::never}, {"follow", Symlinks::follow}});
    expect_values<InPlaceWrites>("in-place-writes", &Options::in_place_writes,
                                 {{"on", InPlaceWrites::on},
                                  {"true", InPlaceWrites::on},
                                  {"off", InPlaceWrites::off},
                                  {"0", InPlaceWrites::off},
                                  {"append", InPlaceWrites::append}});
    expect_values<Compression>("compress", &Options::compress,
                               {{"auto", Compression::automatic}, {"off", Compression::off}});
    expect_values<LogFormat>("log-format", &Options::log_format,
                             {{"combined", LogFormat::combined},
                              {"extended", LogFormat::extended},
                              {"json", LogFormat::json}});
    expect_values<LogLevel>("log-level", &Options::log_level,
                            {{"error", LogLevel::error},
                             {"warn", LogLevel::warn},
                             {"info", LogLevel::info},
                             {"debug", LogLevel::debug}});
}

TEST(Options, AutomaticWorkersAreThoseOfTheCpusThatMayBeUsed) {
    const unsigned cpus = std::thread::hardware_concurrency();
    const WorkerRange expected{.least = cpus, .most = cpus, .automatic = true};
    EXPECT_EQ(invoke({})->options.workers, expected);
    EXPECT_EQ(invoke({"--workers", "auto"})->options.workers, expected);
}

struct Bad {
    std::string name;
    std::string text;
    std::string expected;
};
const std::string kListenPlace = "ADDR:PORT, such as 127.0.0.1:9090 or [::1]:9090, or unix: and a "
                                 "path of at most 107 bytes";
const std::string kServerName =
    "names such as files.example.org or *.example.org, without a port, or *";
const Bad kBad[] = {
    {"server-name", "files.example.org:80", kServerName},
    {"server-name", "https://files.example.org", kServerName},
    {"server-name", "a b", kServerName},
    {"server-name", "*.", kServerName},
    {"server-name", "a.*", kServerName},
    {"server-name", "[::1]", kServerName},
    {"server-name", std::string(256, 'x'), kServerName},
    {"admin", "9090", kListenPlace},
    {"admin", ":9090", kListenPlace},
    {"admin", "127.0.0.1", kListenPlace},
    {"admin", "127.0.0.1:65536", kListenPlace},
    {"admin", "127.0.0.1:", kListenPlace},
    {"admin", "::1:9090", kListenPlace},
    {"admin", "[]:9090", kListenPlace},
    {"admin", "unix:", kListenPlace},
    {"admin", "unix:" + std::string(108, 's'), kListenPlace},
    {"root", "", "the path of a folder"},
    {"root", std::string(4096, 'x'), "the path of a folder"},
    {"index", "a/b", "the name of a file, without a slash"},
    {"index", "..", "the name of a file, without a slash"},
    {"index", ".", "the name of a file, without a slash"},
    {"index", std::string(256, 'x'), "the name of a file, without a slash"},
    {"unix", std::string(108, 's'), "a path of at most 107 bytes"},
    {"control", std::string(108, 's'), "a path of at most 107 bytes, or off"},
    {"access-log", "", "the path of a file, - or off"},
    {"pid-file", std::string(4096, 'x'), "the path of a file"},
    {"listing", "", "on or off"},
    {"listing", "ON", "on or off"},
    {"listing", "2", "on or off"},
    {"listing", " on", "on or off"},
    {"port", "", "a number from 0 to 65535"},
    {"port", "-1", "a number from 0 to 65535"},
    {"port", "+1", "a number from 0 to 65535"},
    {"port", "65536", "a number from 0 to 65535"},
    {"port", "0x50", "a number from 0 to 65535"},
    {"port", "80 ", "a number from 0 to 65535"},
    {"port", "8.0", "a number from 0 to 65535"},
    {"port", "http", "a number from 0 to 65535"},
    {"port", "18446744073709551696", "a number from 0 to 65535"},
    {"unix-mode", "0888", "an octal mode such as 0660, or auto"},
    {"unix-mode", "1777", "an octal mode such as 0660, or auto"},
    {"unix-mode", "-1", "an octal mode such as 0660, or auto"},
    {"unix-mode", "u+rw", "an octal mode such as 0660, or auto"},
    {"unix-mode", "", "an octal mode such as 0660, or auto"},
    {"threads", "0", "a number from 1 to 1024"},
    {"requests-per-worker", "0", "a number from 1 to 1000000"},
    {"threads", "1025", "a number from 1 to 1024"},
    {"threads", "4294967300", "a number from 1 to 1024"},
    {"workers", "0", "a number from 1 to 1024, a range such as 1..4, or auto"},
    {"workers", "1025", "a number from 1 to 1024, a range such as 1..4, or auto"},
    {"workers", "many", "a number from 1 to 1024, a range such as 1..4, or auto"},
    {"workers", "1..", "a number from 1 to 1024, a range such as 1..4, or auto"},
    {"workers", "..4", "a number from 1 to 1024, a range such as 1..4, or auto"},
    {"workers", "..", "a number from 1 to 1024, a range such as 1..4, or auto"},
    {"workers", "4..1", "a number from 1 to 1024, a range such as 1..4, or auto"},
    {"workers", "0..4", "a number from 1 to 1024, a range such as 1..4, or auto"},
    {"workers", "1..1025", "a number from 1 to 1024, a range such as 1..4, or auto"},
    {"workers", "1...4", "a number from 1 to 1024, a range such as 1..4, or auto"},
    {"workers", "1..2..3", "a number from 1 to 1024, a range such as 1..4, or auto"},
    {"workers", "1-4", "a number from 1 to 1024, a range such as 1..4, or auto"},
    {"workers", "1..auto", "a number from 1 to 1024, a range such as 1..4, or auto"},
    {"workers", " 1..4", "a number from 1 to 1024, a range such as 1..4, or auto"},
    {"client-requests", "0.0001",
     "a number from 0 to 1000000, with up to three decimals, such as 0.5"},
    {"client-requests", "1.", "a number from 0 to 1000000, with up to three decimals, such as 0.5"},
    {"client-requests", ".5", "a number from 0 to 1000000, with up to three decimals, such as 0.5"},
    {"client-requests", "-1", "a number from 0 to 1000000, with up to three decimals, such as 0.5"},
    {"client-requests", "1e3",
     "a number from 0 to 1000000, with up to three decimals, such as 0.5"},
    {"client-requests", "1000000.1",
     "a number from 0 to 1000000, with up to three decimals, such as 0.5"},
    {"max-connections", "2147483648", "a number from 0 to 2147483647"},
    {"max-ranges", "10001", "a number from 0 to 10000"},
    {"min-rate", "-1", "a size from 0 to 1TiB, such as 65536, 64KiB or 1M"},
    {"min-rate", "1.5M", "a size from 0 to 1TiB, such as 65536, 64KiB or 1M"},
    {"min-rate", "K", "a size from 0 to 1TiB, such as 65536, 64KiB or 1M"},
    {"min-rate", "1 K", "a size from 0 to 1TiB, such as 65536, 64KiB or 1M"},
    {"min-rate", "1KB", "a size from 0 to 1TiB, such as 65536, 64KiB or 1M"},
    {"min-rate", "2T", "a size from 0 to 1TiB, such as 65536, 64KiB or 1M"},
    // 2^64 bytes and a little more: an overflow would let them pass
    {"min-rate", "16777216T", "a size from 0 to 1TiB, such as 65536, 64KiB or 1M"},
    {"min-rate", "18446744073709551617", "a size from 0 to 1TiB, such as 65536, 64KiB or 1M"},
    {"max-header-size", "1023", "a size from 1KiB to 1MiB, such as 65536, 64KiB or 1M"},
    {"max-header-size", "1025K", "a size from 1KiB to 1MiB, such as 65536, 64KiB or 1M"},
    {"header-timeout", "0", "a time from 1ms to 720h, such as 500ms, 10s, 5m or 1h"},
    {"header-timeout", "0s", "a time from 1ms to 720h, such as 500ms, 10s, 5m or 1h"},
    {"header-timeout", "10", "a time from 1ms to 720h, such as 500ms, 10s, 5m or 1h"},
    {"header-timeout", "-1s", "a time from 1ms to 720h, such as 500ms, 10s, 5m or 1h"},
    {"header-timeout", "1.5s", "a time from 1ms to 720h, such as 500ms, 10s, 5m or 1h"},
    {"header-timeout", "10 s", "a time from 1ms to 720h, such as 500ms, 10s, 5m or 1h"},
    {"header-timeout", "10S", "a time from 1ms to 720h, such as 500ms, 10s, 5m or 1h"},
    {"header-timeout", "1d", "a time from 1ms to 720h, such as 500ms, 10s, 5m or 1h"},
    {"header-timeout", "721h", "a time from 1ms to 720h, such as 500ms, 10s, 5m or 1h"},
    // 2^64 ms are 5124095576030 h and a little
    {"idle-timeout", "5124095576031h", "a time from 1ms to 720h, such as 500ms, 10s, 5m or 1h"},
    {"grace", "", "a time from 0 to 720h, such as 500ms, 10s, 5m or 1h"},
    {"grace", "00", "a time from 0 to 720h, such as 500ms, 10s, 5m or 1h"},
    {"hang-timeout", "999ms", "a time from 1s to 720h, such as 500ms, 10s, 5m or 1h"},
    {"io", "", "auto, threads or inline"},
    {"io", "Auto", "auto, threads or inline"},
    {"symlinks", "on", "inside, never or follow"},
    {"in-place-writes", "Append", "on, off or append"},
    {"compress", "on", "auto or off"},
    {"log-format", "xml", "combined, extended or json"},
    {"log-level", "trace", "error, warn, info or debug"},
};

TEST(Options, ABadValueSaysWhichWhereAndWhatWasExpected) {
    for (const Bad& c : kBad) {
        const std::string shown = c.text.size() > 100 ? c.text.substr(0, 100) + "..." : c.text;
        const std::string rest = fmt::format(": expected {}, not \"{}\"", c.expected, shown);
        EXPECT_EQ(refusal(invoke({flag_name(c.name), c.text})), flag_name(c.name) + rest);
        EXPECT_EQ(refusal(invoke({flag_name(c.name) + "=" + c.text})), flag_name(c.name) + rest);
        EXPECT_EQ(refusal(invoke({}, {variable_name(c.name) + "=" + c.text})),
                  variable_name(c.name) + rest);
        EXPECT_EQ(refusal(parse_config(fmt::format("\n\n{} = '{}'", c.name, c.text), "a.toml")),
                  "a.toml:3: " + c.name + rest);
    }
}

TEST(Options, WhatARefusalRepeatsIsPrintable) {
    EXPECT_EQ(refusal(invoke({"--port", "8\n0\x1b\xff"})),
              "--port: expected a number from 0 to 65535, not \"8\\x0a0\\x1b\\xff\"");
}

TEST(Options, TextsWithANulAreRefused) {
    EXPECT_EQ(refusal(parse_config("root = \"/srv\\u0000x\"", "f")),
              "f:1: root: expected the path of a folder, not \"/srv\\x00x\"");
}

TEST(Options, AFlagBeatsAVariableAndAVariableTheFile) {
    const test::TempDir dir;
    test::write_file(dir / "f.toml", "port = 1\nthreads = 1\nmax-ranges = 1\n");
    const std::string file = dir / "f.toml";
    const auto result =
        invoke({"--config", file, "--port", "3"}, {"FSRV_PORT=2", "FSRV_THREADS=2"});
    ASSERT_TRUE(result) << refusal(result);
    EXPECT_EQ(result->options.port, 3);
    EXPECT_EQ(result->options.threads, 2U);
    EXPECT_EQ(result->options.max_ranges, 1U);
    EXPECT_EQ(result->options.max_connections, 0U);
}

TEST(Options, AFlagBeatsTheConfigVariable) {
    const test::TempDir dir;
    test::write_file(dir / "a.toml", "port = 1\n");
    test::write_file(dir / "b.toml", "port = 2\n");
    const std::string variable = "FSRV_CONFIG=" + std::string(dir / "a.toml");
    EXPECT_EQ(invoke({}, {variable})->options.port, 1);
    EXPECT_EQ(invoke({"--config", dir / "b.toml"}, {variable})->options.port, 2);
}

TEST(Options, ListsOfDifferentSourcesAreNotMixed) {
    const test::TempDir dir;
    test::write_file(dir / "f.toml", "host = ['::1', '127.0.0.1']\n");
    const std::string file = dir / "f.toml";
    using Hosts = std::vector<std::string>;
    EXPECT_EQ(invoke({"--config", file})->options.host, (Hosts{"::1", "127.0.0.1"}));
    EXPECT_EQ(invoke({"--config", file}, {"FSRV_HOST=10.0.0.1"})->options.host, Hosts{"10.0.0.1"});
    EXPECT_TRUE(invoke({"--config", file}, {"FSRV_HOST="})->options.host.empty());
    EXPECT_EQ(invoke({"--config", file, "--host", "a"}, {"FSRV_HOST=b"})->options.host, Hosts{"a"});
}

TEST(Options, AValueIsJudgedEvenWhenAnotherSourceReplacesIt) {
    EXPECT_EQ(refusal(invoke({"--port", "80"}, {"FSRV_PORT=x"})),
              "FSRV_PORT: expected a number from 0 to 65535, not \"x\"");
}

TEST(Options, TlsIsSpokenOnceACertificateIsNamed) {
    const auto files = invoke({"--tls-cert", "a.pem", "--tls-cert", "b.pem", "--tls-key", "k.pem",
                               "--tls-client-ca", "ca.pem", "--tls-min", "1.3"});
    ASSERT_TRUE(files) << refusal(files);
    EXPECT_EQ(files->options.tls_certs, (std::vector<std::string>{"a.pem", "b.pem"}));
    EXPECT_EQ(files->options.tls_keys, std::vector<std::string>{"k.pem"});
    EXPECT_EQ(files->options.tls_min, TlsVersion::tls_1_3);
    EXPECT_TRUE(files->options.speaks_tls());
    EXPECT_FALSE(files->options.makes_certificate());
    const auto made = invoke({}, {"FSRV_TLS_CERT=auto"});
    ASSERT_TRUE(made) << refusal(made);
    EXPECT_TRUE(made->options.makes_certificate());
    EXPECT_TRUE(invoke({"--tls-cert", "./auto", "--tls-key", "k"}));
}

TEST(Options, WhatTlsDoesNotTakeTogetherIsRefused) {
    const std::pair<std::vector<std::string>, std::string> table[] = {
        {{"--tls-key", "k"}, "--tls-key: wants --tls-cert"},
        {{"--tls-client-ca", "k"}, "--tls-client-ca: wants --tls-cert"},
        {{"--redirect-port", "80"}, "--redirect-port: wants --tls-cert"},
        {{"--redirect-port", "443", "--port", "443", "--tls-cert", "a"},
         "--redirect-port: has to be another one than --port"},
        {{"--tls-cert", "auto", "--tls-cert", "a"}, "--tls-cert: auto stands alone"},
        {{"--tls-cert", "auto", "--tls-key", "k"}, "--tls-key: the certificate that"},
        {{"--tls-min", "1.1"}, "--tls-min: expected 1.2 or 1.3, not \"1.1\""},
        {{"--tls-cert", ""}, "--tls-cert: expected the path of a file, or auto"},
    };
    for (const auto& [arguments, why] : table)
        EXPECT_TRUE(refusal(invoke(arguments)).starts_with(why)) << refusal(invoke(arguments));
    EXPECT_TRUE(refusal(invoke({}, {"FSRV_TLS_KEY=k"})).starts_with("FSRV_TLS_KEY: wants"));
}

} // namespace
} // namespace fsrv
