#include "common/crypto/signed_link.h"

#include "common/ascii.h"
#include "common/crypto/base64.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace fsrv::crypto {
namespace {

constexpr std::string_view kVersion = "fsrv-link-1";
constexpr std::string_view kSignature = "sig";

// What a signature covers besides the path, in the order of the text that is signed.
enum Name { kAttachment, kClient, kExpires, kId, kKey, kPrefix, kResume, kUses, kNames };
constexpr std::array<std::string_view, kNames> kNameTexts{
    "attachment", "client", "expires", "id", "key", "prefix", "resume", "uses"};
constexpr std::size_t kMostBytes = 255; // of a value
// In the year 5138. What is later was meant in milliseconds.
constexpr std::int64_t kLatest = 99'999'999'999;

// The decoded values; none: not there.
using Values = std::array<std::optional<std::string>, kNames>;

std::optional<std::string> decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+') {
            out += ' ';
        } else if (text[i] != '%') {
            out += text[i];
        } else {
            const auto byte =
                text.size() - i < 3 ? std::nullopt : decode_hex(text.substr(i + 1, 2));
            if (!byte) return std::nullopt;
            out += *byte;
            i += 2;
        }
    }
    return out;
}

void append_encoded(std::string& out, std::string_view value) {
    constexpr std::string_view kAsIs =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    for (const char c : value) {
        if (kAsIs.find(c) != kAsIs.npos)
            out += c;
        else
            fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(c));
    }
}

// None: something is malformed. `signature` is as it was sent.
std::optional<Values> read_values(std::string_view query, std::string_view& signature) {
    Values values;
    bool has_signature = false;
    while (!query.empty()) {
        const std::string_view value_and_name = take_before(query, '&');
        std::string_view value = value_and_name;
        const std::string_view name = take_before(value, '=');
        if (name == kSignature) {
            if (has_signature) return std::nullopt;
            has_signature = true;
            signature = value;
        }
        const auto* const known = std::ranges::find(kNameTexts, name);
        if (known == kNameTexts.end()) continue;
        auto& place = values[static_cast<std::size_t>(known - kNameTexts.begin())];
        if (place) return std::nullopt;
        place = decoded(value);
        if (!place || !why_not_in_link(*place).empty()) return std::nullopt;
    }
    if (!has_signature || !values[kKey] || !values[kExpires]) return std::nullopt;
    return values;
}

// The first `segments` of a path; none: it has fewer.
std::optional<std::string_view> first_segments(std::string_view path, unsigned segments) {
    std::size_t end = 0;
    for (unsigned n = 0; n < segments; ++n) {
        if (end >= path.size()) return std::nullopt;
        end = std::min(path.find('/', end + (n == 0 ? 0 : 1)), path.size());
    }
    return path.substr(0, end);
}

std::string signature_text(const Values& values, std::string_view path, const SigningKey& signer,
                           Digest& digest) {
    std::string text(kVersion);
    text += '\n';
    for (std::size_t n = 0; n < kNames; ++n)
        if (values[n]) text += fmt::format("{}={}\n", kNameTexts[n], *values[n]);
    text += '/';
    text += path;
    digest = hmac_sha256(signer.secret.view(), text);
    return encode_base64(digest.view(), Base64::url);
}

// Digits alone, and one spelling of each number.
template <class Number>
std::optional<Number> number_of(const std::optional<std::string>& value) {
    if (!value || value->empty() || (value->front() == '0' && value->size() > 1))
        return std::nullopt;
    return to_number<Number>(*value);
}

// Of a link whose signature is good; nothing: who made it has made something else.
std::optional<LinkTerms> terms_of(const Values& values) {
    LinkTerms terms;
    const auto begin_by = number_of<std::int64_t>(values[kExpires]);
    if (!begin_by || *begin_by < 0 || *begin_by > kLatest) return std::nullopt;
    terms.begin_by = *begin_by;
    if (values[kResume]) {
        const auto resume_by = number_of<std::int64_t>(values[kResume]);
        if (!resume_by || *resume_by < 0 || *resume_by > kLatest) return std::nullopt;
        terms.resume_by = *resume_by;
    }
    if (values[kPrefix]) terms.prefix = number_of<unsigned>(values[kPrefix]);
    if (values[kUses]) {
        const auto count = number_of<unsigned>(values[kUses]);
        if (!count || *count == 0) return std::nullopt;
        terms.uses = *count;
    }
    if (values[kClient]) {
        if (!parse_network(*values[kClient])) return std::nullopt;
        terms.client = *values[kClient];
    }
    if (values[kId]) terms.id = *values[kId];
    if (values[kAttachment]) terms.attachment = *values[kAttachment];
    return terms;
}

} // namespace

