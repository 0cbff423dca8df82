// A line "NOW MTIME NANOSECONDS SIZE", then any bytes as field lines: dates that are accepted
// format and parse to themselves, and the verdict on the preconditions is one that the fields can
// give.
#include "tests/fuzz/fuzz.h"
#include "worker/http/accept.h"
#include "worker/http/conditions.h"
#include "worker/http/date.h"
#include "worker/http/parser.h"

#include <charconv>
#include <string>

namespace {

using namespace fsrv;
using namespace fsrv::fuzz;
using namespace fsrv::http;

std::int64_t take_number(std::string_view& text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    std::int64_t value = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    text.remove_prefix(static_cast<std::size_t>(result.ptr - text.data()));
    return value;
}

void examine_date(std::string_view text, std::int64_t now) {
    const auto seconds = parse_date(text, now);
    if (!seconds) return;
    const auto formatted = format_date(*seconds);
    require(formatted.has_value() || *seconds == 253402300800, // a leap second at the end of time
            "a date that was read cannot be written");
    if (!formatted) return;
    require(formatted->size() == 29, "a date of another length");
    require(parse_date(*formatted, now) == seconds, "a date that was written reads differently");
}

void examine_validators(const Validators& validators, const FileState& file, FileTime now) {
    __extension__ using Signed = __int128;
    const auto ns = [](FileTime time) {
        return Signed{time.seconds} * 1'000'000'000 + Signed{time.nanoseconds};
    };
    const Signed age = ns(now) - ns(file.mtime);
    const bool young = age < 1'000'000'000 && age > -1'000'000'000;
    const bool weak = validators.etag.starts_with("W/");
    require(weak || !young || validators.etag.empty(), "a strong tag of a young file");
    require(!validators.settled || !young || !validators.last_modified, "settled while young");
    require(!validators.etag.empty() || !validators.last_modified, "a time that makes no tag");
    require(validators.etag.empty() || (validators.etag.starts_with(weak ? "W/\"" : "\"") &&
                                        validators.etag.ends_with('"')),
            "a tag without its quotes");
    require(make_validators(file, now).etag == validators.etag, "another tag of the same file");
    if (!validators.last_modified) return;
    require(weak == young, "weak or not");
    require(*validators.last_modified <= now.seconds, "modified in the future");
    require(format_date(*validators.last_modified).has_value(), "a date that cannot be written");
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto text = text_of(data, size);
    const FileTime now{.seconds = take_number(text), .nanoseconds = 500'000'000};
    FileTime mtime{.seconds = take_number(text)};
    mtime.nanoseconds = (take_number(text) & 0x7FFFFFFF) % 1'000'000'000;
    // Some have a ctime, which counts where mtime says nothing.
    const auto file_size = static_cast<std::uint64_t>(take_number(text));
    const FileState file{.size = file_size,
                         .mtime = mtime,
                         .ctime = {.seconds = file_size % 2 == 0 ? now.seconds : 0}};
    text.remove_prefix(text.starts_with('\n') ? 1 : 0);

    const auto validators = make_validators(file, now);
    examine_validators(validators, file, now);
    examine_date(text, now.seconds);

    std::string head = "GET / HTTP/1.1\r\nHost: h\r\n";
    for (const char c : text) head += c == '\n' ? std::string("\r\n") : std::string(1, c);
    head += "\r\n\r\n";
    RequestParser parser({});
    Request request;
    if (parser.parse_head(head, request).status != HeadStatus::complete) return 0;
    for (const Field& field : request.all_fields()) {
        examine_date(field.value, now.seconds);
        const auto form = error_form(field.value);
        require(form != BodyForm::json || prefers_json_listing(field.value), "JSON and not JSON");
    }

    const auto has = [&](std::string_view name) { return request.count(name) > 0; };
    switch (evaluate_preconditions(request, validators, now.seconds)) {
    case Precondition::proceed: break;
    case Precondition::ignore_range:
        require(has("Range") && has("If-Range"), "If-Range from nowhere");
        break;
    case Precondition::not_modified:
        require(has("If-None-Match") || has("If-Modified-Since"), "304 from nowhere");
        break;
    case Precondition::failed:
        require(has("If-Match") || has("If-Unmodified-Since"), "412 from nowhere");
        break;
    }

    // The file's own tag, sent back, is always recognised.
    if (validators.etag.empty()) return 0;
    const std::string own =
        "GET / HTTP/1.1\r\nHost: h\r\nIf-None-Match: " + validators.etag + "\r\n\r\n";
    RequestParser own_parser({});
    Request own_request;
    require(own_parser.parse_head(own, own_request).status == HeadStatus::complete,
            "an own tag in a head");
    require(evaluate_preconditions(own_request, validators, now.seconds) ==
                Precondition::not_modified,
            "an own tag is not recognised");
    return 0;
}
