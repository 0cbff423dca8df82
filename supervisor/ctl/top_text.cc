#include "supervisor/ctl/top_text.h"

#include "common/figures/figures_text.h"
#include "common/number_text.h"
#include "supervisor/ctl/terminal_text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>

namespace fsrv {
namespace {

enum class Style { plain, strong, soft, good, wait, bad, bar, head };

std::string_view sgr_of(Style style) {
    switch (style) {
    case Style::plain: return "";
    case Style::strong: return "\x1b[1m";
    case Style::soft: return "\x1b[2m";
    case Style::good: return "\x1b[32m";
    case Style::wait: return "\x1b[33m";
    case Style::bad: return "\x1b[31m";
    case Style::bar: return "\x1b[36m";
    case Style::head: return "\x1b[7m";
    }
    return "";
}

Style style_of(ProcessState state) {
    switch (state) {
    case ProcessState::ready: return Style::good;
    case ProcessState::starting:
    case ProcessState::waiting:
    case ProcessState::draining: return Style::wait;
    case ProcessState::gone: return Style::soft;
    default: return Style::bad;
    }
}

constexpr std::size_t kUnbounded = ~std::size_t{0};

// Builds one line; what is beyond the room is left out.
class Line final {
  public:
    explicit Line(const TopView& view)
        : view_(view), left_(view.columns == 0 ? kUnbounded : view.columns) {}

    // `text` must be safe.
    Line& add(std::string_view text, Style style = Style::plain) {
        const std::string_view fits = beginning_within(text, left_);
        if (fits.empty()) return *this;
        const std::string_view sgr = view_.colours ? sgr_of(style) : "";
        line_.bytes += sgr;
        line_.bytes += fits;
        if (!sgr.empty()) line_.bytes += "\x1b[0m";
        const std::size_t columns = columns_of(fits);
        line_.columns += columns;
        if (fits.size() < text.size())
            left_ = 0; // nothing may follow what was cut
        else if (left_ != kUnbounded)
            left_ -= columns;
        return *this;
    }
    Line& space(std::size_t columns) { return add(std::string(columns, ' ')); }
    Line& left(std::string_view text, std::size_t columns, Style style = Style::plain) {
        add(text, style);
        return space(columns - std::min(columns, columns_of(text)));
    }
    Line& right(std::string_view text, std::size_t columns, Style style = Style::plain) {
        space(columns - std::min(columns, columns_of(text)));
        return add(text, style);
    }
    std::size_t room() const { return left_; }
    std::size_t columns() const { return line_.columns; }
    TopLine take() { return std::move(line_); }

