// Rules by path: what the tables of the configuration file say of a folder and what is below it,
// and of those who may ask. Plain values, made and checked with the options; they cross fork() in
// them. Which rule holds for a path is found by worker/access/site.h.
#pragma once

#include "common/access_material.h"
#include "common/network.h"
#include "common/result.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fsrv {

struct Options;
struct UsageError;
enum class Symlinks;

// As what a file is offered. `automatic`: as product and API have it: inline in the tree.
enum class Disposition : std::uint8_t { automatic, inline_, attachment };
// Whose rights on the file system decide whether a file may be read.
enum class Permissions : std::uint8_t {
    worker, // the worker's: whatever it can read
    world,  // everybody's: o+r on the file, o+x on each folder from the root on
    user,   // those of the local account of who asks, as the kernel sees them
};
// Who is meant by an element of `allow` or `require`.
struct Principal {
    enum class Kind : std::uint8_t {
        all,
        users,       // who has proven to be somebody
        user,        // `name`
        group,       // `name`
        signed_link, // who has a valid link
        certificate, // of a client; `name`: its common name or one of its others; empty: any
        network,     // who asks from there
    };
    Kind kind = Kind::all;
    std::string name;
    Network network;
    friend bool operator==(const Principal&, const Principal&) = default;
};

// "group:staff"; none: it is no principal.
std::optional<Principal> parse_principal(std::string_view text);

// What may differ by path.
struct PathSettings {
    std::vector<Principal> allow{Principal{}}; // any of these; empty: nobody
    std::vector<Principal> require;            // all of these besides
    std::uint64_t rate = 0;                    // bytes per second and client; 0: any
    std::vector<std::pair<std::string, std::string>> headers;
    std::string cache_control;
    std::map<std::string, std::string> types; // ".foo", lower case, to a media type
    std::string index;
    bool listing = true;
    bool hidden = false;
    bool compress = true;
    bool precompressed = false;
    bool archive = true; // folders are sent as tar and zip, within --archive-limit
    bool digests = true; // of files, for who asks
    Symlinks symlinks{};
    Disposition disposition = Disposition::automatic;
    Permissions permissions = Permissions::worker;
    friend bool operator==(const PathSettings&, const PathSettings&) = default;
};

// A rule as answers have it.
struct ServedRule {
    PathSettings settings;
    // Everybody may have what is there, and whoever proves to be somebody gets the same.
    bool open = true;
    // Lines that an answer 200, 206 or 304 of a file says besides: Cache-Control, and Vary where
    // the rule is not open.
    std::string cache_fields;
    std::string headers; // likewise, of a listing too
};

struct PathRule {
    std::string prefix;    // as Target::path has it; "" is the root
    std::string place;     // "fsrv.toml:12"
    PathSettings settings; // with what it has from shorter prefixes and from the options
    friend bool operator==(const PathRule&, const PathRule&) = default;
};

struct Rules {
    std::vector<PathRule> paths; // shorter prefixes first
    std::vector<Login> logins;
    std::vector<Token> tokens;

    bool any() const { return !paths.empty(); }
    // Some rule is about certificates: clients that have none are let in where it does not hold.
    bool name_certificates() const;
    bool have_rates() const;
    bool want_accounts() const; // permissions = "user"
    friend bool operator==(const Rules&, const Rules&) = default;
};

// A table of the file as it stands there: each key with its value, unjudged.
struct RuleValue {
    enum class Form : std::uint8_t { text, list, pairs, other };
    Form form = Form::other;
    std::vector<std::string> texts; // one of text
    std::vector<std::pair<std::string, std::string>> pairs;
};
struct RuleEntry {
    std::string key;
    std::string place;
    RuleValue value;
};
struct RuleTable {
    std::string kind; // "path", "login", "token"
    std::string place;
    std::vector<RuleEntry> entries;
};
using RuleTables = std::vector<RuleTable>;

bool is_rule_table(std::string_view key); // [[key]]
// The key, value and place of the first mistake tell what is wrong. What a rule does not say is
// what the options say.
Result<Rules, UsageError> make_rules(const RuleTables& tables, const Options& options);
// What the options say, for all that no rule covers.
PathSettings root_settings(const Options& options);

// The tables as the file has them, without what is secret.
std::string dump_rules(const RuleTables& tables);

// Names that `allow` and `require` speak of and that nobody can prove: the place and what is wrong.
// Pure; the caller knows more users and groups than the rules do.
using HasName = std::function<bool(std::string_view)>;
Result<void, UsageError> check_names(const Rules& rules, const HasName& user, const HasName& group);

} // namespace fsrv
