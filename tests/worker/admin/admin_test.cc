// What the admin process says, made of values: texts, pages.

#include "common/figures/sampler.h"
#include "tests/common/figures/readings.h"
#include "tests/support/files.h"
#include "tests/support/process.h"
#include "tests/support/prometheus.h"
#include "tests/worker/content/json.h"
#include "tests/worker/http/ask.h"
#include "worker/admin/agent.h"
#include "worker/admin/answer.h"
#include "worker/admin/metrics_text.h"
#include "worker/admin/shown_name.h"
#include "worker/admin/status_json.h"
#include "worker/admin/status_page.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace fsrv::admin {
namespace {

using content::Json;
using content::JsonReader;
using test::one_worker;
using test::worker;

Status status_of(const ScoreReading& reading) {
    return Sampler(shown_name).status(reading, 61'000);
}

DownloadStatus some_download() {
    return {.name = "/a.tar",
            .target = "/a.tar",
            .client = "192.0.2.1 port 4711",
            .worker = 100,
            .id = 3,
            .started_ms = 5,
            .sent = 250,
            .total = 1'000,
            .seconds = 10,
            .rate = 25,
            .remaining = 30};
}

std::string base64_of_hex(std::string_view hex) {
    constexpr std::string_view kDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    unsigned bits = 0, count = 0;
    for (const char c : hex) {
        bits = bits << 4 | static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10);
        count += 4;
        if (count < 6) continue;
        count -= 6;
        out += kDigits[bits >> count & 63];
    }
    if (count > 0) out += kDigits[bits << (6 - count) & 63];
    while (out.size() % 4 != 0) out += '=';
    return out;
}

// --- names

TEST(ShownName, IsWhatAPersonWouldWrite) {
    const struct {
        std::string_view target, name;
    } rows[] = {
        {"/a%20b.tar", "/a b.tar"},
        {"/files?path=x%2Fy.tar", "/x/y.tar"},
        {"/files?path=%2Fsrv%2Fy.tar", "/srv/y.tar"},
        {"/folder/", "/folder/"},
        {"/", "/"},
        {"/%zz", "/%zz"},
        {"http://h/x", "http://h/x"},
        {"*", "*"},
        {"", ""},
    };
    for (const auto& row : rows) EXPECT_EQ(shown_name(row.target), row.name) << row.target;
    const std::string cut = "/" + std::string(limits::kShownTargetBytes - 2, '%');
    EXPECT_EQ(shown_name(cut), cut + "…") << "not decoded: its end is missing";
}

TEST(StatusPage, DurationsAreForPeople) {
    const struct {
        double seconds;
        std::string_view text;
    } rows[] = {{0, "0 s"},
                {0.9, "0 s"},
                {59.9, "59 s"},
                {60, "1 min 0 s"},
                {3'599, "59 min 59 s"},
                {3'600, "1 h 0 min"},
                {86'399, "23 h 59 min"},
                {90'000, "1 d 1 h"},
                {-5, "0 s"},
                {1e300, "11574074 d 1 h"}};
    for (const auto& row : rows) EXPECT_EQ(duration_text(row.seconds), row.text) << row.seconds;
}

// --- Prometheus

TEST(MetricsText, IsSoundWhateverTheNumbersAre) {
    for (const std::uint64_t number : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0} / 4}) {
        ScoreReading reading = one_worker();
        reading.certificates = {{.name = "a.pem", .not_after = static_cast<std::int64_t>(number)}};
        MetricWords words;
        for (const MetricSpec& spec : metric_table()) {
            switch (shape_of(spec.id).kind) {
            case MetricKind::counter: words.count(spec.id, number); break;
            case MetricKind::gauge: words.set(spec.id, number); break;
            case MetricKind::histogram: words.observe(spec.id, number); break;
            }
        }
        words.add_to(reading.totals);
        const std::string text = metrics_text(status_of(reading));
        const test::Exposition exposition = test::read_exposition(text);
        for (const std::string& problem : exposition.problems) ADD_FAILURE() << problem;
        for (const MetricSpec& spec : metric_table())
            EXPECT_TRUE(exposition.families.contains(std::string(spec.name))) << spec.name;
        for (const DerivedSpec& spec : derived_table())
            EXPECT_TRUE(exposition.families.contains(std::string(spec.name))) << spec.name;
    }
}

TEST(MetricsText, CertificatesHaveOneSampleForEachNameWhateverItIs) {
    ScoreReading reading = one_worker();
    reading.certificates = {{.name = "/etc/a.pem", .not_after = 1'800'000'000},
                            {.name = "b\"\\\n\xFF", .not_after = 1'700'000'001},
                            {.name = "/etc/a.pem", .not_after = 1'750'000'000}};
    const std::string text = metrics_text(status_of(reading));
    const test::Exposition exposition = test::read_exposition(text);
    for (const std::string& problem : exposition.problems) ADD_FAILURE() << problem;
    const std::string name = "fsrv_tls_certificate_expires_timestamp_seconds";
    EXPECT_EQ(exposition.sum(name, {{"certificate", "/etc/a.pem"}}), 1'750'000'000);
    EXPECT_EQ(exposition.sum(name, {{"certificate", "b\"\\\n\xEF\xBF\xBD"}}), 1'700'000'001);
    EXPECT_NE(text.find(R"(certificate="b\"\\\n)"), std::string::npos);
}

TEST(MetricsText, HistogramsAreInSecondsAndCumulative) {
    ScoreReading reading = one_worker();
    MetricWords words;
    for (const std::uint64_t ms : {0U, 1U, 4U, 90'000U, 100'000'000U})
        words.observe(Metric::request_duration, ms);
    words.add_to(reading.totals);
    const test::Exposition e = test::read_exposition(metrics_text(status_of(reading)));
    const auto bucket = [&](const char* le) {
        return e.sum("fsrv_request_duration_seconds_bucket", {{"le", le}});
    };
    EXPECT_EQ(bucket("0.001"), 2);
    EXPECT_EQ(bucket("0.005"), 3);
    EXPECT_EQ(bucket("60"), 3);
    EXPECT_EQ(bucket("300"), 4);
    EXPECT_EQ(bucket("7200"), 4);
    EXPECT_EQ(bucket("+Inf"), 5);
    EXPECT_DOUBLE_EQ(e.sum("fsrv_request_duration_seconds_sum"), 100'090.005);
}

TEST(PrometheusReader, FindsWhatPromtoolWouldFind) {
    const std::string help = "# HELP x_total h\n# TYPE x_total counter\n";
    const std::string histogram = "# HELP h h\n# TYPE h histogram\n";
    const std::string bad[] = {
        help + "x_total 1",
        help + "x_total -1\n",
        help + "x_total x\n",
        help + "x_total 1\nx_total 1\n",
        help + "x_total{a=\"1\",a=\"2\"} 1\n",
        help + "x_total{1a=\"1\"} 1\n",
        help + "x_total{a=\"\\x\"} 1\n",
        help + "x_total{a=\"\\\"} 1\n",
        help + "y 1\n",
        help,
        "x_total 1\n",
        "# HELP x h\n# TYPE x counter\nx 1\n",
        "# TYPE x gauge\nx 1\n",
        histogram + "h_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n",
        histogram + "h_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
        histogram + "h_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 2\n",
        histogram + "h_bucket{le=\"+Inf\"} 1\nh_count 1\n",
    };
    for (const std::string& text : bad)
        EXPECT_FALSE(test::read_exposition(text).problems.empty()) << text;
    EXPECT_TRUE(
        test::read_exposition(help + "x_total{a=\"b\"} 1\nx_total{a=\"c\"} 2\n").problems.empty());
}

// --- the agent

TEST(Agent, KnowsItsWordFromARequest) {
    const struct {
        std::string_view received;
        AgentWord word;
    } rows[] = {{"s", AgentWord::maybe},       {"state", AgentWord::maybe},
                {"state\r", AgentWord::maybe}, {"state\n", AgentWord::yes},
                {"state\r\n", AgentWord::yes}, {"state\n\n", AgentWord::no},
                {"State\n", AgentWord::no},    {"stat\n", AgentWord::no},
                {"state /x", AgentWord::no},   {"GET / HTTP/1.1", AgentWord::no}};
    for (const auto& row : rows) EXPECT_EQ(agent_word(row.received), row.word) << row.received;
}

TEST(Agent, LeavesTheWeightThatTheLoadLeaves) {
    EXPECT_EQ(agent_line(std::nullopt), "down #no figures\n");
    Status status = status_of(one_worker());
    EXPECT_EQ(agent_line(status), "ready up 100%\n");
    status.load = 0.126;
    EXPECT_EQ(agent_line(status), "ready up 87%\n");
    status.load = 1;
    EXPECT_EQ(agent_line(status), "ready up 1%\n") << "0% would be a drain";
    status.ready_workers = 0;
    EXPECT_EQ(agent_line(status), "down #no worker is ready\n");
    status.server.draining = true;
    EXPECT_EQ(agent_line(status), "drain\n");
}

// --- JSON and the page

TEST(StatusJson, IsADocumentWithAllThatThePageShows) {
    ScoreReading reading = one_worker();
    reading.processes.push_back(worker(0, ProcessState::failed));
    Status status = status_of(reading);
    status.history = {{.requests = 1, .bytes = 2}, {.requests = 3, .bytes = 4}};
    status.downloads = {some_download()};
    status.downloads.at(0).name = "\"\\\n\x01\xFF</script>";
    status.certificates = {{.name = "a.pem", .not_after = 1'800'000'000}};
    const auto json = JsonReader::read(status_json(status));
    ASSERT_TRUE(json) << status_json(status);
    EXPECT_EQ((*json)["workers"].items.size(), 2U);
    EXPECT_EQ((*json)["workers"].items.at(1)["state"].text, "failed");
    EXPECT_EQ((*json)["history"]["bytes_per_second"].items.size(), 2U);
    const Json& download = (*json)["downloads"].items.at(0);
    EXPECT_EQ(download["name"].text, "\"\\\n\x01\xEF\xBF\xBD</script>");
    EXPECT_EQ(download["remaining"].text, "30.000");
    EXPECT_EQ(download["id"].text, "100-3-5");
    EXPECT_EQ((*json)["certificates"].items.at(0)["name"].text, "a.pem");
    EXPECT_EQ((*json)["certificates"].items.at(0)["expires"].text, "1800000000");
}

TEST(StatusPage, EscapesWhatOthersChose) {
    Status status = status_of(one_worker());
    status.downloads = {some_download()};
    for (std::string* text :
         {&status.downloads[0].name, &status.downloads[0].target, &status.downloads[0].client})
        *text = "<img src=x onerror=\"alert('1')\">&\xFF";
    const std::string page = status_page(status);
    EXPECT_EQ(page.find("<img"), std::string::npos);
    EXPECT_EQ(page.find("onerror=\""), std::string::npos);
    EXPECT_EQ(page.find('\xFF'), std::string::npos);
}

TEST(StatusPage, CertificatesAreShownWithTheirEndIfThereAreAny) {
    Status status = status_of(one_worker());
    EXPECT_EQ(status_page(status).find("Certificates"), std::string::npos);
    const std::int64_t now_s = status.now_s();
    EXPECT_EQ(now_s, 1'700'000'060);
    status.certificates = {{.name = "<b>&\xFF", .not_after = now_s + 90'000},
                           {.name = "late.pem", .not_after = now_s + 90 * 86'400}};
    const std::string page = status_page(status);
    EXPECT_EQ(page.find("<b>&"), std::string::npos);
    EXPECT_NE(page.find("<td class=\"bad\">1 d 1 h</td>"), std::string::npos);
    EXPECT_NE(page.find("<td>late.pem</td><td>Mon, 12 Feb 2024 22:14:20 GMT</td><td class=\"good\">"
                        "90 d 0 h</td>"),
              std::string::npos)
        << page;
}

TEST(StatusPage, ADownloadThatRunsHasNeverAHundredPercent) {
    Status status = status_of(one_worker());
    status.downloads = {some_download()};
    for (const auto& [sent, total, text] :
         {std::tuple{0, 1'000, "0.0%"}, std::tuple{999, 1'000, "99.9%"},
          std::tuple{1'000, 1'000, "99.9%"}, std::tuple{2'000, 1'000, "99.9%"},
          std::tuple{0, 0, "0.0%"}, std::tuple{99'999'999, 100'000'000, "99.9%"}}) {
        status.downloads[0].sent = static_cast<std::uint64_t>(sent);
        status.downloads[0].total = static_cast<std::uint64_t>(total);
        EXPECT_NE(status_page(status).find(text), std::string::npos) << sent << "/" << total;
    }
}

TEST(StatusPage, ItsPolicyNamesTheScriptThatItHas) {
    const std::string page = status_page(status_of(one_worker()));
    const std::string script = std::string(status_page_script());
    EXPECT_NE(page.find("<script>" + script + "</script>"), std::string::npos);
    EXPECT_EQ(page.find("<script", page.find("<script") + 1), std::string::npos) << "one";
    const test::TempDir dir;
    test::write_file(dir / "script", script);
    const std::string hash = base64_of_hex(test::sha256_of((dir / "script").string()));
    EXPECT_NE(status_page_policy().find(fmt::format("script-src 'sha256-{}';", hash)),
              std::string::npos)
        << "kScriptHash should be " << hash;
    EXPECT_EQ(status_page_policy().find("unsafe-eval"), std::string::npos);
}

TEST(StatusPage, SaysWhatIsWrong) {
    Status status = status_of(one_worker());
    EXPECT_NE(status_page(status).find("<title>fsrv: ready</title>"), std::string::npos);
    status.ready_workers = 0;
    EXPECT_NE(status_page(status).find("<title>fsrv: no worker is ready</title>"),
              std::string::npos);
    status.server.draining = true;
    EXPECT_NE(status_page(status).find("<title>fsrv: draining</title>"), std::string::npos);
}

// --- answers

TEST(Answer, SaysWhenThereAreNoFigures) {
    const StatusSource none = [] { return std::optional<Status>(); };
    const auto status_to = [&](std::string_view target) {
        const auto asked = http::test::ask("GET " + std::string(target));
        return answer(asked.request, none).status;
    };
    EXPECT_EQ(status_to("/healthz"), 200);
    for (const char* path : {"/readyz", "/metrics", "/status"}) EXPECT_EQ(status_to(path), 503);
}

} // namespace
} // namespace fsrv::admin
