#include "tests/support/response.h"

#include <algorithm>
#include <charconv>
#include <gtest/gtest.h>
#include <strings.h>

namespace fsrv::test {

namespace {

bool same_name(std::string_view a, std::string_view b) {
    return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool is_token(std::string_view text) {
    constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
    return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               marks.find(c) != std::string_view::npos;
    });
}

bool has_control(std::string_view text) {
    return std::any_of(text.begin(), text.end(),
                       [](char c) { return (c >= 0 && c < 32 && c != '\t') || c == 127; });
}

template <class Number>
bool read_number(std::string_view text, Number& number) {
    if (text.empty() || text[0] < '0' || text[0] > '9') return false;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size();
}

// "Sun, 06 Nov 1994 08:49:37 GMT"
bool looks_like_date(std::string_view text) {
    constexpr std::string_view shape = "Aaa, 00 Aaa 0000 00:00:00 GMT";
    if (text.size() != shape.size()) return false;
    for (std::size_t i = 0; i < shape.size(); ++i) {
        const char c = text[i];
        switch (shape[i]) {
        case '0':
            if (c < '0' || c > '9') return false;
            break;
        case 'A':
            if (i < 25 && (c < 'A' || c > 'Z')) return false;
            break;
        case 'a':
            if (c < 'a' || c > 'z') return false;
            break;
        default:
            if (c != shape[i]) return false;
        }
    }
    return true;
}

} // namespace

const char* got_name(Got got) {
    switch (got) {
    case Got::complete: return "complete";
    case Got::fin: return "FIN";
    case Got::rst: return "RST";
    case Got::nothing: return "nothing in time";
    case Got::malformed: return "malformed";
    }
    return "?";
}

void PrintTo(Got got, std::ostream* out) {
    *out << got_name(got);
}

unsigned Response::count(std::string_view name) const {
    return static_cast<unsigned>(
        std::count_if(fields.begin(), fields.end(),
                      [&](const auto& entry) { return same_name(entry.first, name); }));
}

std::optional<std::string> Response::field(std::string_view name) const {
    for (const auto& [key, value] : fields)
        if (same_name(key, name)) return value;
    return std::nullopt;
}

std::optional<std::uint64_t> Response::content_length() const {
    const auto text = field("Content-Length");
    std::uint64_t length = 0;
    if (!text || !read_number(*text, length)) return std::nullopt;
    return length;
}

bool Response::announces_close() const {
    const auto connection = field("Connection");
    if (connection && same_name(*connection, "close")) return true;
    if (minor_version >= 1) return false;
    return !(connection && same_name(*connection, "keep-alive"));
}

bool parse_response_head(std::string_view head, Response& response) {
    response.head = head;
    const auto bad = [&](std::string_view what) {
        response.problem = what;
        return false;
    };
    bool first = true;
    while (true) {
        const std::size_t end = head.find("\r\n");
        if (end == std::string_view::npos) return bad("no empty line");
        const std::string_view line = head.substr(0, end);
        head.remove_prefix(end + 2);
        if (has_control(line)) return bad("a control character in a line of the head");
        if (first) {
            first = false;
            if (line.size() < 13 || !line.starts_with("HTTP/1.") || line[8] != ' ' ||
                line[12] != ' ')
                return bad("status line: " + std::string(line));
            if (!read_number(line.substr(7, 1), response.minor_version) ||
                !read_number(line.substr(9, 3), response.status))
                return bad("status line: " + std::string(line));
            response.reason = line.substr(13);
            continue;
        }
        if (line.empty()) break;
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos || !is_token(line.substr(0, colon)))
            return bad("field line: " + std::string(line));
        std::string_view value = line.substr(colon + 1);
        if (value.starts_with(' ')) value.remove_prefix(1);
        if (value.starts_with(' ') || value.ends_with(' '))
            return bad("white space around a value");
        response.fields.emplace_back(line.substr(0, colon), value);
    }
    if (!head.empty()) return bad("bytes after the empty line");
    if (response.count("Transfer-Encoding") > 0 &&
        (response.field("Transfer-Encoding") != "chunked" ||
         response.count("Transfer-Encoding") > 1 || response.count("Content-Length") > 0))
        return bad("another Transfer-Encoding than fsrv sends");
    if (response.count("Content-Length") > 1) return bad("two Content-Lengths");
    if (response.count("Content-Length") == 1 && !response.content_length())
        return bad("Content-Length is no number");
    return true;
}

