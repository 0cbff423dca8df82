#include "worker/http/target.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <iterator>
#include <optional>
#include <system_error>
#include <utility>

namespace fsrv::http {
namespace {

constexpr int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

constexpr TargetRefusal kBadEncoding{.status = 400, .what = "bad percent-encoding"};
constexpr TargetRefusal kNul{.status = 400, .what = "NUL in the path"};
constexpr TargetRefusal kEncodedSlash{.status = 404, .what = "encoded slash in a name"};
constexpr TargetRefusal kAboveRoot{.status = 400, .what = "the path leads above the root"};
constexpr TargetRefusal kNoPath{.status = 400, .what = "the query has no path="};
constexpr TargetRefusal kTwoPaths{.status = 400, .what = "the query has more than one path="};
constexpr TargetRefusal kNoSuchArchive{.status = 400,
                                       .what = "archive= is tar, zip, tar.gz or tar.zst"};
constexpr TargetRefusal kBadFollow{.status = 400, .what = "follow= is a number of bytes"};
constexpr TargetRefusal kNoSuchDigests{.status = 400, .what = "digests= is sha256"};
constexpr TargetRefusal kReserved{.status = 404, .what = "reserved name"};

enum class Slash { separates, must_not_be_encoded };
enum class Plus { literal, is_space };

Result<std::string, TargetRefusal> decode(std::string_view text, Slash slash, Plus plus) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '%') {
            if (text.size() - i < 3) return unexpected(kBadEncoding);
            const int high = hex_value(text[i + 1]);
            const int low = hex_value(text[i + 2]);
            if (high < 0 || low < 0) return unexpected(kBadEncoding);
            c = static_cast<char>(high * 16 + low);
            if (c == '/' && slash == Slash::must_not_be_encoded) return unexpected(kEncodedSlash);
            i += 2;
        } else if (c == '+' && plus == Plus::is_space) {
            c = ' ';
        }
        if (c == '\0') return unexpected(kNul);
        out.push_back(c);
    }
    return out;
}

struct Normalised {
    std::string path;
    bool wants_folder = false;
};

// Removes empty, "." and ".." segments; nothing when ".." goes above the top.
std::optional<Normalised> normalise(std::string_view path) {
    Normalised out;
    out.path.reserve(path.size());
    while (!path.empty()) {
        const auto slash = path.find('/');
        const auto segment = path.substr(0, slash);
        path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
        out.wants_folder = slash != std::string_view::npos || segment == "." || segment == "..";
        if (segment.empty() || segment == ".") continue;
        if (segment == "..") {
            if (out.path.empty()) return std::nullopt;
            const auto cut = out.path.rfind('/');
            out.path.resize(cut == std::string::npos ? 0 : cut);
            continue;
        }
        if (!out.path.empty()) out.path.push_back('/');
        out.path.append(segment);
    }
    if (out.path.empty()) out.wants_folder = true;
    return out;
}

// Names are decoded as values are. What cannot be decoded is no name that is asked for.
bool is_named(std::string_view raw, std::string_view name) {
    if (raw.find_first_of("%+") == std::string_view::npos) return raw == name;
    const auto decoded = decode(raw, Slash::separates, Plus::is_space);
    return decoded && *decoded == name;
}

// The raw value of a parameter of a query; nothing when it is absent. `repeated`: it is there more
// than once.
std::optional<std::string_view> parameter(std::string_view query, std::string_view name,
                                          bool& repeated) {
    std::optional<std::string_view> found;
    repeated = false;
    while (!query.empty()) {
        const auto end = query.find('&');
        const auto pair = query.substr(0, end);
        query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
        const auto equals = pair.find('=');
        if (equals == std::string_view::npos || !is_named(pair.substr(0, equals), name)) continue;
        repeated = found.has_value();
        if (repeated) return found;
        found = pair.substr(equals + 1);
    }
    return found;
}

using Follow = std::optional<Target::Follow>;

