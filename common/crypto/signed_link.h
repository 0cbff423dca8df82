// Links that let somebody in without a name: terms and a signature (HMAC-SHA-256) in the query.
// docs/LINKS.md has the format for those who make links elsewhere; it is a promise. Pure.
#pragma once

#include "common/access_material.h"
#include "common/crypto/digest.h"
#include "common/network.h"
#include "common/result.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace fsrv::crypto {

// What a link says. Times are seconds since the epoch.
struct LinkTerms {
    std::int64_t begin_by = 0;  // a download begins until then, inclusive
    std::int64_t resume_by = 0; // one that has begun may fetch the rest until then; else 0
    std::optional<unsigned>
        prefix;             // for all below so many segments of the path; none: for it alone
    std::string client;     // a network, as parse_network() takes it; empty: any
    unsigned uses = 0;      // downloads; 0: any number
    std::string id;         // tells links apart whose terms are the same
    std::string attachment; // the name to save as; empty: as without a link

    friend bool operator==(const LinkTerms&, const LinkTerms&) = default;
};

// A link whose signature is good, for somebody who may use it now.
struct Link {
    LinkTerms terms;
    std::string key_id;
    std::string path; // what is signed, as http::Target::path has it; with `prefix` the folder
    Digest identity;  // of this link alone: what its uses are counted under

    // Whether a download may begin; else only one that has begun may go on (Range and If-Range with
    // the file's ETag), which the caller has to see to.
    bool may_begin(std::int64_t now) const { return now <= terms.begin_by; }
    // Whether the link is for that path, too: an entry of a folder, a member of an archive.
    bool covers(std::string_view other) const;
};

// All of them are answered alike; the log says which.
enum class LinkFault {
    malformed, // a name twice, a value that is none, no key=, no expires=
    unknown_key,
    bad_signature, // or another path than the one that was signed
    expired,
    other_client,
};
std::string_view text_of(LinkFault fault);

// Whether a query has a signature at all, so that verify_link() is to be asked.
bool is_signed(std::string_view query);
// Whether it has any of a link's parameters, so that it cannot be signed.
bool has_link_terms(std::string_view query);

// `query`: as sent, without "?". What is not the link's may stand there too, and is not covered.
// `path`: of the tree, as http::Target::path has it: normalised, decoded, no slash at its ends.
// `now`: seconds since the epoch. The signature is compared in constant time.
Result<Link, LinkFault> verify_link(std::string_view query, std::string_view path,
                                    const in6_addr& client, std::span<const SigningKey> keys,
                                    std::int64_t now);

// Why a value cannot stand in a link; empty: it can. For what people type.
std::string_view why_not_in_link(std::string_view value);

// The query, without "?": what verify_link() takes for `path` and, with `prefix`, for what is below
// its first segments. The terms are good ones: texts without control characters, `prefix` no more
// than the segments of the path.
std::string sign_link(const LinkTerms& terms, std::string_view path, const SigningKey& key);

} // namespace fsrv::crypto
