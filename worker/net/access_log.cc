#include "worker/net/access_log.h"

#include "common/json.h"
#include "common/log.h"

#include <algorithm>
#include <arpa/inet.h>
#include <ctime>
#include <fmt/format.h>
#include <iterator>

namespace fsrv::net {
namespace {

constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::size_t kMaxRefusedLine = 256; // of bytes that are no request: a hint, not a record

std::tm utc(std::int64_t seconds) {
    const std::time_t time = seconds;
    std::tm parts{};
    gmtime_r(&time, &parts);
    return parts;
}

void append_quoted(std::string& out, std::string_view text) {
    out += '"';
    if (text.empty()) {
        out += '-';
    } else {
        append_escaped(out, text);
    }
    out += '"';
}

void append_combined(std::string& out, const LogFields& fields, const LogOutcome& outcome,
                     double seconds) {
    const std::tm t = utc(outcome.started.seconds);
    fmt::format_to(std::back_inserter(out), "{} - - [{:02}/{}/{}:{:02}:{:02}:{:02} +0000] ",
                   outcome.peer.text(), t.tm_mday, kMonths[t.tm_mon], t.tm_year + 1900, t.tm_hour,
                   t.tm_min, t.tm_sec);
    append_quoted(out, fields.request_line);
    fmt::format_to(std::back_inserter(out), " {} {} ", outcome.status, outcome.body_bytes);
    append_quoted(out, fields.referer);
    out += ' ';
    append_quoted(out, fields.user_agent);
    fmt::format_to(std::back_inserter(out), " {:.3f} ", seconds);
    append_quoted(out, fields.range);
    fmt::format_to(std::back_inserter(out), " {}\n", outcome.end);
}

void append_json(std::string& out, const LogFields& fields, const LogOutcome& outcome,
                 double seconds) {
    const std::tm t = utc(outcome.started.seconds);
    fmt::format_to(
        std::back_inserter(out),
        R"({{"time":"{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z","client":"{}","port":{},"request":)",
        t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec,
        outcome.started.nanoseconds / 1'000'000, outcome.peer.text(), outcome.peer.port);
    append_json_string(out, fields.request_line);
    fmt::format_to(std::back_inserter(out), R"(,"status":{},"bytes":{},"seconds":{:.3f},"range":)",
                   outcome.status, outcome.body_bytes, seconds);
    append_json_string(out, fields.range);
    out += R"(,"referer":)";
    append_json_string(out, fields.referer);
    out += R"(,"user_agent":)";
    append_json_string(out, fields.user_agent);
    fmt::format_to(std::back_inserter(out), R"(,"end":"{}"}})", outcome.end);
    out += '\n';
}

} // namespace

std::string Peer::text() const {
    static constexpr in6_addr kNone{};
    if (std::equal(std::begin(address.s6_addr), std::end(address.s6_addr),
                   std::begin(kNone.s6_addr))) {
        return "unix:";
    }
    char buffer[INET6_ADDRSTRLEN] = "";
    if (IN6_IS_ADDR_V4MAPPED(&address)) {
        ::inet_ntop(AF_INET, &address.s6_addr[12], buffer, sizeof buffer);
    } else {
        ::inet_ntop(AF_INET6, &address, buffer, sizeof buffer);
    }
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
                  fields.range.size());
    add(0, fields.request_line);
    add(1, fields.referer);
    add(2, fields.user_agent);
    add(3, fields.range);
}

void LogRecord::add(unsigned index, std::string_view text) {
    text_ += text;
    ends_[index] = static_cast<std::uint32_t>(text_.size());
}

std::string_view LogRecord::part(unsigned index) const {
    const std::uint32_t begin = index == 0 ? 0 : ends_[index - 1];
    return std::string_view(text_).substr(begin, ends_[index] - begin);
}

void append_log_line(std::string& out, LogFormat format, const LogFields& fields,
                     const LogOutcome& outcome) {
    // The loop's clock may be behind the record's by the length of a turn.
    const std::uint64_t elapsed_ms =
        outcome.now_ms > outcome.started_ms ? outcome.now_ms - outcome.started_ms : 0;
    const double seconds = static_cast<double>(elapsed_ms) / 1000.0;
    if (format == LogFormat::json) {
        append_json(out, fields, outcome, seconds);
    } else {
        append_combined(out, fields, outcome, seconds);
    }
}

} // namespace fsrv::net