// What is more than any file has is all of it.
std::optional<std::uint64_t> tail_of(std::string_view digits) {
    std::uint64_t number = 0;
    const char* const end = digits.data() + digits.size();
    const auto [at, error] = std::from_chars(digits.data(), end, number);
    if (at != end || error == std::errc::invalid_argument) return std::nullopt;
    return error == std::errc() ? number : ~std::uint64_t{0};
}

// "follow" alone and without a value: all of the file.
Result<Follow, TargetRefusal> follow_of(std::string_view query) {
    constexpr std::string_view kName = "follow";
    Follow follow;
    while (!query.empty()) {
        const auto end = query.find('&');
        const auto pair = query.substr(0, end);
        query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
        const auto equals = pair.find('=');
        if (!is_named(pair.substr(0, equals), kName)) continue;
        if (follow) return unexpected(kBadFollow);
        follow.emplace();
        if (equals == std::string_view::npos || equals + 1 == pair.size()) continue;
        const auto value = decode(pair.substr(equals + 1), Slash::separates, Plus::is_space);
        const auto number = value ? tail_of(*value) : std::nullopt;
        if (!number) return unexpected(kBadFollow);
        follow->tail = *number;
    }
    return follow;
}

Result<Target, TargetRefusal> parse_api(std::string_view query) {
    bool repeated = false;
    const auto raw = parameter(query, "path", repeated);
    if (!raw || raw->empty()) return unexpected(kNoPath);
    if (repeated) return unexpected(kTwoPaths);
    const auto decoded = decode(*raw, Slash::separates, Plus::is_space);
    if (!decoded) return unexpected(decoded.error());
    auto normalised = normalise(*decoded);
    if (!normalised) return unexpected(kAboveRoot);
    const auto follow = follow_of(query);
    if (!follow) return unexpected(follow.error());
    return Target{.kind = Target::Kind::api,
                  .path = std::move(normalised->path),
                  .absolute = decoded->starts_with('/'),
                  .wants_folder = normalised->wants_folder,
                  .follow = *follow,
                  .query = query};
}

bool asks_for_json(std::string_view query) {
    bool repeated = false;
    const auto raw = parameter(query, "format", repeated);
    const auto format = raw ? decode(*raw, Slash::separates, Plus::is_space) : std::string();
    return format && *format == "json";
}

Result<ArchiveForm, TargetRefusal> archive_form(std::string_view query) {
    bool repeated = false;
    const auto raw = parameter(query, "archive", repeated);
    if (!raw) return ArchiveForm::none;
    const auto form = decode(*raw, Slash::separates, Plus::is_space);
    if (form && !repeated)
        for (const ArchiveForm each :
             {ArchiveForm::tar, ArchiveForm::zip, ArchiveForm::tar_gz, ArchiveForm::tar_zst})
            if (*form == name_of(each)) return each;
    return unexpected(kNoSuchArchive);
}

// What it is called in a query, with a value or without.
bool is_metalink(std::string_view pair) {
    return is_named(pair.substr(0, pair.find('=')), "metalink");
}

bool asks_for_metalink(std::string_view query) {
    while (!query.empty()) {
        const auto pair = query.substr(0, query.find('&'));
        if (is_metalink(pair)) return true;
        query.remove_prefix(std::min(pair.size() + 1, query.size()));
    }
    return false;
}

Result<DigestForm, TargetRefusal> digest_form(std::string_view query) {
    bool repeated = false;
    const auto raw = parameter(query, "digests", repeated);
    if (!raw) return asks_for_metalink(query) ? DigestForm::metalink : DigestForm::none;
    if (repeated || !is_named(*raw, "sha256")) return unexpected(kNoSuchDigests);
    return DigestForm::sums;
}

constexpr bool is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

