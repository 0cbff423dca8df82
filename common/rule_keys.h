// The keys of [[path]], [[login]] and [[token]]: what each takes, and where it is stored. Pure.
#pragma once

#include "common/result.h"
#include "common/rules.h"

#include <span>
#include <string>
#include <string_view>

namespace fsrv {

// Stored, or what is wrong with the value: reads well behind "prefix: ".
using Stored = Result<void, std::string>;

struct PathKey { // but for the prefix
    std::string_view name;
    Stored (*store)(PathSettings& settings, const RuleValue& value);
};
struct LoginKey {
    std::string_view name;
    Stored (*store)(Login& login, const RuleValue& value);
};
struct TokenKey {
    std::string_view name;
    Stored (*store)(Token& token, const RuleValue& value);
};

std::span<const PathKey> path_keys();
std::span<const LoginKey> login_keys();
std::span<const TokenKey> token_keys();

} // namespace fsrv