bool Link::covers(std::string_view other) const {
    if (!terms.prefix || !other.starts_with(path)) return other == path;
    return path.empty() || other.size() == path.size() || other[path.size()] == '/';
}

std::string_view text_of(LinkFault fault) {
    switch (fault) {
    case LinkFault::malformed: return "malformed";
    case LinkFault::unknown_key: return "unknown key";
    case LinkFault::bad_signature: return "bad signature";
    case LinkFault::expired: return "expired";
    case LinkFault::other_client: return "other client";
    }
    return "";
}

bool is_signed(std::string_view query) {
    while (!query.empty()) {
        std::string_view pair = take_before(query, '&');
        if (take_before(pair, '=') == kSignature) return true;
    }
    return false;
}

bool has_link_terms(std::string_view query) {
    while (!query.empty()) {
        std::string_view pair = take_before(query, '&');
        const std::string_view name = take_before(pair, '=');
        if (name == kSignature || std::ranges::find(kNameTexts, name) != kNameTexts.end())
            return true;
    }
    return false;
}

Result<Link, LinkFault> verify_link(std::string_view query, std::string_view path,
                                    const in6_addr& client, std::span<const SigningKey> keys,
                                    std::int64_t now) {
    std::string_view signature;
    const auto values = read_values(query, signature);
    if (!values) return unexpected(LinkFault::malformed);
    const auto signer = std::ranges::find(keys, *(*values)[kKey], &SigningKey::id);
    if (signer == keys.end()) return unexpected(LinkFault::unknown_key);
    std::string_view signed_path = path;
    if ((*values)[kPrefix]) {
        const auto segments = number_of<unsigned>((*values)[kPrefix]);
        if (!segments) return unexpected(LinkFault::malformed);
        const auto first = first_segments(path, *segments);
        if (!first) return unexpected(LinkFault::bad_signature);
        signed_path = *first;
    }
    Link link{.key_id = signer->id, .path = std::string(signed_path)};
    if (!equal_in_constant_time(signature,
                                signature_text(*values, signed_path, *signer, link.identity)))
        return unexpected(LinkFault::bad_signature);
    auto terms = terms_of(*values);
    if (!terms) return unexpected(LinkFault::malformed);
    link.terms = std::move(*terms);
    if (now > std::max(link.terms.begin_by, link.terms.resume_by))
        return unexpected(LinkFault::expired);
    if (!link.terms.client.empty() && !parse_network(link.terms.client)->holds(client))
        return unexpected(LinkFault::other_client);
    return link;
}

std::string_view why_not_in_link(std::string_view value) {
    if (value.empty()) return "empty";
    if (value.size() > kMostBytes) return "longer than 255 bytes";
    if (std::ranges::any_of(value, [](char c) { return (c >= 0 && c < ' ') || c == 0x7F; }))
        return "with a control character";
    return {};
}

std::string sign_link(const LinkTerms& terms, std::string_view path, const SigningKey& signer) {
    Values values;
    values[kExpires] = std::to_string(terms.begin_by);
    values[kKey] = signer.id;
    if (terms.resume_by != 0) values[kResume] = std::to_string(terms.resume_by);
    if (terms.prefix) {
        values[kPrefix] = std::to_string(*terms.prefix);
        path = first_segments(path, *terms.prefix).value_or(path);
    }
    if (terms.uses != 0) values[kUses] = std::to_string(terms.uses);
    if (!terms.client.empty()) values[kClient] = terms.client;
    if (!terms.id.empty()) values[kId] = terms.id;
    if (!terms.attachment.empty()) values[kAttachment] = terms.attachment;
    std::string query;
    for (std::size_t n = 0; n < kNames; ++n) {
        if (!values[n]) continue;
        query += fmt::format("{}=", kNameTexts[n]);
        append_encoded(query, *values[n]);
        query += '&';
    }
    Digest digest;
    return fmt::format("{}{}={}", query, kSignature, signature_text(values, path, signer, digest));
}

} // namespace fsrv::crypto