constexpr bool is_unreserved(char c) { // RFC 3986
    return is_letter_or_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

// In a path: neither decoded, nor normalised, nor its end.
constexpr bool is_ordinary(char c) {
    return c != '/' && c != '?' && c != '%' && static_cast<unsigned char>(c) < 0x80;
}

// RFC 3986 unreserved, and of the rest what means nothing in a path, in an attribute of HTML or to
// those who split queries.
constexpr bool is_plain(char c) {
    return is_letter_or_digit(c) ||
           std::string_view("-._~!$()*,=@").find(c) != std::string_view::npos;
}

void append_encoded(std::string& out, char c) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    const auto byte = static_cast<unsigned char>(c);
    out.push_back('%');
    out.push_back(kHex[byte >> 4]);
    out.push_back(kHex[byte & 15]);
}

// Of UTF-8 at the beginning of `text`: the code point and its bytes; no bytes for what is none.
std::pair<std::uint32_t, std::size_t> first_code_point(std::string_view text) {
    if (text.empty()) return {0, 0};
    const auto lead = static_cast<unsigned char>(text.front());
    if (lead < 0x80) return {lead, 1};
    const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC0 || lead >= 0xF8 || text.size() < length) return {0, 0};
    std::uint32_t code = lead & (0xFFU >> (length + 1));
    for (const char c : text.substr(1, length - 1)) {
        const auto byte = static_cast<unsigned char>(c);
        if ((byte & 0xC0U) != 0x80U) return {0, 0};
        code = code << 6 | (byte & 0x3FU);
    }
    return {code, length};
}

bool is_ignorable(std::uint32_t code) {
    struct Span {
        std::uint32_t first;
        std::uint32_t last;
    };
    static constexpr Span kSpans[] = {
#define FSRV_IGNORABLE(first, last) {first, last},
#include "worker/http/ignorable.def"
#undef FSRV_IGNORABLE
    };
    return std::any_of(std::begin(kSpans), std::end(kSpans), [code](const Span& span) {
        return span.first <= code && code <= span.last;
    });
}

std::string_view skip_ignorable(std::string_view name) {
    for (;;) {
        const auto [code, bytes] = first_code_point(name);
        if (bytes < 2 || !is_ignorable(code)) return name;
        name.remove_prefix(bytes);
    }
}

} // namespace

std::string_view name_of(ArchiveForm form) {
    switch (form) {
    case ArchiveForm::none: break;
    case ArchiveForm::tar: return "tar";
    case ArchiveForm::zip: return "zip";
    case ArchiveForm::tar_gz: return "tar.gz";
    case ArchiveForm::tar_zst: return "tar.zst";
    }
    return "";
}

Result<Target, TargetRefusal> parse_target(std::string_view origin, bool api) {
    if (origin == "*") return Target{.kind = Target::Kind::server};
    const auto mark = origin.find('?');
    const auto query =
        mark == std::string_view::npos ? std::string_view{} : origin.substr(mark + 1);

    const auto decoded = decode(origin.substr(0, mark), Slash::must_not_be_encoded, Plus::literal);
    if (!decoded) return unexpected(decoded.error());
    auto normalised = normalise(*decoded);
    if (!normalised) return unexpected(kAboveRoot);

    if (api && normalised->path == "files" && !normalised->wants_folder) return parse_api(query);
    if (normalised->path == "-/health" && !normalised->wants_folder)
        return Target{.kind = Target::Kind::health, .query = query};
    if (normalised->path.starts_with("-/") || (normalised->path == "-" && normalised->wants_folder))
        return unexpected(kReserved);

    const auto archive = archive_form(query);
    if (!archive) return unexpected(archive.error());
    const auto follow = follow_of(query);
    if (!follow) return unexpected(follow.error());
    const auto digests = digest_form(query);
    if (!digests) return unexpected(digests.error());
    return Target{.kind = Target::Kind::tree,
                  .path = std::move(normalised->path),
                  .wants_folder = normalised->wants_folder,
                  .format_json = asks_for_json(query),
                  .archive = *archive,
                  .digests = *digests,
                  .follow = *follow,
                  .query = query};
}

