// Policy: what rules by path say to the one who asks. Asked with paths as Target::path has them;
// where a link leads elsewhere below the root, it is asked of both. Any thread, while the request
// is looked up.
#pragma once

#include "common/rules.h"

#include <memory>
#include <string_view>

namespace fsrv::content {

class Policy {
  public:
    virtual const ServedRule& rule_of(std::string_view path) const = 0;
    // 0: who asks may have it. Else the status of the answer: 401 or 403.
    virtual int refusal_of(std::string_view path) const = 0;
    // There are rules for what is below: a listing may be another for somebody else.
    virtual bool differs_below(std::string_view path) const = 0;
    // Of who asks, for permissions = "user"; null: there is none, and nobody is let in by such a
    // rule. As long as the worker.
    virtual const Account* account() const = 0;
    // Who asks, as proven; empty: nobody has proven anything.
    virtual std::string_view asker() const = 0;
    // The same, for what goes on behind the look-up.
    virtual std::shared_ptr<const Policy> lasting() const = 0;

  protected:
    ~Policy() = default;
};

} // namespace fsrv::content
