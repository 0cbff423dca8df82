#include "worker/admin/metrics_text.h"

#include "common/close_reason.h"
#include "common/escape.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <iterator>

namespace fsrv::admin {
namespace {

using Out = std::back_insert_iterator<std::string>;

// Bytes of others; a scraper takes nothing that is no UTF-8.
std::string label_value(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        const char c = text.front();
        if (length == 0)
            out += "\xEF\xBF\xBD"; // U+FFFD
        else if (c == '\n')
            out += "\\n";
        else if (c == '"' || c == '\\')
            (out += '\\') += c;
        else
            out += text.substr(0, length);
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return out;
}

// Help, and labels but that, come from tables of ours: nothing in them needs an escape.
void head(Out out, std::string_view name, std::string_view help, std::string_view type) {
    fmt::format_to(out, "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

std::string_view value_name(const LabelSpec& label, unsigned i) {
    if (!label.values.empty()) return label.values[i];
    return i < kCloseReasons ? name_of(static_cast<CloseReason>(i)) : std::string_view();
}

void counter(Out out, const MetricSpec& spec, const MetricTotals& totals) {
    head(out, spec.name, spec.help, "counter");
    const MetricShape& shape = shape_of(spec.id);
    for (unsigned i = 0; i < shape.series; ++i) {
        const std::uint64_t value = totals.word(spec.id, i);
        if (spec.label1.key.empty()) {
            fmt::format_to(out, "{} {}\n", spec.name, value);
            continue;
        }
        const std::string_view first = value_name(spec.label1, i / shape.columns);
        if (first.empty()) continue; // a number that no reason has
        fmt::format_to(out, "{}{{{}=\"{}\"", spec.name, spec.label1.key, first);
        if (!spec.label2.key.empty())
            fmt::format_to(out, ",{}=\"{}\"", spec.label2.key,
                           value_name(spec.label2, i % shape.columns));
        fmt::format_to(out, "}} {}\n", value);
    }
}

void histogram(Out out, const MetricSpec& spec, const MetricTotals& totals) {
    head(out, spec.name, spec.help, "histogram");
    const auto bounds = shape_of(spec.id).bounds;
    const auto units = static_cast<double>(spec.units);
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < bounds.size(); ++i) {
        below += totals.word(spec.id, i);
        fmt::format_to(out, "{}_bucket{{le=\"{}\"}} {}\n", spec.name,
                       static_cast<double>(bounds[i]) / units, below);
    }
    below += totals.word(spec.id, bounds.size());
    fmt::format_to(out, "{}_bucket{{le=\"+Inf\"}} {}\n", spec.name, below);
    fmt::format_to(out, "{}_sum {}\n{}_count {}\n", spec.name,
                   static_cast<double>(totals.word(spec.id, bounds.size() + 1)) / units, spec.name,
                   below);
}

void derived(Out out, const DerivedSpec& spec, const Status& status) {
    if (spec.id == Derived::certificate_expires && status.certificates.empty()) return;
    head(out, spec.name, spec.help, "gauge");
    const auto plain = [&](auto value) { fmt::format_to(out, "{} {}\n", spec.name, value); };
    switch (spec.id) {
    case Derived::build_info:
        fmt::format_to(out, "{}{{version=\"{}\"}} 1\n", spec.name, FSRV_VERSION);
        break;
    case Derived::start_time: plain(status.server.started_s); break;
    case Derived::generation: plain(status.server.generation); break;
    case Derived::workers_wanted: plain(status.server.workers); break;
    case Derived::workers: {
        std::array<unsigned, kProcessStates> count{};
        for (const WorkerStatus& worker : status.workers)
            ++count[static_cast<unsigned>(worker.row.state) % kProcessStates];
        for (unsigned i = 0; i < kProcessStates; ++i)
            fmt::format_to(out, "{}{{state=\"{}\"}} {}\n", spec.name,
                           name_of(static_cast<ProcessState>(i)), count[i]);
        break;
    }
    case Derived::draining: plain(status.server.draining ? 1 : 0); break;
    case Derived::certificate_expires:
        for (const CertificateRow& row : status.certificates)
            fmt::format_to(out, "{}{{certificate=\"{}\"}} {}\n", spec.name, label_value(row.name),
                           row.not_after);
        break;
    case Derived::load: plain(status.load); break;
    }
}

} // namespace

std::string metrics_text(const Status& status) {
    std::string text;
    text.reserve(16 * 1024);
    const Out out(text);
    for (const DerivedSpec& spec : derived_table()) derived(out, spec, status);
    for (const MetricSpec& spec : metric_table()) {
        switch (shape_of(spec.id).kind) {
        case MetricKind::counter: counter(out, spec, status.totals); break;
        case MetricKind::gauge:
            head(out, spec.name, spec.help, "gauge");
            fmt::format_to(out, "{} {}\n", spec.name, status.totals.value(spec.id));
            break;
        case MetricKind::histogram: histogram(out, spec, status.totals); break;
        }
    }
    return text;
}

} // namespace fsrv::admin
