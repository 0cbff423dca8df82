// Request target to what is asked for: decoded once, normalised once, no system call. Product
// section 3, RFC 3986.
#pragma once

#include "common/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fsrv::http {

enum class ArchiveForm : std::uint8_t { none, tar, zip, tar_gz, tar_zst };

// ?digests=sha256: those of the files in a folder and below; ?metalink: of a file.
enum class DigestForm : std::uint8_t { none, sums, metalink };

// "tar", as in ?archive=tar and behind a name; none: "".
std::string_view name_of(ArchiveForm form);

struct Target {
    enum class Kind {
        tree,   // /any/name: inline
        api,    // /files?path=P: as an attachment; a folder is 403
        health, // /-/health
        server, // OPTIONS *
    };
    Kind kind = Kind::tree;

    // Decoded bytes without leading or trailing slash, without empty, "." and ".." segments; "" is
    // the root. For api with `absolute`, the same but taken from "/" (the store maps it to the root
    // or refuses it).
    std::string path;
    bool absolute = false;
    bool wants_folder =
        false; // the path ended in a slash (or in "." or ".."): a regular file there is 404
    bool format_json = false;                // ?format=json
    ArchiveForm archive = ArchiveForm::none; // of a tree: ?archive=, the folder as one
    DigestForm digests = DigestForm::none;   // of a tree: ?digests=, ?metalink
    // ?follow: the file, and what is appended to it; from so many bytes before its end on, or all.
    struct Follow {
        std::optional<std::uint64_t> tail;
    };
    std::optional<Follow> follow;
    std::string_view query; // as sent, without "?", for redirects; a view into the target
};

// status: 400 (bad percent-encoding, NUL, ".." above the root, no path=, an unknown archive= or
// digests=, a follow= that is no number), 404 (reserved /-/ names, an encoded slash in a segment).
struct TargetRefusal {
    int status = 400;
    std::string_view what;
};

// `origin`: Request::origin, starts with "/" or is "*". Without `api`, /files is a name like
// others.
Result<Target, TargetRefusal> parse_target(std::string_view origin, bool api = true);

// A name or a value of a query: percent-decoded, "+" is a space. None: it cannot be decoded, or has
// a NUL.
std::optional<std::string> decode_in_query(std::string_view text);

// What of a target decides which file is answered, with which head: the key of caches. No bytes
// that a client may spell in several ways, and nothing of a query but that it asks for something
// that is made of the file or folder.
std::string cache_key(const Target& target);
// The same without a look at what must be decoded or normalised: nothing where there is such. Part
// of `origin`. A target that would be refused has a key too, or none, under which nothing is kept.
std::optional<std::string_view> plain_cache_key(std::string_view origin, bool api);

// The query without "metalink": of the address of the file itself.
std::string without_metalink(std::string_view query);

// Of `origin` as in parse_target(), of which most are told at a glance.
bool asks_for_health(std::string_view origin);

// What is served where all else is redirected to https: the server's health, and the proofs that an
// ACME CA asks for (RFC 8555 8.3). `origin` as in parse_target().
bool stays_clear(std::string_view origin);

// A name that begins with a dot, ".well-known" excepted; the dot may have code points before it
// that a file system may not see (ignorable.def).
bool is_hidden(std::string_view name);
// True when a segment is such a name.
bool has_hidden_segment(std::string_view path);

// Percent-encodes a path for a Location or href: everything but unreserved, "/" and the sub-delims
// that are safe there; never starts with "//" and never holds a control character.
std::string encode_path(std::string_view path);
// A name as a relative reference, and nothing else: never a scheme, a query or a path. Everything
// but unreserved is encoded, and what it begins with unless that is a letter or a digit: httpdirfs
// sees no others, and Kodi takes "+" for a space and ";" for the end.
std::string encode_segment(std::string_view name);
void append_segment(std::string& out, std::string_view name); // encoded so
// Percent-encodes the bytes above 0x7F, which is what they mean in a request line, and nothing
// else.
std::string encode_raw_bytes(std::string_view line);

} // namespace fsrv::http