void expect_sound(const Response& response) {
    const std::string& head = response.head;
    for (const char* name : {"Date", "Server"})
        EXPECT_EQ(response.count(name), 1U) << name << "\n" << head;
    for (const char* name :
         {"ETag", "Last-Modified", "Accept-Ranges", "Content-Range", "Content-Type",
          "Content-Encoding", "Vary", "Connection", "Allow", "Location", "Retry-After"})
        EXPECT_LE(response.count(name), 1U) << name << "\n" << head;
    EXPECT_EQ(response.field("Server").value_or(""), "fsrv");
    for (const char* name : {"Date", "Last-Modified"})
        EXPECT_TRUE(looks_like_date(response.field(name).value_or("Thu, 01 Jan 1970 00:00:00 GMT")))
            << head;
    EXPECT_FALSE(response.reason.empty()) << head;
    const int status = response.status;
    if (status == 204 || status == 304) {
        EXPECT_EQ(response.body, "");
        EXPECT_TRUE(status == 304 || response.count("Content-Length") == 0) << head;
    } else {
        EXPECT_EQ(response.count("Content-Length") + response.count("Transfer-Encoding"), 1U)
            << head;
    }
    EXPECT_TRUE(status != 206 || response.count("ETag") == 1) << head;
    EXPECT_TRUE(status != 405 || response.field("Allow") == "GET, HEAD, OPTIONS") << head;
    EXPECT_TRUE(status != 503 || response.count("Retry-After") == 1) << head;
    const bool file =
        response.count("Content-Type") == 1 && response.count("ETag") == 1 && status < 300;
    EXPECT_TRUE(!file || response.field("X-Content-Type-Options") == "nosniff") << head;
    if (const auto tag = response.field("ETag")) {
        const std::string_view opaque =
            std::string_view(*tag).substr(tag->starts_with("W/") ? 2 : 0);
        EXPECT_TRUE(opaque.size() >= 2 && opaque.front() == '"' && opaque.back() == '"') << *tag;
    }
}

std::optional<std::vector<BytesPart>> parse_byteranges(const Response& response) {
    const std::string type = response.field("Content-Type").value_or("");
    constexpr std::string_view prefix = "multipart/byteranges; boundary=";
    if (!type.starts_with(prefix)) return std::nullopt;
    std::string boundary = type.substr(prefix.size());
    if (boundary.size() >= 2 && boundary.front() == '"')
        boundary = boundary.substr(1, boundary.size() - 2);
    if (boundary.empty() || boundary.size() > 70) return std::nullopt;

    std::vector<BytesPart> parts;
    std::string_view rest = response.body;
    const std::string delimiter = "--" + boundary;
    if (!rest.starts_with("\r\n")) return std::nullopt; // zsync would wait for it
    rest.remove_prefix(2);
    while (true) {
        if (!rest.starts_with(delimiter)) return std::nullopt;
        rest.remove_prefix(delimiter.size());
        if (rest == "--\r\n" || rest == "--") return parts;
        if (!rest.starts_with("\r\n")) return std::nullopt;
        rest.remove_prefix(2);
        const std::size_t end = rest.find("\r\n\r\n");
        if (end == std::string_view::npos) return std::nullopt;
        Response fields;
        if (!parse_response_head("HTTP/1.1 200 OK\r\n" + std::string(rest.substr(0, end + 4)),
                                 fields))
            return std::nullopt;
        rest.remove_prefix(end + 4);

        BytesPart part{.content_type = fields.field("Content-Type").value_or(""), .bytes = {}};
        const std::string range = fields.field("Content-Range").value_or("");
        const std::size_t dash = range.find('-'), slash = range.find('/');
        if (!range.starts_with("bytes ") || dash == std::string::npos ||
            slash == std::string::npos || dash > slash ||
            !read_number(std::string_view(range).substr(6, dash - 6), part.first) ||
            !read_number(std::string_view(range).substr(dash + 1, slash - dash - 1), part.last) ||
            !read_number(std::string_view(range).substr(slash + 1), part.size) ||
            part.last < part.first)
            return std::nullopt;
        const std::uint64_t length = part.last - part.first + 1;
        if (rest.size() < length + 2 || rest.substr(length, 2) != "\r\n") return std::nullopt;
        part.bytes = rest.substr(0, length);
        parts.push_back(std::move(part));
        rest.remove_prefix(length + 2);
    }
}

} // namespace fsrv::test
