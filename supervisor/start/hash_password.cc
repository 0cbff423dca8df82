#include "supervisor/start/hash_password.h"

#include "common/crypto/crypt_hash.h"
#include "common/escape.h"
#include "common/heritage.h"
#include "common/log.h"
#include "common/result.h"
#include "common/secret.h"
#include "supervisor/start/announce.h"
#include "supervisor/start/key_memory.h"

#include <algorithm>
#include <fmt/format.h>
#include <string_view>
#include <termios.h>
#include <unistd.h>

namespace fsrv {
namespace {

constexpr char kControlC = 3;

// A terminal that shows nothing of what is typed, as long as this lives. Control-C ends a line
// instead of the program, which would leave the terminal so.
class NoEcho final {
  public:
    NoEcho() {
        is_terminal_ = tcgetattr(STDIN_FILENO, &before_) == 0;
        if (!is_terminal_) return;
        termios quiet = before_;
        quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG);
        quiet.c_cc[VEOL] = kControlC;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    ~NoEcho() {
        if (is_terminal_) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    }
    NoEcho(const NoEcho&) = delete;
    NoEcho& operator=(const NoEcho&) = delete;

    bool is_terminal() const { return is_terminal_; }

  private:
    termios before_{};
    bool is_terminal_ = false;
};

void write_to_person(std::string_view text) {
    static_cast<void>(!write(STDERR_FILENO, text.data(), text.size()));
}

// Without what ends it; also one that the end of the input ends.
Result<Secret, std::string> read_line() {
    std::string line;
    line.reserve(crypto::kMaxPasswordBytes + 2);
    char c = 0;
    ssize_t got = 0;
    while ((got = read(STDIN_FILENO, &c, 1)) == 1 && c != '\n' && c != kControlC &&
           line.size() <= crypto::kMaxPasswordBytes)
        line += c;
    const Errno error = Errno::last();
    Secret secret(std::move(line));
    if (got < 0) return unexpected("cannot read standard input: " + errno_text(error.code));
    if (c == kControlC) return unexpected(std::string("interrupted"));
    return secret;
}

Result<Secret, std::string> read_password() {
    const NoEcho terminal;
    if (!terminal.is_terminal()) return read_line();
    const auto ask = [](std::string_view prompt) {
        write_to_person(prompt);
        auto line = read_line();
        write_to_person("\n");
        return line;
    };
    auto first = ask("Password: ");
    if (!first) return first;
    const auto second = ask("Again: ");
    if (!second) return unexpected(second.error());
    if (*first != *second) return unexpected(std::string("they differ; nothing was made"));
    return first;
}

bool has_control_character(std::string_view text) {
    return std::ranges::any_of(text, [](char c) { return (c >= 0 && c < ' ') || c == 0x7F; });
}

// What Authorization: Basic cannot carry, or crypt(3) cannot take.
std::string_view why_no_password(std::string_view password) {
    if (password.empty()) return "expected a password, not an empty line";
    if (password.size() > crypto::kMaxPasswordBytes)
        return "expected a password of at most 511 bytes";
    if (!is_utf8(password)) return "expected a password in UTF-8: is this terminal's locale so?";
    if (has_control_character(password)) return "expected a password without control characters";
    return {};
}

int give_up(std::string_view why) {
    print_failure(fmt::format("--hash-password: {}", why));
    return kExitUsage;
}

std::string toml_text(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out;
}

} // namespace

int run_hash_password(const std::string& name) {
    if (has_control_character(name) || name.find(':') != std::string::npos || !is_utf8(name))
        return give_up("expected a name in UTF-8, without colons and control characters");
    keep_memory_private();
    const auto password = read_password();
    if (!password) return give_up(password.error());
    if (const std::string_view why = why_no_password(password->view()); !why.empty())
        return give_up(why);
    const auto hash = crypto::hash_password(password->view());
    if (!hash) return give_up("crypt: " + errno_text(hash.error().code));
    return print_output(fmt::format("[[login]]\nname = \"{}\"\npassword = \"{}\"\n",
                                    toml_text(name.empty() ? "NAME" : name), *hash));
}

} // namespace fsrv
