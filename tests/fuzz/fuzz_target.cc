// Any bytes as a target: what comes out is a relative path that stays below its root, and encodes
// and decodes to itself.
#include "tests/fuzz/fuzz.h"
#include "worker/http/target.h"

#include <algorithm>
#include <string>

namespace {

using namespace fsrv;
using namespace fsrv::fuzz;
using namespace fsrv::http;
using Kind = Target::Kind;

void require_normal(std::string_view path) {
    require(path.find('\0') == std::string_view::npos, "NUL");
    require(path.find("//") == std::string_view::npos, "an empty segment");
    require(!path.starts_with('/') && !path.ends_with('/'), "a slash at an end");
    const std::string fenced = "/" + std::string(path) + "/";
    require(fenced.find("/../") == std::string::npos, "..");
    require(path.empty() || fenced.find("/./") == std::string::npos, ".");
}

void require_encoded(std::string_view text) {
    require(!text.starts_with("//"), "another host");
    for (const char c : text)
        require(c > ' ' && c < 0x7F &&
                    std::string_view("\"'<>&?#\\+:;").find(c) == std::string_view::npos,
                "a byte that must be encoded");
}

bool hidden(std::string_view path) { // another way to say it
    const std::string fenced = "/" + std::string(path) + "/";
    for (std::size_t at = fenced.find("/."); at != std::string::npos;
         at = fenced.find("/.", at + 1))
        if (fenced.compare(at, 13, "/.well-known/") != 0) return true;
    return false;
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string bytes(text_of(data, size));
    const auto encoded_input = encode_path(bytes);
    require_encoded(encoded_input);
    require(encode_segment(bytes).find('/') == std::string::npos, "a slash in a segment");

    const std::string origin = bytes.starts_with('/') ? bytes : "/" + bytes;
    const auto target = parse_target(origin);
    if (!target) {
        require(target.error().status == 400 || target.error().status == 404, "an odd status");
        require(!target.error().what.empty(), "a refusal without a reason");
        return 0;
    }
    require_normal(target->path);
    // More is hidden where bytes come before a dot that a file system may not see.
    const bool ascii = std::all_of(target->path.begin(), target->path.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    require(has_hidden_segment(target->path) ? !ascii || hidden(target->path)
                                             : !hidden(target->path),
            "hidden or not");
    require(target->query.empty() ||
                (target->query.data() > origin.data() &&
                 target->query.data() + target->query.size() == origin.data() + origin.size()),
            "the query is not the end of the target");
    require(target->kind != Kind::server, "a star from a path");
    if (target->kind == Kind::health) return 0;

    std::string again = encode_path(target->path);
    require_encoded(again);
    if (target->kind == Kind::tree) {
        again.insert(0, "/");
        if (target->wants_folder && !target->path.empty()) again += "/";
    } else {
        again.insert(0, target->absolute ? "/files?path=/" : "/files?path=./");
        if (target->wants_folder && !target->path.empty()) again += "/";
    }
    const auto second = parse_target(again);
    require(second.has_value() && second->kind == target->kind && second->path == target->path &&
                second->absolute == target->absolute &&
                second->wants_folder == target->wants_folder,
            "encoded, it means something else");
    return 0;
}
