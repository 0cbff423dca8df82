#include "worker/log/access_log.h"

#include "common/escape.h"
#include "common/json.h"
#include "worker/http/secret_query.h"

#include <algorithm>
#include <arpa/inet.h>
#include <climits>
#include <ctime>
#include <fmt/compile.h>
#include <fmt/format.h>
#include <iterator>

namespace fsrv::log {
namespace {

constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::size_t kMaxRefusedLine = 256; // of bytes that are no request: a hint, not a record

// What the parts of a line may have once they are escaped. Together at most PIPE_BUF, so that a
// line goes whole to a pipe that others write to, and no reader cuts it.
constexpr std::size_t kRequestBytes = 2368;
constexpr std::size_t kRefererBytes = 640;
constexpr std::size_t kUserAgentBytes = 512;
constexpr std::size_t kRangeBytes = 256;
constexpr std::size_t kOtherBytes = 320; // what is ours, at its longest
static_assert(kRequestBytes + kRefererBytes + kUserAgentBytes + kRangeBytes + kOtherBytes <=
              PIPE_BUF);
// Of TLS and of a user, at the expense of the request.
constexpr std::size_t kServerNameBytes = 256;
constexpr std::size_t kTlsBytes = kServerNameBytes + 112;
constexpr std::size_t kUserBytes = 128;

using Append = bool (*)(std::string& out, std::string_view text, Room room); // of a format

std::size_t request_room(const LogFields& fields, const LogOutcome& outcome) {
    return kRequestBytes - (outcome.tls ? kTlsBytes : 0) - (fields.user.empty() ? 0 : kUserBytes);
}

// " HTTP/1.1" at the end of a request line; empty: it does not end so.
std::string_view version_of(std::string_view line) {
    constexpr std::size_t kLength = 9;
    if (line.size() < kLength) return {};
    const std::string_view end = line.substr(line.size() - kLength);
    return end.starts_with(" HTTP/") && plain_length(end) == kLength ? end : std::string_view();
}

// A target is cut rather than the version behind it, without which nobody takes the line for a
// request.
void append_request(std::string& out, std::string_view line, std::size_t room, Append append) {
    const std::size_t begin = out.size();
    if (append(out, line, {.bytes = room})) return;
    out.resize(begin);
    const std::string_view version = version_of(line);
    append(out, line.substr(0, line.size() - version.size()), {.bytes = room - version.size()});
    out += version;
}

void append_quoted(std::string& out, std::string_view text, std::size_t room) {
    out += '"';
    if (text.empty())
        out += '-';
    else
        append_escaped(out, text, {.bytes = room});
    out += '"';
}

// One word, whatever its bytes: readers split the line at blanks.
void append_user(std::string& out, std::string_view user) {
    if (user.empty()) {
        out += '-';
        return;
    }
    const std::size_t begin = out.size();
    append_escaped(out, user, {.bytes = kUserBytes / 4});
    for (std::size_t at = begin; (at = out.find(' ', at)) != std::string::npos;)
        out.replace(at, 1, "\\x20");
}

// inet_ntop() goes through printf.
void append_ipv4(std::string& out, const std::uint8_t* bytes) {
    fmt::format_to(std::back_inserter(out), FMT_COMPILE("{}.{}.{}.{}"), bytes[0], bytes[1],
                   bytes[2], bytes[3]);
}

} // namespace

std::string Peer::text() const {
    static constexpr in6_addr kNone{};
    if (std::equal(std::begin(address.s6_addr), std::end(address.s6_addr),
                   std::begin(kNone.s6_addr))) {
        return "unix:";
    }
    if (IN6_IS_ADDR_V4MAPPED(&address)) {
        std::string text; // of at most 15 bytes: no allocation
        append_ipv4(text, &address.s6_addr[12]);
        return text;
    }
    char buffer[INET6_ADDRSTRLEN] = "";
    ::inet_ntop(AF_INET6, &address, buffer, sizeof buffer);
    return buffer;
}

LogFields LogFields::of(const http::Request& request) {
    // Method, target and version stand in one piece in the buffer.
    constexpr std::size_t kVersion = 9; // " HTTP/1.1"
    const char* end = request.target.data() + request.target.size() + kVersion;
    return {.request_line = {request.method_token.data(),
                             static_cast<std::size_t>(end - request.method_token.data())},
            .referer = request.field("referer").value_or(""),
            .user_agent = request.field("user-agent").value_or(""),
            .range = request.field("range").value_or("")};
}

LogFields LogFields::of_refused(std::string_view bytes) {
    const std::string_view line = bytes.substr(0, std::min(bytes.find('\n'), kMaxRefusedLine));
    return {.request_line = line.substr(0, line.ends_with('\r') ? line.size() - 1 : line.size())};
}

LogRecord::LogRecord(const LogFields& fields) {
    text_.reserve(fields.request_line.size() + fields.referer.size() + fields.user_agent.size() +
                  fields.range.size() + fields.user.size());
    add(0, fields.request_line);
    add(1, fields.referer);
    add(2, fields.user_agent);
    add(3, fields.range);
    add(4, fields.user);
}

void LogRecord::add(unsigned index, std::string_view text) {
    text_ += text;
    ends_[index] = static_cast<std::uint32_t>(text_.size());
}

std::string_view LogRecord::part(unsigned index) const {
    const std::uint32_t begin = index == 0 ? 0 : ends_[index - 1];
    return std::string_view(text_).substr(begin, ends_[index] - begin);
}

std::string_view LogLines::line(const LogFields& fields, const LogOutcome& outcome) {
    if (http::has_secret(fields.request_line) || http::has_secret(fields.referer)) {
        const std::string request = http::without_secrets(fields.request_line);
        const std::string referer = http::without_secrets(fields.referer);
        LogFields shown = fields;
        shown.request_line = request;
        shown.referer = referer;
        return line(shown, outcome);
    }
    // The loop's clock may be behind the record's by the length of a turn.
    const std::uint64_t elapsed_ms =
        outcome.now_ms > outcome.started_ms ? outcome.now_ms - outcome.started_ms : 0;
    text_.clear();
    if (format_ == LogFormat::json) {
        append_json(fields, outcome, elapsed_ms);
    } else {
        append_combined(fields, outcome);
        if (format_ == LogFormat::extended) append_extension(fields, outcome, elapsed_ms);
        text_ += '\n';
    }
    return text_;
}

void LogLines::append_combined(const LogFields& fields, const LogOutcome& outcome) {
    fmt::format_to(std::back_inserter(text_), FMT_COMPILE("{} - "), outcome.peer.text());
    append_user(text_, fields.user);
    fmt::format_to(std::back_inserter(text_), FMT_COMPILE(" [{}] \""),
                   time(outcome.started.seconds));
    if (fields.request_line.empty())
        text_ += '-';
    else
        append_request(text_, fields.request_line, request_room(fields, outcome), append_escaped);
    fmt::format_to(std::back_inserter(text_), FMT_COMPILE("\" {} {} "), outcome.status,
                   outcome.body_bytes);
    append_quoted(text_, fields.referer, kRefererBytes);
    text_ += ' ';
    append_quoted(text_, fields.user_agent, kUserAgentBytes);
}

void LogLines::append_extension(const LogFields& fields, const LogOutcome& outcome,
                                std::uint64_t ms) {
    fmt::format_to(std::back_inserter(text_), FMT_COMPILE(" {}.{:03} "), ms / 1000, ms % 1000);
    append_quoted(text_, fields.range, kRangeBytes);
    text_ += ' ';
    text_ += outcome.end;
    if (!outcome.tls) return;
    fmt::format_to(std::back_inserter(text_), FMT_COMPILE(" {} {} {} "), outcome.tls->version,
                   outcome.tls->cipher, outcome.tls->resumed ? "resumed" : "new");
    append_quoted(text_, outcome.tls->server_name, kServerNameBytes);
}

void LogLines::append_json(const LogFields& fields, const LogOutcome& outcome, std::uint64_t ms) {
    fmt::format_to(std::back_inserter(text_),
                   FMT_COMPILE(R"({{"time":"{}.{:03}Z","client":"{}","port":{},)"),
                   time(outcome.started.seconds), outcome.started.nanoseconds / 1'000'000,
                   outcome.peer.text(), outcome.peer.port);
    if (!fields.user.empty()) {
        text_ += R"("user":")";
        append_json_escaped(text_, fields.user, {.bytes = kUserBytes});
        text_ += "\",";
    }
    text_ += R"("request":")";
    append_request(text_, fields.request_line, request_room(fields, outcome), append_json_escaped);
    fmt::format_to(std::back_inserter(text_),
                   FMT_COMPILE(R"(","status":{},"bytes":{},"seconds":{}.{:03},"range":")"),
                   outcome.status, outcome.body_bytes, ms / 1000, ms % 1000);
    append_json_escaped(text_, fields.range, {.bytes = kRangeBytes});
    text_ += R"(","referer":")";
    append_json_escaped(text_, fields.referer, {.bytes = kRefererBytes});
    text_ += R"(","user_agent":")";
    append_json_escaped(text_, fields.user_agent, {.bytes = kUserAgentBytes});
    fmt::format_to(std::back_inserter(text_), FMT_COMPILE("\",\"end\":\"{}\""), outcome.end);
    if (outcome.tls) {
        fmt::format_to(
            std::back_inserter(text_),
            FMT_COMPILE(R"(,"tls":{{"version":"{}","cipher":"{}","resumed":{},"name":")"),
            outcome.tls->version, outcome.tls->cipher, outcome.tls->resumed);
        append_json_escaped(text_, outcome.tls->server_name, {.bytes = kServerNameBytes});
        text_ += "\"}";
    }
    text_ += "}\n";
}

const std::string& LogLines::time(std::int64_t seconds) {
    if (second_ == seconds) return time_;
    second_ = seconds;
    const std::time_t time = seconds;
    std::tm t{};
    gmtime_r(&time, &t);
    time_ = format_ == LogFormat::json
                ? fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", t.tm_year + 1900, t.tm_mon + 1,
                              t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec)
                : fmt::format("{:02}/{}/{}:{:02}:{:02}:{:02} +0000", t.tm_mday, kMonths[t.tm_mon],
                              t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
    return time_;
}

} // namespace fsrv::log
