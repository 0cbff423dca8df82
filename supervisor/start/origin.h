// How this program was started: what a reload reads anew, and an upgrade starts again.
#pragma once

#include "common/options.h"

#include <string>
#include <vector>

namespace fsrv {

struct Origin {
    std::vector<std::string> arguments;   // argv
    std::vector<std::string> environment; // "NAME=value"
    std::string folder;                   // the working folder; empty: it has no name any more
    std::string program;                  // absolute; what this name leads to is the upgrade
};

// Call it before the environment and the working folder are changed.
Origin find_origin(int argc, const char* const* argv, const char* const* environment);

// In a child, for names may hang: the working folder is where we were started. It stays "/" where
// that folder is gone, which only relative names miss; why: a problem. Empty: we are there.
std::string go_back(const Origin& origin);

// The options as the arguments, the environment and the configuration file say them now. The error
// is one line, with file:line where it is the file's fault. A relative name is an error where the
// folder it is relative to is gone: in "/" it would lead to something else.
// `problem`: as go_back() has it. `config_text`: becomes what is in the file.
Result<Invocation, std::string> read_options_again(const Origin& origin, const std::string& problem,
                                                   std::string& config_text);

// The options that a child has read so, once more: out of the same words, touching no file.
Options same_options(const Origin& origin, const std::string& config_text);

} // namespace fsrv