std::string without_metalink(std::string_view query) {
    std::string rest;
    while (!query.empty()) {
        const auto pair = query.substr(0, query.find('&'));
        if (!is_metalink(pair)) rest.append(pair).append("&");
        query.remove_prefix(std::min(pair.size() + 1, query.size()));
    }
    if (!rest.empty()) rest.pop_back();
    return rest;
}

std::optional<std::string> decode_in_query(std::string_view text) {
    auto decoded = decode(text, Slash::separates, Plus::is_space);
    if (!decoded) return std::nullopt;
    return *std::move(decoded);
}

bool asks_for_health(std::string_view origin) {
    if (origin.find("-/health") == std::string_view::npos &&
        origin.find('%') == std::string_view::npos)
        return false;
    const auto target = parse_target(origin, false);
    return target && target->kind == Target::Kind::health;
}

bool stays_clear(std::string_view origin) {
    const auto target = parse_target(origin, false);
    return target && (target->kind == Target::Kind::health ||
                      target->path.starts_with(".well-known/acme-challenge/"));
}

std::string cache_key(const Target& target) {
    std::string key = target.kind == Target::Kind::api ? "?" : "";
    if (key.empty() || target.absolute) key += '/';
    key += target.path;
    if (target.wants_folder && !target.path.empty()) key += '/';
    if (target.archive != ArchiveForm::none || target.digests != DigestForm::none || target.follow)
        key += '\0'; // as no path has it: nothing is kept there
    return key;
}

std::optional<std::string_view> plain_cache_key(std::string_view origin, bool api) {
    std::size_t end = 0;
    for (; end < origin.size(); ++end) {
        const char c = origin[end];
        if (is_ordinary(c)) continue;
        if (c == '?') {
            const std::string_view query = origin.substr(end);
            for (const std::string_view made : {"archive=", "digests=", "metalink", "follow", "%"})
                if (query.find(made) != query.npos) return std::nullopt;
            break;
        }
        if (c != '/') return std::nullopt;
        const char next = end + 1 < origin.size() ? origin[end + 1] : '?';
        if (next == '/' || next == '.' || next == '-') return std::nullopt;
    }
    const std::string_view path = origin.substr(0, end);
    if (path.empty() || path.front() != '/' || (api && path == "/files")) return std::nullopt;
    return path;
}

bool is_hidden(std::string_view name) {
    return skip_ignorable(name).starts_with('.') && name != ".well-known";
}

bool has_hidden_segment(std::string_view path) {
    while (!path.empty()) {
        const auto slash = path.find('/');
        const auto segment = path.substr(0, slash);
        path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
        if (is_hidden(segment)) return true;
    }
    return false;
}

std::string encode_path(std::string_view path) {
    while (path.starts_with("//")) path.remove_prefix(1);
    std::string out;
    out.reserve(path.size() + 16);
    for (const char c : path) {
        if (is_plain(c) || c == '/')
            out.push_back(c);
        else
            append_encoded(out, c);
    }
    return out;
}

std::string encode_segment(std::string_view name) {
    std::string out;
    out.reserve(name.size() + 16);
    append_segment(out, name);
    return out;
}

void append_segment(std::string& out, std::string_view name) {
    if (!name.empty() && !is_letter_or_digit(name.front())) {
        append_encoded(out, name.front());
        name.remove_prefix(1);
    }
    while (!name.empty()) {
        const auto odd = std::find_if_not(name.begin(), name.end(), is_unreserved);
        const auto plain = static_cast<std::size_t>(odd - name.begin());
        out.append(name.substr(0, plain));
        name.remove_prefix(plain);
        if (name.empty()) return;
        append_encoded(out, name.front());
        name.remove_prefix(1);
    }
}

std::string encode_raw_bytes(std::string_view line) {
    std::string out;
    out.reserve(line.size() + 32);
    for (const char c : line) {
        if (static_cast<unsigned char>(c) < 0x80)
            out.push_back(c);
        else
            append_encoded(out, c);
    }
    return out;
}

} // namespace fsrv::http
