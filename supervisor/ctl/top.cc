#include "supervisor/ctl/top.h"

#include "common/clock.h"
#include "common/escape.h"
#include "common/figures/sampler.h"
#include "common/heritage.h"
#include "common/log.h"
#include "common/scoreboard.h"
#include "supervisor/ctl/terminal_text.h"
#include "supervisor/ctl/top_boards.h"
#include "supervisor/ctl/top_terminal.h"
#include "supervisor/ctl/top_text.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fmt/format.h>
#include <unistd.h>
#include <utility>

namespace fsrv {
namespace {

constexpr std::uint64_t kSilenceMs = 3'000; // with a server that does not answer

std::string_view variable(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
}

// As setlocale(3) would choose, without asking whether this machine has that locale.
bool is_utf8_locale() {
    for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
        const std::string value(variable(name));
        if (value.empty()) continue;
        return ::strcasestr(value.c_str(), "UTF-8") != nullptr ||
               ::strcasestr(value.c_str(), "UTF8") != nullptr;
    }
    return false;
}

bool can_draw() {
    const std::string_view kind = variable("TERM");
    return ::isatty(STDOUT_FILENO) == 1 && !kind.empty() && kind != "dumb";
}

int fail(std::string_view text) {
    write_out(STDERR_FILENO, fmt::format("fsrv: {}\n", printable(text)));
    return kExitFailure;
}

class Top final {
  public:
    Top(ScoreView view, const CtlAsk& ask, ShownName shown_name)
        : boards_(std::move(view)), ask_(ask), sampler_(shown_name) {}

    int print_once() {
        sample();
        const timespec second{.tv_sec = kSampleMs / 1000, .tv_nsec = 0};
        ::nanosleep(&second, nullptr);
        sample();
        if (!status_) return fail("the server stands still: there are no figures");
        const TopView view{.columns = 0, .rows = 0, .utf8 = is_utf8_locale()};
        if (write_out(STDOUT_FILENO, top_text(top_lines(*status_, view))) || errno == EPIPE)
            return kExitOk;
        return fail(fmt::format("cannot write to standard output: {}", errno_text(errno)));
    }

    int run() {
        TopTerminal terminal;
        bool changed = true;
        for (;;) {
            if (monotonic_ms() >= next_ms_) {
                sample();
                ask_again();
                changed = true;
            }
            if (!end_.empty()) return kExitFailure;
            if (std::exchange(changed, false) && !draw(terminal)) return kExitFailure;
            const std::uint64_t now = monotonic_ms();
            const auto left = static_cast<int>(next_ms_ - std::min(now, next_ms_));
            switch (terminal.wait(call_ ? call_->fd() : -1, left)) {
            case TopTerminal::Event::nothing: break;
            case TopTerminal::Event::redraw: changed = true; break;
            case TopTerminal::Event::other: hear(); break;
            case TopTerminal::Event::leave: return kExitOk;
            case TopTerminal::Event::killed: terminal.die(); return kExitFailure;
            }
        }
    }

    const std::string& end() const { return end_; } // why there is nothing more to show

  private:
    void sample() {
        const std::uint64_t now = monotonic_ms();
        next_ms_ = now + kSampleMs;
        const auto reading = boards_.read(now);
        if (!reading) return;
        sampler_.sample(*reading, now);
        status_ = sampler_.status(*reading, now);
    }

    // Whether it still is there, and whether it is the same one. One question at a time: a server
    // that does not answer is not asked more often.
    void ask_again() {
        if (call_) return;
        auto call = ask_();
        if (call)
            call_ = std::move(*call);
        else if (call.error().code == ECONNREFUSED || call.error().code == ENOENT)
            end_ = "the server has ended";
    }

    void hear() {
        auto reply = call_->receive();
        if (reply && !*reply) return; // not yet
        call_.reset();
        if (!reply) return; // it hung up, as one does that hands over: asked again soon
        if (!(*reply)->good) {
            end_ = (*reply)->text;
            return;
        }
        auto view = ScoreView::open((*reply)->fd);
        if (!view) {
            end_ = view.error();
            return;
        }
        boards_.show(std::move(*view));
        answered_ms_ = monotonic_ms();
    }

    bool draw(TopTerminal& terminal) {
        const TopTerminal::Size size = TopTerminal::size();
        TopView view{.columns = size.columns,
                     .rows = size.rows,
                     .colours = variable("NO_COLOR").empty(),
                     .utf8 = is_utf8_locale(),
                     .keys = terminal.has_keys()};
        const std::uint64_t silent_ms = monotonic_ms() - answered_ms_;
        if (silent_ms >= kSilenceMs)
            view.note = fmt::format("The supervisor has not answered for {} s.", silent_ms / 1000);
        return terminal.draw(top_frame(top_lines(status_.value_or(Status{}), view), view));
    }

    TopBoards boards_;
    const CtlAsk& ask_;
    std::optional<CtlCall> call_;
    std::uint64_t answered_ms_ = monotonic_ms();
    Sampler sampler_;
    std::optional<Status> status_;
    std::uint64_t next_ms_ = 0;
    std::string end_;
};

} // namespace

int run_top(CtlReply first, const CtlAsk& ask, ShownName shown_name) {
    auto view = ScoreView::open(first.fd);
    if (!view) return fail(view.error());
    Top top(std::move(*view), ask, shown_name);
    if (!can_draw()) return top.print_once();
    const int status = top.run();
    return top.end().empty() ? status : fail(top.end());
}

} // namespace fsrv
