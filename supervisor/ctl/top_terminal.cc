#include "supervisor/ctl/top_terminal.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace fsrv {
namespace {

// The other screen, no cursor, and no line that goes on in the next one.
constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
constexpr std::string_view kLeave = "\x1b[?7h\x1b[?25h\x1b[?1049l";

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH};

volatile int g_signal_pipe = -1;

void on_signal_number(int number) {
    const int saved = errno;
    const auto byte = static_cast<unsigned char>(number);
    [[maybe_unused]] const ssize_t n = ::write(g_signal_pipe, &byte, 1);
    errno = saved;
}

// Without SA_RESTART: a terminal that takes nothing does not keep us from ending.
void catch_signal(int number) {
    struct sigaction action {};
    action.sa_handler = on_signal_number;
    ::sigaction(number, &action, nullptr);
}

} // namespace

bool write_out(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd, bytes.data(), bytes.size());
        if (n <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

TopTerminal::TopTerminal() {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0) {
        signals_.reset(ends[0]);
        g_signal_pipe = ends[1];
        for (const int number : kSignals) catch_signal(number);
    }
    enter();
}

TopTerminal::~TopTerminal() {
    leave();
    for (const int number : kSignals) std::signal(number, SIG_DFL);
    if (g_signal_pipe >= 0) ::close(g_signal_pipe);
    g_signal_pipe = -1;
}

void TopTerminal::enter() {
    has_settings_ = reads_keys_ = ::tcgetattr(STDIN_FILENO, &before_) == 0;
    if (has_settings_) {
        termios now = before_;
        now.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
        now.c_cc[VMIN] = 1;
        now.c_cc[VTIME] = 0;
        ::tcsetattr(STDIN_FILENO, TCSADRAIN, &now);
    }
    entered_ = true;
    write_out(STDOUT_FILENO, kEnter);
}

// What was typed meanwhile was for us: it is not left to the shell.
void TopTerminal::leave() {
    if (!entered_) return;
    entered_ = false;
    ::tcflow(STDOUT_FILENO, TCOON); // it may have been stopped by Ctrl-S
    write_out(STDOUT_FILENO, kLeave);
    if (has_settings_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
}

TopTerminal::Size TopTerminal::size() {
    winsize found{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &found) != 0 || found.ws_col == 0 || found.ws_row == 0)
        return {.columns = 80, .rows = 24};
    return {.columns = found.ws_col, .rows = found.ws_row};
}

// A frame that a signal cuts off is drawn anew after it.
bool TopTerminal::draw(std::string_view frame) {
    return write_out(STDOUT_FILENO, frame) || errno == EINTR || errno == EAGAIN;
}

TopTerminal::Event TopTerminal::wait(int other_fd, int ms) {
    std::array<pollfd, 3> fds = {{
        {.fd = signals_.get(), .events = POLLIN, .revents = 0},
        {.fd = reads_keys_ ? STDIN_FILENO : -1, .events = POLLIN, .revents = 0},
        {.fd = other_fd, .events = POLLIN, .revents = 0},
    }};
    if (::poll(fds.data(), fds.size(), ms) <= 0) return Event::nothing;
    if (fds[0].revents != 0) return on_signal();
    if (fds[1].revents != 0) return on_key();
    return Event::other;
}

TopTerminal::Event TopTerminal::on_signal() {
    unsigned char number = 0;
    if (::read(signals_.get(), &number, 1) != 1) return Event::nothing;
    switch (number) {
    case SIGWINCH: return Event::redraw;
    case SIGINT: return Event::leave;
    case SIGTSTP: suspend(); return Event::redraw;
    default: fatal_ = number; return Event::killed;
    }
}

TopTerminal::Event TopTerminal::on_key() {
    std::array<char, 64> keys{};
    const ssize_t n = ::read(STDIN_FILENO, keys.data(), keys.size());
    if (n <= 0) { // it has hung up
        reads_keys_ = n < 0 && (errno == EINTR || errno == EAGAIN);
        return Event::nothing;
    }
    const std::string_view pressed(keys.data(), static_cast<std::size_t>(n));
    return pressed.find_first_of("qQ\x03") == pressed.npos ? Event::nothing : Event::leave;
}

// Stopped as whoever does not catch the signal: where nobody could continue us, not at all.
void TopTerminal::suspend() {
    leave();
    std::signal(SIGTSTP, SIG_DFL);
    std::raise(SIGTSTP);
    catch_signal(SIGTSTP);
    enter();
}

void TopTerminal::die() {
    leave();
    std::signal(fatal_, SIG_DFL);
    std::raise(fatal_);
}

} // namespace fsrv
