#include "worker/content/mime.h"

#include "common/ascii.h"
#include "common/unique_fd.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>

namespace fsrv::content {
namespace {

constexpr std::size_t kMaxFileBytes = 1024 * 1024;
constexpr std::size_t kMaxExtension = 32;
constexpr std::size_t kMaxType = 127; // RFC 6838 4.2, of either half

struct BuiltIn {
    std::string_view type;
    std::string_view extensions;
    bool for_browsers;
};
constexpr BuiltIn kBuiltIn[] = {
#define FSRV_MIME(type, extensions) {type, extensions, false},
#define FSRV_MIME_BROWSER(type, extensions) {type, extensions, true},
#include "worker/content/mime_types.def"
#undef FSRV_MIME_BROWSER
#undef FSRV_MIME
};

std::string in_lower_case(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = lower(c);
    return out;
}

std::string_view take_word(std::string_view& text) {
    constexpr std::string_view kBlank = " \t\r\f\v";
    text.remove_prefix(std::min(text.find_first_not_of(kBlank), text.size()));
    const std::string_view word = text.substr(0, text.find_first_of(kBlank));
    text.remove_prefix(word.size());
    return word;
}

// RFC 6838 4.2: nothing that could be more than a media type in a header.
bool is_media_type(std::string_view type) {
    const auto is_name = [](std::string_view name) {
        constexpr std::string_view kPunctuation = "!#$&-^_.+";
        return !name.empty() && name.size() <= kMaxType &&
               std::all_of(name.begin(), name.end(), [&](char c) {
                   return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                          (c >= 'A' && c <= 'Z') || kPunctuation.find(c) != std::string_view::npos;
               });
    };
    const std::size_t slash = type.find('/');
    return slash != std::string_view::npos && is_name(type.substr(0, slash)) &&
           is_name(type.substr(slash + 1));
}

bool is_textual(std::string_view type) {
    constexpr std::string_view kTextual[] = {
        "application/json",       "application/jsonl", "application/xml",  "application/javascript",
        "application/ecmascript", "application/yaml",  "application/toml", "application/sql"};
    if (type.starts_with("text/")) return true;
    if (std::find(std::begin(kTextual), std::end(kTextual), type) != std::end(kTextual))
        return true;
    return type.starts_with("application/") && (type.ends_with("+json") || type.ends_with("+xml"));
}

std::string content_type(std::string_view type) {
    std::string value = in_lower_case(type);
    if (is_textual(value)) value += "; charset=utf-8";
    return value;
}

// Empty when it cannot be read whole.
std::string read_small_file(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
    std::string text;
    std::array<char, 16 * 1024> buffer;
    for (;;) {
        const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
        if (got == 0) return text;
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 || text.size() + static_cast<std::size_t>(got) > kMaxFileBytes) return {};
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
}

} // namespace

MimeTypes::MimeTypes() {
    put_built_in(Part::all);
}

void MimeTypes::put_built_in(Part part) {
    for (const BuiltIn& entry : kBuiltIn) {
        if (part == Part::for_browsers && !entry.for_browsers) continue;
        std::string_view extensions = entry.extensions;
        for (std::string_view word = take_word(extensions); !word.empty();
             word = take_word(extensions))
            by_extension_.insert_or_assign(std::string(word), content_type(entry.type));
    }
}

void MimeTypes::load(const std::string& path) {
    const std::string text = read_small_file(path);
    std::string_view rest = text;
    while (!rest.empty()) {
        std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
        line = line.substr(0, line.find('#'));
        const std::string_view type = take_word(line);
        if (!is_media_type(type)) continue;
        for (std::string_view word = take_word(line); !word.empty(); word = take_word(line)) {
            if (word.size() <= kMaxExtension)
                by_extension_.insert_or_assign(in_lower_case(word), content_type(type));
        }
    }
    put_built_in(Part::for_browsers);
}

std::string_view MimeTypes::of(std::string_view file_name,
                               const std::map<std::string, std::string>& first) const {
    constexpr std::string_view kUnknown = "application/octet-stream";
    const std::size_t dot = file_name.rfind('.');
    // ".profile" is a name, not an extension.
    if (dot == std::string_view::npos || dot == 0) return kUnknown;
    const std::string_view extension = file_name.substr(dot + 1);
    if (extension.size() > kMaxExtension) return kUnknown;
    if (!first.empty()) {
        const auto own = first.find(in_lower_case(file_name.substr(dot)));
        if (own != first.end()) return own->second;
    }
    const auto found = by_extension_.find(in_lower_case(extension));
    return found == by_extension_.end() ? kUnknown : std::string_view(found->second);
}

} // namespace fsrv::content
