#include "worker/access/jwt.h"

#include "common/ascii.h"
#include "common/crypto/base64.h"
#include "worker/access/json_value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

namespace fsrv::access {
namespace {

using JsonKind = JsonValue::Kind;

std::string_view algorithm_of(crypto::KeyKind kind) {
    switch (kind) {
    case crypto::KeyKind::rsa: return "RS256";
    case crypto::KeyKind::p256: return "ES256";
    case crypto::KeyKind::ed25519: return "EdDSA";
    }
    return "";
}

std::optional<JsonValue> object_of(std::string_view json) {
    auto value = parse_json(json);
    if (!value || value->kind != JsonKind::object) return std::nullopt;
    return value;
}

bool is_name(const JsonValue* value) {
    return value != nullptr && value->kind == JsonKind::string && !value->text.empty() &&
           value->text.size() <= kMaxClaimBytes && std::ranges::none_of(value->text, [](char c) {
               return (c >= 0 && c < ' ') || c == 0x7F;
           });
}

// A NumericDate, which may have a fraction.
std::optional<std::int64_t> time_of(const JsonValue& value) {
    constexpr double kLatest = 1e12;
    if (value.kind != JsonKind::number) return std::nullopt;
    double seconds = 0;
    const char* const end = value.text.data() + value.text.size();
    const auto [stop, error] = std::from_chars(value.text.data(), end, seconds);
    if (error != std::errc{} || stop != end || !(std::abs(seconds) < kLatest)) return std::nullopt;
    return static_cast<std::int64_t>(std::floor(seconds));
}

std::optional<JwtClaims> claims_of(const JsonValue& payload) {
    JwtClaims claims;
    const JsonValue* const expires = payload.find("exp");
    const auto expires_at = expires != nullptr ? time_of(*expires) : std::nullopt;
    if (!expires_at) return std::nullopt;
    claims.expires = *expires_at;
    if (const JsonValue* const not_before = payload.find("nbf")) {
        const auto time = time_of(*not_before);
        if (!time) return std::nullopt;
        claims.not_before = *time;
    }
    const JsonValue* const subject = payload.find("sub");
    if (!is_name(subject)) return std::nullopt;
    claims.user = subject->text;
    if (const JsonValue* const groups = payload.find("groups")) {
        if (groups->kind != JsonKind::array || groups->elements.size() > kMaxClaimGroups)
            return std::nullopt;
        for (const JsonValue& group : groups->elements) {
            if (!is_name(&group)) return std::nullopt;
            claims.groups.push_back(group.text);
        }
    }
    return claims;
}

bool is_for(const JsonValue& payload, std::string_view audience) {
    const JsonValue* const said = payload.find("aud");
    if (said == nullptr) return audience.empty();
    if (audience.empty()) return false;
    const auto is_ours = [&](const JsonValue& one) {
        return one.kind == JsonKind::string && one.text == audience;
    };
    if (said->kind == JsonKind::array) return std::ranges::any_of(said->elements, is_ours);
    return is_ours(*said);
}

std::optional<JwtFault> fault_in_time(const JwtClaims& claims, std::int64_t now) {
    if (now >= claims.expires + kJwtLeewayS) return JwtFault::expired;
    if (now < claims.not_before - kJwtLeewayS) return JwtFault::not_yet;
    return std::nullopt;
}

// None: one of the keys has signed it.
std::optional<JwtFault> fault_in_signature(std::string_view algorithm, std::string_view text,
                                           std::string_view signature,
                                           std::span<const crypto::PublicKey> keys) {
    auto fault = JwtFault::other_algorithm;
    for (const crypto::PublicKey& key : keys) {
        if (algorithm_of(key.kind()) != algorithm) continue;
        if (key.verifies(text, signature)) return std::nullopt;
        fault = JwtFault::bad_signature;
    }
    return fault;
}

} // namespace

std::string_view text_of(JwtFault fault) {
    switch (fault) {
    case JwtFault::malformed: return "malformed";
    case JwtFault::other_algorithm: return "other algorithm";
    case JwtFault::bad_signature: return "bad signature";
    case JwtFault::expired: return "expired";
    case JwtFault::not_yet: return "not yet valid";
    case JwtFault::other_audience: return "other audience";
    }
    return "";
}

bool looks_like_jwt(std::string_view token) {
    return std::ranges::count(token, '.') == 2;
}

Result<JwtClaims, JwtFault> read_claims(std::string_view json, std::string_view audience,
                                        std::int64_t now) {
    const auto payload = object_of(json);
    auto claims = payload ? claims_of(*payload) : std::nullopt;
    if (!claims) return unexpected(JwtFault::malformed);
    if (!is_for(*payload, audience)) return unexpected(JwtFault::other_audience);
    if (const auto fault = fault_in_time(*claims, now)) return unexpected(*fault);
    return std::move(*claims);
}

Result<JwtClaims, JwtFault> read_jwt(std::string_view token,
                                     std::span<const crypto::PublicKey> keys,
                                     std::string_view audience, std::int64_t now) {
    if (token.size() > kMaxJwtBytes || !looks_like_jwt(token))
        return unexpected(JwtFault::malformed);
    const std::string_view signed_text = token.substr(0, token.rfind('.'));
    std::string_view rest = token;
    const std::string_view header_part = take_before(rest, '.');
    const std::string_view payload_part = take_before(rest, '.');

    const auto header_text = crypto::decode_base64(header_part, crypto::Base64::url);
    const auto header = header_text ? object_of(*header_text) : std::nullopt;
    const JsonValue* const algorithm = header ? header->find("alg") : nullptr;
    if (algorithm == nullptr || algorithm->kind != JsonKind::string ||
        header->find("crit") != nullptr)
        return unexpected(JwtFault::malformed);
    const auto signature = crypto::decode_base64(rest, crypto::Base64::url);
    if (!signature) return unexpected(JwtFault::malformed);
    if (const auto fault = fault_in_signature(algorithm->text, signed_text, *signature, keys))
        return unexpected(*fault);

    const auto payload = crypto::decode_base64(payload_part, crypto::Base64::url);
    if (!payload) return unexpected(JwtFault::malformed);
    return read_claims(*payload, audience, now);
}

Jwts::Jwts(std::span<const JwtKey> keys, std::string audience, std::size_t most_kept)
    : audience_(std::move(audience)), kept_(most_kept) {
    for (const JwtKey& key : keys)
        if (auto parsed = crypto::PublicKey::from_pem(key.pem)) keys_.push_back(std::move(*parsed));
}

Result<const JwtClaims*, JwtFault> Jwts::find(std::string_view token, std::int64_t now) {
    if (token.size() > kMaxJwtBytes) return unexpected(JwtFault::malformed);
    const Fingerprint key = fingerprints_.of(token);
    if (const JwtClaims* const known = kept_.find(key)) {
        const auto fault = fault_in_time(*known, now);
        if (!fault) return known;
        kept_.drop(key);
        return unexpected(*fault);
    }
    auto claims = read_jwt(token, keys_, audience_, now);
    if (!claims) return unexpected(claims.error());
    return &kept_.keep(key, std::move(*claims));
}

} // namespace fsrv::access
