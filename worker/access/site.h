// Site: the rules by path of a generation of workers, ready to be asked: which one holds for a
// path, and whether somebody may have what it covers (product section 8 and 9). Pure, but for its
// making; any thread.
//
// A path without a rule has the options for one, which lets everybody in.
#pragma once

#include "common/options.h"
#include "common/rules.h"
#include "worker/access/who.h"

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace fsrv::access {

struct Rule : ServedRule {
    unsigned id = 0; // of its prefix: the same over reloads, and on every worker
};

enum class Verdict : std::uint8_t {
    allowed,
    unproven, // 401: it needs a proof that this one did not give
    refused,  // 403: no proof would help
};
Verdict decide(const Rule& rule, const Who& who);

class Site final {
  public:
    explicit Site(const Options& options);

    // False: all is the options'.
    bool has_rules() const { return rules_.size() > 1; }
    // The rule of the longest prefix that covers `path`, which is as Target::path has it. Lives as
    // long as the site.
    const Rule& rule_of(std::string_view path) const;
    // There are rules for what is below, so a listing may depend on who asks.
    bool has_rules_below(std::string_view path) const;

  private:
    // A folder that is part of a prefix.
    struct Node {
        const Rule* rule = nullptr; // none: that of the folder above
        std::map<std::string, Node, std::less<>> below;
    };

    void add(std::string_view prefix, const PathSettings& settings);
    Node& node_of(std::string_view prefix);

    std::vector<std::unique_ptr<Rule>> rules_; // the options' first
    Node root_;
};

} // namespace fsrv::access
