#include "worker/admin/status_json.h"

#include "common/json.h"

#include <fmt/format.h>
#include <iterator>

namespace fsrv::admin {
namespace {

class Writer final {
  public:
    void open(char bracket) {
        separate();
        out_ += bracket;
        first_ = true;
    }
    void close(char bracket) {
        out_ += bracket;
        first_ = false;
    }
    Writer& key(std::string_view name) {
        separate();
        fmt::format_to(std::back_inserter(out_), "\"{}\":", name);
        first_ = true; // no comma before its value
        return *this;
    }
    void text(std::string_view value) {
        separate();
        append_json_string(out_, value);
    }
    void number(std::uint64_t value) { raw("{}", value); }
    void number(double value) { raw("{:.3f}", value); }
    void truth(bool value) { raw("{}", value); }
    void nothing() { raw("{}", "null"); }
    std::string take() { return std::move(out_) + "\n"; }

  private:
    template <class T>
    void raw(fmt::format_string<T&> form, T value) {
        separate();
        fmt::format_to(std::back_inserter(out_), form, value);
    }
    void separate() {
        if (!first_) out_ += ',';
        first_ = false;
    }
    std::string out_;
    bool first_ = true;
};

void write(Writer& json, const WorkerStatus& worker) {
    json.open('{');
    json.key("slot").number(std::uint64_t{worker.row.slot});
    json.key("pid").number(static_cast<std::uint64_t>(worker.row.pid));
    json.key("state").text(name_of(worker.row.state));
    json.key("generation").number(worker.row.generation);
    json.key("uptime").number(worker.uptime_s);
    json.key("connections").number(worker.connections);
    json.key("active_requests").number(worker.active);
    json.key("paused_downloads").number(worker.paused);
    json.key("requests").number(worker.requests);
    json.key("requests_per_second").number(worker.rates.requests);
    json.key("bytes_per_second").number(worker.rates.bytes);
    json.key("loop_lag_ms").number(worker.lag_ms);
    json.close('}');
}

void write(Writer& json, const DownloadStatus& download) {
    json.open('{');
    json.key("id").text(fmt::format("{}-{}-{}", download.worker, download.id, download.started_ms));
    json.key("name").text(download.name);
    json.key("target").text(download.target);
    json.key("client").text(download.client);
    json.key("worker").number(static_cast<std::uint64_t>(download.worker));
    json.key("sent").number(download.sent);
    json.key("total").number(download.total);
    json.key("seconds").number(download.seconds);
    json.key("bytes_per_second").number(download.rate);
    json.key("remaining");
    if (download.remaining)
        json.number(*download.remaining);
    else
        json.nothing();
    json.key("paused").truth(download.paused);
    json.key("throttled").truth(download.throttled);
    json.close('}');
}

void write(Writer& json, const CertificateRow& certificate) {
    json.open('{');
    json.key("name").text(certificate.name);
    json.key("expires").number(static_cast<std::uint64_t>(certificate.not_after));
    json.close('}');
}

} // namespace

std::string status_json(const Status& status) {
    Writer json;
    const MetricTotals& totals = status.totals;
    json.open('{');
    json.key("version").text(FSRV_VERSION);
    json.key("pid").number(static_cast<std::uint64_t>(status.server.pid));
    json.key("started").number(status.server.started_s);
    json.key("uptime").number(status.uptime_s);
    json.key("generation").number(status.server.generation);
    json.key("ready").truth(status.not_ready_because().empty());
    json.key("reason").text(status.not_ready_because());
    json.key("draining").truth(status.server.draining);
    json.key("load").number(status.load);
    json.key("workers_wanted").number(status.server.workers);
    json.key("workers_ready").number(std::uint64_t{status.ready_workers});
    json.key("connections").number(totals.value(Metric::connections));
    json.key("connections_limit").number(totals.value(Metric::connection_limit));
    json.key("active_requests").number(totals.value(Metric::active_requests));
    json.key("paused_downloads").number(totals.value(Metric::paused_downloads));
    json.key("throttled_downloads").number(totals.value(Metric::throttled_downloads));
    json.key("requests").number(totals.sum(Metric::requests));
    json.key("requests_per_second").number(status.rates.requests);
    json.key("bytes").number(bytes_sent(totals));
    json.key("bytes_per_second").number(status.rates.bytes);
    json.key("history").open('{');
    json.key("requests_per_second").open('[');
    for (const Rates& rates : status.history) json.number(rates.requests);
    json.close(']');
    json.key("bytes_per_second").open('[');
    for (const Rates& rates : status.history) json.number(rates.bytes);
    json.close(']');
    json.close('}');
    json.key("workers").open('[');
    for (const WorkerStatus& worker : status.workers) write(json, worker);
    json.close(']');
    json.key("downloads").open('[');
    for (const DownloadStatus& download : status.downloads) write(json, download);
    json.close(']');
    json.key("downloads_not_shown").number(status.downloads_not_shown);
    json.key("certificates").open('[');
    for (const CertificateRow& certificate : status.certificates) write(json, certificate);
    json.close(']');
    json.close('}');
    return json.take();
}

} // namespace fsrv::admin