  private:
    const TopView& view_;
    TopLine line_;
    std::size_t left_;
};

// Never 100 % of what is still under way.
double percent_of(const DownloadStatus& d) {
    const double part =
        d.total > 0 ? static_cast<double>(d.sent) / static_cast<double>(d.total) : 0;
    return std::min(std::floor(part * 1000) / 10, 99.9);
}

std::size_t columns_or(const TopView& view, std::size_t unbounded) {
    return view.columns == 0 ? unbounded : view.columns;
}

// --- the head

void add_bar(Line& line, double part, std::size_t columns, Style style, const TopView& view) {
    const auto halves = static_cast<std::size_t>(part * 2 * static_cast<double>(columns));
    for (std::size_t i = 0; i < columns; ++i)
        if (2 * i + 1 < halves)
            line.add(view.utf8 ? "━" : "#", style);
        else if (2 * i < halves)
            line.add(view.utf8 ? "╸" : "-", view.utf8 ? style : Style::soft);
        else
            line.add(view.utf8 ? "─" : "-", Style::soft);
}

TopLine title(const Status& status, const TopView& view) {
    const std::string_view why = status.not_ready_because();
    Line line(view);
    line.add("fsrv " FSRV_VERSION, Style::strong).space(2);
    line.add(why.empty() ? "ready" : why, why.empty()              ? Style::good
                                          : status.server.draining ? Style::wait
                                                                   : Style::bad);
    line.space(2).add(fmt::format("up {}", short_duration(status.uptime_s)));
    line.space(2).add(fmt::format("generation {}", status.server.generation));
    line.space(2).add(fmt::format("pid {}", status.server.pid));
    const std::string_view keys = "q leaves";
    if (view.keys && line.room() > keys.size() + 2)
        line.space(line.room() - keys.size()).add(keys, Style::soft);
    return line.take();
}

// Figures in a grid whose places do not depend on their values.
void facts(std::vector<TopLine>& lines, const Status& status, const TopView& view) {
    constexpr std::size_t kName = 12, kCell = 26;
    const auto value = [&](Metric metric) { return status.totals.value(metric); };
    const std::uint64_t paused = value(Metric::paused_downloads);
    const std::uint64_t throttled = value(Metric::throttled_downloads);
    const std::string waiting = paused > 0      ? fmt::format(", {} paused", grouped(paused))
                                : throttled > 0 ? fmt::format(", {} limited", grouped(throttled))
                                                : std::string();
    const std::array<std::pair<std::string_view, std::string>, 6> cells = {{
        {"Sent", rate_text(status.rates.bytes)},
        {"Requests", count_text(status.rates.requests) + "/s"},
        {"Downloads", grouped(value(Metric::active_downloads) + paused) + waiting},
        {"Workers", fmt::format("{} of {} ready", status.ready_workers, status.server.workers)},
        {"Load", fmt::format("{:.0f} %", status.load * 100)},
        {"Connections",
         fmt::format("{} of {}", value(Metric::connections), value(Metric::connection_limit))},
    }};
    const std::size_t in_a_row = std::clamp<std::size_t>(columns_or(view, 3 * kCell) / kCell, 1, 3);
    for (std::size_t i = 0; i < cells.size();) {
        Line line(view);
        for (std::size_t n = 0; n < in_a_row && i < cells.size(); ++n, ++i) {
            line.left(cells[i].first, kName, Style::soft);
            if (n + 1 < in_a_row)
                line.left(cells[i].second, kCell - kName);
            else
                line.add(cells[i].second);
        }
        lines.push_back(line.take());
    }
}

// Bytes a second, of the last two minutes.
TopLine history(const Status& status, const TopView& view) {
    constexpr std::string_view kLevels[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    double highest = 1e-9;
    for (const Rates& rates : status.history) highest = std::max(highest, rates.bytes);
    const std::string peak = "peak " + rate_text(highest);
    const std::size_t room = columns_or(view, 80);
    const std::size_t count =
        std::min(status.history.size(), room - std::min(room, peak.size() + 2));
    Line line(view);
    for (std::size_t i = status.history.size() - count; i < status.history.size(); ++i) {
        const double part = status.history[i].bytes / highest;
        line.add(kLevels[static_cast<std::size_t>(std::lround(part * 7))], Style::bar);
    }
    line.space(2).add(peak, Style::soft);
    return line.take();
}

// --- the tables

TopLine heading(Line line, const TopView& view) {
    if (view.columns == 0 || !view.colours) return line.take();
    line.space(line.room());
    TopLine made = line.take();
    made.bytes = fmt::format("{}{}\x1b[0m", sgr_of(Style::head), made.bytes);
    return made;
}

TopLine and_more(std::uint64_t count, const TopView& view) {
    return Line(view).add(fmt::format(" and {} more", grouped(count)), Style::soft).take();
}

struct WorkerCells {
    std::string slot, pid, state, up, connections, active, paused, requests, rate, lag;
    Style style = Style::plain;
};

// Widths of a whole table: 78; the first columns are those that a narrow terminal still has.
Line worker_line(const WorkerCells& cells, const TopView& view) {
    Line line(view);
    line.right(cells.slot, 6).right(cells.pid, 9).space(2).left(cells.state, 8, cells.style);
    line.right(cells.rate, 13).right(cells.requests, 7).right(cells.connections, 7);
    line.right(cells.active, 7).right(cells.paused, 7).right(cells.up, 7).right(cells.lag, 5);
    return line;
}

TopLine worker_row(const WorkerStatus& w, const TopView& view) {
    WorkerCells cells{.slot = fmt::format("{}", w.row.slot),
                      .state = std::string(name_of(w.row.state)),
                      .style = style_of(w.row.state)};
    if (w.row.pid == 0) return worker_line(cells, view).take();
    cells.pid = fmt::format("{}", w.row.pid);
    cells.up = short_duration(w.uptime_s);
    cells.connections = fmt::format("{}", w.connections);
    cells.active = fmt::format("{}", w.active);
    cells.paused = fmt::format("{}", w.paused);
    cells.requests = count_text(w.rates.requests);
    cells.rate = rate_text(w.rates.bytes);
    cells.lag = fmt::format("{}", w.lag_ms);
    return worker_line(cells, view).take();
}

void workers(std::vector<TopLine>& lines, const Status& status, const TopView& view,
             std::size_t rows) {
    std::vector<const WorkerStatus*> shown;
    for (const WorkerStatus& w : status.workers) shown.push_back(&w);
    lines.push_back(heading(worker_line({.slot = "WORKER",
                                         .pid = "PID",
                                         .state = "STATE",
                                         .up = "UP",
                                         .connections = "CONN",
                                         .active = "ACTIVE",
                                         .paused = "PAUSED",
                                         .requests = "REQ/S",
                                         .rate = "RATE",
                                         .lag = "LAG"},
                                        view),
                            view));
    if (shown.size() > rows) // first those that need somebody
        std::stable_partition(shown.begin(), shown.end(), [](const WorkerStatus* w) {
            return w->row.state != ProcessState::ready;
        });
    const std::size_t whole = shown.size() <= rows ? shown.size() : rows - 1;
    for (std::size_t i = 0; i < whole; ++i) lines.push_back(worker_row(*shown[i], view));
    if (whole < shown.size()) lines.push_back(and_more(shown.size() - whole, view));
}

// Which columns of the downloads there is room for.
struct DownloadColumns {
    std::size_t bar = 0, sizes = 0, client = 0;
};

std::string client_text(const DownloadStatus& d, const TopView& view) {
    std::string_view client = d.client;
    if (view.columns != 0 && view.columns < 140) client = client.substr(0, client.find(" port "));
    return terminal_safe(client, view.utf8);
}

DownloadColumns download_columns(const Status& status, const TopView& view, std::size_t rows) {
    const std::size_t columns = columns_or(view, 1000);
    DownloadColumns result{.bar = view.columns == 0 ? 0U
                                  : columns >= 120  ? 20U
                                  : columns >= 80   ? 10U
                                  : columns >= 60   ? 8U
                                                    : 0U,
                           .sizes = columns >= 110 ? 24U : 0U};
    if (columns < 70) return result;
    result.client = 6;
    for (std::size_t i = 0; i < std::min(rows, status.downloads.size()); ++i)
        result.client = std::max(result.client, columns_of(client_text(status.downloads[i], view)));
    result.client = std::min(result.client, std::min<std::size_t>(columns / 4, 60));
    return result;
}

TopLine download_heading(const DownloadColumns& columns, const TopView& view) {
    Line line(view);
    if (columns.bar > 0) line.space(1).left("PROGRESS", columns.bar);
    line.right("DONE", 7);
    if (columns.sizes > 0) line.right("SENT", columns.sizes);
    line.right("RATE", 13).right("LEFT", 8).space(2);
    if (columns.client > 0) line.left("CLIENT", columns.client).space(2);
    line.add("DOWNLOAD");
    return heading(std::move(line), view);
}

// Foreign text stands last, so that a terminal that thinks otherwise of its width moves nothing.
TopLine download_row(const DownloadStatus& d, const DownloadColumns& columns, const TopView& view) {
    const double percent = percent_of(d);
    Line line(view);
    if (columns.bar > 0) {
        line.space(1);
        add_bar(line, percent / 100, columns.bar,
                d.paused || d.throttled ? Style::wait : Style::bar, view);
    }
    line.right(fmt::format("{:.1f} %", percent), 7);
    if (columns.sizes > 0)
        line.right(d.total > 0 ? fmt::format("{} of {}", human_size(d.sent), human_size(d.total))
                               : human_size(d.sent),
                   columns.sizes);
    if (d.paused)
        line.right("paused", 13, Style::wait);
    else
        line.right(rate_text(d.rate), 13, d.throttled ? Style::wait : Style::plain);
    line.right(d.remaining ? short_duration(*d.remaining) : "-", 8).space(2);
    const std::string_view cut = view.utf8 ? "…" : "...";
    if (columns.client > 0) {
        const std::string client = client_text(d, view);
        if (columns_of(client) <= columns.client)
            line.left(client, columns.client);
        else
            line.add(beginning_within(client, columns.client - columns_of(cut))).add(cut);
        line.space(2);
    }
    // Of a long name the end says most.
    const std::string name = terminal_safe(d.name, view.utf8);
    if (columns_of(name) <= line.room())
        line.add(name);
    else {
        line.add(cut, Style::soft);
        line.add(end_within(name, line.room()));
    }
    return line.take();
}

void downloads(std::vector<TopLine>& lines, const Status& status, const TopView& view,
               std::size_t rows) {
    const DownloadColumns columns = download_columns(status, view, rows);
    const std::uint64_t all = status.downloads.size() + status.downloads_not_shown;
    lines.push_back(download_heading(columns, view));
    if (all == 0) {
        if (rows > 0)
            lines.push_back(
                Line(view).add(" Nobody downloads anything just now.", Style::soft).take());
        return;
    }
    const std::size_t whole =
        std::min(status.downloads.size(), all <= rows ? rows : std::max<std::size_t>(rows, 1) - 1);
    for (std::size_t i = 0; i < whole; ++i)
        lines.push_back(download_row(status.downloads[i], columns, view));
    if (whole < all && rows > 0) lines.push_back(and_more(all - whole, view));
}

} // namespace

std::string short_duration(double seconds) {
    const auto s = static_cast<std::uint64_t>(std::clamp(seconds, 0.0, 86'400.0 * 99'999));
    if (s < 60) return fmt::format("{}s", s);
    if (s < 3'600) return fmt::format("{}m{:02}s", s / 60, s % 60);
    if (s < 86'400) return fmt::format("{}h{:02}m", s / 3'600, s % 3'600 / 60);
    return fmt::format("{}d{:02}h", s / 86'400, s % 86'400 / 3'600);
}

std::vector<TopLine> top_lines(const Status& status, const TopView& view) {
    std::vector<TopLine> lines{title(status, view)};
    facts(lines, status, view);
    const bool bounded = view.rows != 0;
    const std::size_t rows =
        bounded ? view.rows - std::min<std::size_t>(view.rows, view.note.empty() ? 0 : 1)
                : kUnbounded / 2;
    if (view.utf8 && bounded && rows >= 20 && status.history.size() > 1)
        lines.push_back(history(status, view));
    // A small terminal shows downloads rather than all figures.
    if (bounded) lines.resize(std::min(lines.size(), std::max<std::size_t>(rows / 3, 1)));

    const std::size_t gap = rows >= 16 ? 1 : 0;
    std::size_t room = rows - std::min(rows, lines.size() + 1 + gap); // under their heading
    const std::size_t wanted = static_cast<std::size_t>(std::max<std::uint64_t>(
        status.downloads.size() + (status.downloads_not_shown > 0 ? 1 : 0), 1));
    std::size_t for_workers = 0;
    if (room >= 4 + gap && !status.workers.empty()) {
        const std::size_t both = room - 1 - gap;
        for_workers =
            std::min(status.workers.size(), std::max(both / 3, both - std::min(both, wanted)));
        room = both - for_workers;
    }
    const auto leave_a_gap = [&] {
        if (gap > 0) lines.emplace_back();
    };
    if (for_workers > 0) {
        leave_a_gap();
        workers(lines, status, view, for_workers);
    }
    leave_a_gap();
    downloads(lines, status, view, room);
    if (bounded) {
        lines.resize(std::min(lines.size(), rows));
        if (!view.note.empty() && view.rows > 0) {
            lines.resize(rows);
            lines.push_back(Line(view).add(view.note, Style::bad).take());
        }
    }
    return lines;
}

std::string top_text(const std::vector<TopLine>& lines) {
    std::string text;
    for (const TopLine& line : lines) text += line.bytes + "\n";
    return text;
}

// A full line has nothing left to clear: the cursor stands on its last column then.
std::string top_frame(const std::vector<TopLine>& lines, const TopView& view) {
    std::string frame = "\x1b[H";
    for (std::size_t i = 0; i < lines.size(); ++i) {
        if (i > 0) frame += "\r\n";
        frame += lines[i].bytes;
        if (lines[i].columns < view.columns) frame += "\x1b[K";
    }
    return frame + (lines.size() < view.rows ? "\r\n\x1b[J" : "");
}

} // namespace fsrv
