#include "worker/admin/status_page.h"

#include "common/figures/figures_text.h"
#include "common/limits.h"
#include "common/number_text.h"
#include "worker/http/date.h"
#include "worker/http/page.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <iterator>

namespace fsrv::admin {
namespace {

using http::escape_html;

constexpr std::string_view kStyle = R"(
:root{--good:#1a7f4b;--bad:#c2353a;--wait:#a86a00;--bar:#0a58ca;--card:#fff;--paper:#f6f8fa}
@media(prefers-color-scheme:dark){:root{--good:#4cc38a;--bad:#ff7b80;--wait:#e0b04f;--bar:#5b9cff;--card:#1b1f24;--paper:#101315}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;font-variant-numeric:tabular-nums}
main{max-width:68rem;margin:0 auto;padding:1.75rem 1.25rem 1rem}
header,footer{display:flex;flex-wrap:wrap;align-items:center;gap:.35rem .9rem}
h1{margin:0;font-size:1.6rem;line-height:1.25;font-weight:700;letter-spacing:-.01em}
h2{margin:1.9rem 0 .6rem;font-size:1.05rem;font-weight:650}
h2 small{font-weight:400;font-size:.875rem;color:var(--soft);margin-left:.4rem}
p{margin:0}
.facts,footer{color:var(--soft);font-size:.875rem}
header .facts{margin-left:auto}
.pill{display:inline-block;padding:.05rem .6rem;border-radius:1rem;border:1px solid currentColor;font-size:.8rem;font-weight:600;white-space:nowrap}
.good{color:var(--good)}.bad{color:var(--bad)}.wait{color:var(--wait)}.soft{color:var(--soft)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.75rem;margin:1.25rem 0 0;padding:0}
.tile,.download,.box{background:var(--card);border:1px solid var(--line);border-radius:.6rem}
.tile{position:relative;overflow:hidden;padding:.75rem .9rem 2.6rem;min-width:0}
.tile dt{color:var(--soft);font-size:.8rem}
.tile dd{margin:.1rem 0 0;font-size:1.45rem;font-weight:650;line-height:1.2;white-space:nowrap}
.tile dd small{font-size:.875rem;font-weight:400;color:var(--soft)}
.tile dd.more{position:absolute;left:.9rem;bottom:.7rem;font-size:.8rem;font-weight:400;color:var(--soft)}
.tile svg{position:absolute;left:0;right:0;bottom:0;width:100%;height:2.3rem;display:block}
.tile polyline{fill:none;stroke:var(--bar);stroke-width:1.5;vector-effect:non-scaling-stroke}
.tile polygon{fill:var(--bar);opacity:.12}
.download{padding:.6rem .9rem .65rem;margin-top:.5rem}
.download p{display:flex;flex-wrap:wrap;gap:0 1rem;color:var(--soft);font-size:.85rem}
.download .line{flex-wrap:nowrap;align-items:baseline;justify-content:space-between;color:var(--ink);font-size:1rem}
.name{min-width:0;font-weight:550;overflow:hidden;overflow-wrap:anywhere;display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:2;unicode-bidi:isolate}
.percent{flex:none;font-weight:600}
.client{margin-left:auto;overflow-wrap:anywhere}
progress{appearance:none;-webkit-appearance:none;display:block;width:100%;height:.4rem;margin:.35rem 0 .3rem;border:0;border-radius:1rem;background:var(--line);overflow:hidden}
progress::-webkit-progress-bar{background:var(--line)}
progress::-webkit-progress-value{background:var(--bar);border-radius:1rem;transition:width 1s linear}
progress::-moz-progress-bar{background:var(--bar);border-radius:1rem}
.paused progress::-webkit-progress-value{background:var(--wait)}
.paused progress::-moz-progress-bar{background:var(--wait)}
.none{padding:1.6rem;color:var(--soft);text-align:center}
.box{overflow-x:auto}
table{width:100%;border-collapse:collapse;font-size:.9rem}
th,td{padding:.45rem .9rem;text-align:right;white-space:nowrap;border-top:1px solid var(--line)}
thead th{border-top:0;color:var(--soft);font-weight:500;font-size:.8rem}
th:first-child,td:first-child,th:nth-child(2),td:nth-child(2){text-align:left}
footer{margin-top:1.5rem}
#gone{display:none}
.stale #gone{display:inline-block}
.stale .tiles,.stale section{opacity:.45}
@media(max-width:40rem){main{padding:1.1rem .75rem}h1{font-size:1.35rem}header .facts{margin-left:0;width:100%}.tiles{grid-template-columns:1fr 1fr;gap:.5rem}.tile dd{font-size:1.15rem}.tile{padding-left:.75rem}.tile dd.more{left:.75rem}.client{margin-left:0;width:100%}th,td{padding:.45rem .6rem}}
@media(prefers-reduced-motion:reduce){progress::-webkit-progress-value{transition:none}}
)";

// morph() makes the live element like the new one: children with an id are found by it, others by
// their place.
constexpr std::string_view kScript = R"(
"use strict";
function morph(live, fresh) {
  for (const a of fresh.attributes) if (live.getAttribute(a.name) !== a.value) live.setAttribute(a.name, a.value);
  for (const a of [...live.attributes]) if (!fresh.hasAttribute(a.name)) live.removeAttribute(a.name);
  let at = live.firstChild;
  for (const child of [...fresh.childNodes]) {
    let twin = at;
    if (child.id) twin = [...live.children].find(c => c.id === child.id) || null;
    else if (at && at.id) twin = null;
    if (twin && twin.nodeName === child.nodeName) {
      if (twin !== at) live.insertBefore(twin, at);
      if (child.nodeType === 1) morph(twin, child);
      else if (twin.nodeValue !== child.nodeValue) twin.nodeValue = child.nodeValue;
      at = twin.nextSibling;
    } else live.insertBefore(document.importNode(child, true), at);
  }
  while (at) { const next = at.nextSibling; at.remove(); at = next; }
}
async function refresh() {
  if (!document.hidden) {
    try {
      const answer = await fetch("?format=html", { cache: "no-store", signal: AbortSignal.timeout(5000) });
      if (!answer.ok) await Promise.reject();
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      morph(document.querySelector("main"), page.querySelector("main"));
      document.title = page.title;
    } catch { document.querySelector("main").className = "stale"; }
  }
  setTimeout(refresh, 1000);
}
setTimeout(refresh, 1000);
)";
constexpr std::string_view kScriptHash = "DakDJvv3s0GCKk3WM35KybWhGncP5oTV31S17Jk83ok=";

using Html = std::back_insert_iterator<std::string>;

std::string_view color_of(ProcessState state) {
    switch (state) {
    case ProcessState::ready: return "good";
    case ProcessState::starting:
    case ProcessState::waiting:
    case ProcessState::draining: return "wait";
    case ProcessState::gone: return "soft";
    default: return "bad";
    }
}

template <class Value>
std::string sparkline(const std::vector<Rates>& history, Value value) {
    constexpr double kHeight = 30, kTop = 3;
    if (history.size() < 2) return {};
    double highest = 1e-9;
    for (const Rates& rates : history) highest = std::max(highest, value(rates));
    const auto last = static_cast<double>(history.size() - 1);
    std::string points;
    for (std::size_t i = 0; i < history.size(); ++i)
        fmt::format_to(std::back_inserter(points), "{}{:.1f},{:.1f}", i == 0 ? "" : " ",
                       static_cast<double>(i) * 100 / last,
                       kHeight - value(history[i]) / highest * (kHeight - kTop));
    return fmt::format(
        "<svg viewBox=\"0 0 100 30\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
        "<polygon points=\"0,30 {0} 100,30\"/><polyline points=\"{0}\"/></svg>",
        points);
}

void tile(Html out, std::string_view name, std::string_view value, std::string_view more) {
    fmt::format_to(out, "<div class=\"tile\"><dt>{}</dt><dd>{}</dd>{}</div>\n", name, value, more);
}

void tiles(Html out, const Status& status) {
    const MetricTotals& totals = status.totals;
    const auto more = [](const std::string& text) {
        return fmt::format("<dd class=\"more\">{}</dd>", text);
    };
    fmt::format_to(out, "<dl class=\"tiles\">\n");
    tile(out, "Sent", rate_text(status.rates.bytes),
         sparkline(status.history, [](const Rates& r) { return r.bytes; }));
    tile(out, "Requests", count_text(status.rates.requests) + "<small>/s</small>",
         sparkline(status.history, [](const Rates& r) { return r.requests; }));
    tile(out, "Downloads", grouped(totals.value(Metric::active_downloads)),
         more(fmt::format("{} paused", grouped(totals.value(Metric::paused_downloads)))));
    tile(out, "Connections", grouped(totals.value(Metric::connections)),
         more(fmt::format("of at most {}", grouped(totals.value(Metric::connection_limit)))));
    tile(out, "Load", fmt::format("{:.0f}<small>%</small>", status.load * 100),
         more("of what it can take"));
    fmt::format_to(out, "</dl>\n");
}

void download(Html out, const DownloadStatus& d) {
    const double part =
        d.total > 0 ? static_cast<double>(d.sent) / static_cast<double>(d.total) : 0;
    // Never 100 % of what is still under way.
    const double percent = std::min(std::floor(part * 1000) / 10, 99.9);
    fmt::format_to(out, "<div class=\"download{}\" id=\"d{}-{}-{}\">\n",
                   d.paused      ? " paused"
                   : d.throttled ? " throttled"
                                 : "",
                   d.worker, d.id, d.started_ms);
    fmt::format_to(out,
                   "<p class=\"line\"><bdi class=\"name\" dir=\"auto\" title=\"{}\">{}</bdi>"
                   "<span class=\"percent\">{:.1f}%</span></p>\n",
                   escape_html(d.target), escape_html(d.name), percent);
    fmt::format_to(out, "<progress max=\"1000\" value=\"{:.0f}\">{:.1f}%</progress>\n",
                   percent * 10, percent);
    if (d.total > 0)
        fmt::format_to(out, "<p><span>{} of {}</span>", human_size(d.sent), human_size(d.total));
    else
        fmt::format_to(out, "<p><span>{}</span>", human_size(d.sent));
    if (d.paused)
        fmt::format_to(out, "<span class=\"wait\">paused</span>");
    else
        fmt::format_to(out, "<span>{}{}</span>", rate_text(d.rate), d.throttled ? ", limited" : "");
    if (d.remaining) fmt::format_to(out, "<span>{} left</span>", duration_text(*d.remaining));
    fmt::format_to(out, "<span>for {}</span><span class=\"client\">{}</span></p>\n</div>\n",
                   duration_text(d.seconds), escape_html(d.client));
}

void downloads_section(Html out, const Status& status) {
    const std::uint64_t all = status.downloads.size() + status.downloads_not_shown;
    fmt::format_to(out, "<section><h2>Downloads<small>{}</small></h2>\n", grouped(all));
    for (const DownloadStatus& d : status.downloads) download(out, d);
    if (all == 0)
        fmt::format_to(out, "<p class=\"box none\">Nobody downloads anything just now.</p>\n");
    else if (status.downloads_not_shown > 0)
        fmt::format_to(out,
                       "<p class=\"none\">and {} more, that began later or less than a second "
                       "ago</p>\n",
                       grouped(status.downloads_not_shown));
    fmt::format_to(out, "</section>\n");
}

void workers_section(Html out, const Status& status) {
    fmt::format_to(out,
                   "<section><h2>Workers<small>{} of {} ready</small></h2>\n<div class=\"box\">"
                   "<table><thead><tr><th>Worker</th><th>State</th><th>Up</th><th>Connections</th>"
                   "<th>Active</th><th>Paused</th><th>Requests/s</th><th>Sent</th><th>Lag</th>"
                   "</tr></thead>\n<tbody>\n",
                   status.ready_workers, status.server.workers);
    for (const WorkerStatus& w : status.workers) {
        const bool lives = w.row.pid != 0;
        fmt::format_to(out, "<tr id=\"w{}-{}\"><td>{}{}</td><td class=\"{}\">{}</td>", w.row.slot,
                       w.row.pid, w.row.slot,
                       lives ? fmt::format(" <span class=\"soft\">pid {}</span>", w.row.pid) : "",
                       color_of(w.row.state), name_of(w.row.state));
        if (lives)
            fmt::format_to(out,
                           "<td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>"
                           "<td>{} ms</td></tr>\n",
                           duration_text(w.uptime_s), grouped(w.connections), grouped(w.active),
                           grouped(w.paused), count_text(w.rates.requests),
                           rate_text(w.rates.bytes), w.lag_ms);
        else
            fmt::format_to(out, "<td></td><td></td><td></td><td></td><td></td><td></td><td></td>"
                                "</tr>\n");
    }
    fmt::format_to(out, "</tbody></table></div></section>\n");
}

void certificates_section(Html out, const Status& status) {
    if (status.certificates.empty()) return;
    fmt::format_to(out, "<section><h2>Certificates</h2>\n<div class=\"box\"><table><thead><tr>"
                        "<th>File</th><th>Expires</th><th>In</th></tr></thead>\n<tbody>\n");
    for (const CertificateRow& row : status.certificates) {
        const std::int64_t left_s = row.not_after - status.now_s();
        fmt::format_to(out, "<tr><td>{}</td><td>{}</td><td class=\"{}\">{}</td></tr>\n",
                       escape_html(row.name), http::format_date(row.not_after).value_or(""),
                       left_s < limits::kTlsExpirySoonS ? "bad" : "good",
                       duration_text(static_cast<double>(left_s)));
    }
    fmt::format_to(out, "</tbody></table></div></section>\n");
}

} // namespace

std::string duration_text(double seconds) {
    const auto s = static_cast<std::uint64_t>(std::clamp(seconds, 0.0, 1e12));
    if (s < 60) return fmt::format("{} s", s);
    if (s < 3'600) return fmt::format("{} min {} s", s / 60, s % 60);
    if (s < 86'400) return fmt::format("{} h {} min", s / 3'600, s % 3'600 / 60);
    return fmt::format("{} d {} h", s / 86'400, s % 86'400 / 3'600);
}

std::string_view status_page_script() {
    return kScript;
}

std::string status_page_policy() {
    return fmt::format("default-src 'none'; script-src 'sha256-{}'; style-src 'unsafe-inline'; "
                       "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
                       "frame-ancestors 'none'",
                       kScriptHash);
}

std::string status_page(const Status& status) {
    const std::string_view why = status.not_ready_because();
    std::string page;
    page.reserve(16 * 1024 + status.downloads.size() * 800);
    const Html out(page);
    fmt::format_to(out,
                   "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                   "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                   "<noscript><meta http-equiv=\"refresh\" content=\"3\"></noscript>\n"
                   "<title>fsrv: {}</title>\n<link rel=\"icon\" href=\"{}\">\n<style>{}{}</style>\n"
                   "</head>\n<body>\n<main>\n",
                   why.empty() ? "ready" : why, http::page_icon(), http::page_palette(), kStyle);
    fmt::format_to(out,
                   "<header><h1>fsrv</h1><span class=\"pill {}\">{}</span>"
                   "<span class=\"pill bad\" id=\"gone\">does not answer</span>"
                   "<p class=\"facts\">up {}</p></header>\n",
                   why.empty()              ? "good"
                   : status.server.draining ? "wait"
                                            : "bad",
                   why.empty() ? "ready" : why, duration_text(status.uptime_s));
    tiles(out, status);
    downloads_section(out, status);
    workers_section(out, status);
    certificates_section(out, status);
    fmt::format_to(out,
                   "<footer><span>fsrv {}</span><span>pid {}</span><span>generation {}</span>"
                   "<span>{} requests answered, {} sent since the start</span>"
                   "</footer>\n</main>\n<script>{}</script>\n</body>\n</html>\n",
                   FSRV_VERSION, status.server.pid, status.server.generation,
                   grouped(status.totals.sum(Metric::requests)),
                   human_size(bytes_sent(status.totals)), kScript);
    return page;
}

} // namespace fsrv::admin
