#include "worker/http/head_check.h"

#include "common/limits.h"
#include "worker/http/authority.h"

#include <algorithm>
#include <array>

namespace fsrv::http {
namespace {

constexpr std::size_t kMaxMethodBytes = 32; // the longest that HTTP knows has 17

enum CharClass : std::uint8_t { kToken = 1, kTargetChar = 2, kValueChar = 4, kRawByte = 8 };

constexpr std::array<std::uint8_t, 256> make_classes() {
    std::array<std::uint8_t, 256> classes{};
    for (std::size_t c = 0x21; c <= 0x7E; ++c) classes[c] = kTargetChar | kValueChar;
    for (std::size_t c = 0x80; c <= 0xFF; ++c) classes[c] = kValueChar | kRawByte;
    classes[' '] = classes['\t'] = kValueChar;
    for (const char c : std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                         "ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
        classes[static_cast<unsigned char>(c)] |= kToken;
    classes['#'] &=
        static_cast<std::uint8_t>(~kTargetChar); // a fragment is never sent (RFC 9112 3.2)
    return classes;
}
constexpr auto kClasses = make_classes();

constexpr bool is(char c, CharClass wanted) {
    return (kClasses[static_cast<unsigned char>(c)] & wanted) != 0;
}

constexpr std::array<std::string_view, 29> kOtherMethods = {
    "ACL",      "BIND",       "CHECKOUT",   "COPY",   "DELETE",     "LINK",   "LOCK",   "M-SEARCH",
    "MERGE",    "MKACTIVITY", "MKCALENDAR", "MKCOL",  "MOVE",       "NOTIFY", "PATCH",  "POST",
    "PROPFIND", "PROPPATCH",  "PURGE",      "PUT",    "REBIND",     "REPORT", "SEARCH", "SUBSCRIBE",
    "TRACE",    "UNBIND",     "UNLINK",     "UNLOCK", "UNSUBSCRIBE"};

constexpr std::size_t kMoreWhenEncoded = 2; // bytes, of one

constexpr std::string_view kVersion = "HTTP/d.d"; // d: a digit
constexpr std::string_view kUsualMethod = "GET ";
constexpr std::string_view kUsualVersion = "HTTP/1.1\r\n";

} // namespace

bool is_token_char(char c) {
    return is(c, kToken);
}
bool is_value_char(char c) {
    return is(c, kValueChar);
}
bool is_token(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

KnownMethod known_method(std::string_view token) {
    if (token == "GET") return KnownMethod::get;
    if (token == "HEAD") return KnownMethod::head;
    if (token == "OPTIONS") return KnownMethod::options;
    if (token == "CONNECT") return KnownMethod::connect;
    return std::find(kOtherMethods.begin(), kOtherMethods.end(), token) != kOtherMethods.end()
               ? KnownMethod::other
               : KnownMethod::unknown;
}

const HeadResult& HeadCheck::check(std::string_view buffer, std::string_view known) {
    while (result_.status == HeadStatus::need_more) {
        const auto limit = max_head_bytes_ + line_.method_begin; // a leading empty line is extra
        if (scanned_ == limit) {
            state_ = refuse(state_ == State::target ? 414 : 431, "head over the limit");
            break;
        }
        const auto end = std::min(buffer.size(), limit);
        go_straight_on(buffer.substr(0, end), known);
        if (result_.status != HeadStatus::need_more) break;
        if (scanned_ == end) {
            if (end == limit) continue;
            break;
        }
        state_ = step(buffer, scanned_);
        ++scanned_;
    }
    return result_;
}

void HeadCheck::go_straight_on(std::string_view buffer, std::string_view known) {
    const auto begins = [&](std::string_view usual) {
        return buffer.substr(scanned_).starts_with(usual);
    };
    if (state_ == State::start && begins(kUsualMethod)) {
        line_.method_begin = scanned_;
        line_.method_length = kUsualMethod.size() - 1;
        line_.method = KnownMethod::get;
        scanned_ += kUsualMethod.size();
        line_.target_begin = scanned_;
        state_ = State::target;
    }
    if (state_ == State::value || state_ == State::name) {
        const auto wanted = state_ == State::value ? kValueChar : kToken;
        while (scanned_ < buffer.size() && is(buffer[scanned_], wanted)) ++scanned_;
    } else if (state_ == State::target) {
        const auto most = std::min(buffer.size(), line_.target_begin + limits::kMaxTarget -
                                                      kMoreWhenEncoded * line_.raw_bytes);
        while (scanned_ < most && is(buffer[scanned_], kTargetChar)) ++scanned_;
        if (scanned_ < most && buffer[scanned_] == ' ') state_ = finish_target(buffer, scanned_++);
    }
    if (state_ == State::version && buffer[scanned_ - 1] == ' ' && begins(kUsualVersion)) {
        scanned_ += kUsualVersion.size();
        major_ = minor_ = '1';
        line_.end = scanned_;
        state_ = finish_line();
    }
    if (state_ == State::field_first && scanned_ == line_.end && !known.empty() &&
        asks_for_path(buffer) && begins(known)) {
        fields_are_known_ = true;
        scanned_ += known.size();
        result_.status = HeadStatus::complete;
        result_.head_bytes = scanned_;
        state_ = State::done;
    }
}

HeadCheck HeadCheck::for_trailers() {
    HeadCheck check(0); // check_piece() leaves the number of bytes to its caller
    check.state_ = State::field_first;
    return check;
}

HeadResult HeadCheck::check_piece(std::string_view piece) {
    std::size_t i = 0;
    while (i < piece.size() && result_.status == HeadStatus::need_more) state_ = step(piece, i++);
    result_.head_bytes = i;
    return result_;
}

HeadCheck::State HeadCheck::step(std::string_view buffer, std::size_t i) {
    const char c = buffer[i];
    switch (state_) {
    case State::start:
        if (c == '\r') {
            if (leading_empty_lines_ >= limits::kMaxLeadingEmptyLines)
                return refuse(400, "empty lines before the request");
            return State::start_lf;
        }
        if (!is(c, kToken)) return refuse(400, "no method");
        line_.method_begin = i;
        return State::method;
    case State::start_lf:
        if (c != '\n') return refuse(400, "CR without LF");
        ++leading_empty_lines_;
        return State::start;
    case State::method:
        if (c == ' ') {
            line_.method_length = i - line_.method_begin;
            line_.target_begin = i + 1;
            return State::target;
        }
        if (!is(c, kToken)) return refuse(400, "byte not allowed in a method");
        if (i - line_.method_begin >= kMaxMethodBytes) return refuse(400, "method too long");
        return State::method;
    case State::target:
        if (c == ' ') return finish_target(buffer, i);
        if (c == '\r' || c == '\n') return refuse(400, "request line without a version");
        if (is(c, kRawByte))
            ++line_.raw_bytes;
        else if (!is(c, kTargetChar))
            return refuse(400, "byte not allowed in a target");
        if (i + 1 - line_.target_begin + kMoreWhenEncoded * line_.raw_bytes > limits::kMaxTarget)
            return refuse(414, "target too long");
        return State::target;
    case State::version: {
        const auto at = i - (line_.target_begin + line_.target_length + 1);
        if (at == kVersion.size()) {
            if (c == '\r') return State::line_lf;
            return refuse(400, c == '\n' ? "LF without CR" : "malformed version");
        }
        const bool digit = kVersion[at] == 'd';
        if (digit ? c < '0' || c > '9' : c != kVersion[at]) return refuse(400, "malformed version");
        if (digit) (at == kVersion.size() - 1 ? minor_ : major_) = c;
        return State::version;
    }
    case State::line_lf:
        if (c != '\n') return refuse(400, "CR without LF");
        line_.end = i + 1;
        return finish_line();
    case State::field_first:
        if (c == '\r') return State::end_lf;
        if (c == ' ' || c == '\t') return refuse(400, "field line that begins with white space");
        if (c == ':') return refuse(400, "field without a name");
        if (c == '\n') return refuse(400, "LF without CR");
        if (!is(c, kToken)) return refuse(400, "byte not allowed in a field name");
        if (++field_count_ > limits::kMaxFields) return refuse(431, "too many fields");
        return State::name;
    case State::name:
        if (is(c, kToken)) return State::name;
        if (c == ':') return State::value;
        if (c == ' ' || c == '\t') return refuse(400, "white space before the colon");
        if (c == '\r' || c == '\n') return refuse(400, "field without a colon");
        return refuse(400, "byte not allowed in a field name");
    case State::value:
        if (is(c, kValueChar)) return State::value;
        if (c == '\r') return State::value_lf;
        return refuse(400, c == '\n' ? "LF without CR" : "control byte in a field");
    case State::value_lf:
        if (c != '\n') return refuse(400, "CR without LF");
        return State::field_first;
    case State::end_lf:
        if (c != '\n') return refuse(400, "CR without LF");
        result_ = {.status = HeadStatus::complete, .head_bytes = i + 1};
        return State::done;
    case State::done:
    case State::refused: break;
    }
    return state_;
}

HeadCheck::State HeadCheck::refuse(int status, std::string_view what) {
    result_ = {.status = HeadStatus::refused, .refusal = {.status = status, .what = what}};
    return State::refused;
}

HeadCheck::State HeadCheck::finish_target(std::string_view buffer, std::size_t end) {
    line_.target_length = end - line_.target_begin;
    if (line_.target_length == 0) return refuse(400, "two spaces, or no target");
    const auto method = buffer.substr(line_.method_begin, line_.method_length);
    if (line_.method == KnownMethod::unknown) line_.method = known_method(method);
    if (buffer[line_.target_begin] == '/') return State::version;
    const auto target = buffer.substr(line_.target_begin, line_.target_length);
    const bool sound = line_.method == KnownMethod::connect ||
                       (target == "*" ? line_.method == KnownMethod::options || method == "PRI"
                                      : split_absolute(target).has_value());
    return sound ? State::version : refuse(400, "malformed target");
}

// What the fields mean then depends on nothing else in the line.
bool HeadCheck::asks_for_path(std::string_view buffer) const {
    return line_.minor_version == 1 && buffer[line_.target_begin] == '/' &&
           (line_.method == KnownMethod::get || line_.method == KnownMethod::head);
}

// A version is judged before anything else: what another protocol's head says means nothing here.
HeadCheck::State HeadCheck::finish_line() {
    if (major_ != '1' || minor_ > '1') return refuse(505, "only HTTP/1.0 and HTTP/1.1 are spoken");
    line_.minor_version = minor_ == '1' ? 1 : 0;
    return State::field_first;
}

} // namespace fsrv::http
