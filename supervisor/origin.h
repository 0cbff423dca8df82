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

// For execve() and parse_invocation(): pointers into `words`, and a null pointer at the end.
std::vector<char*> pointers_to(const std::vector<std::string>& words);

// The working folder is where we were started, for as long as this lives; then it is "/" again. It
// is "/" all the time where that folder is gone, which only relative names miss.
class BackInFolder final {
  public:
    explicit BackInFolder(const Origin& origin);
    ~BackInFolder();
    BackInFolder(const BackInFolder&) = delete;
    BackInFolder& operator=(const BackInFolder&) = delete;

    const std::string& problem() const { return problem_; } // empty: we are there

  private:
    std::string problem_;
};

// The options as the arguments, the environment and the configuration file say them now. The error
// is one line, with file:line where it is the file's fault. A relative name is an error where the
// folder it is relative to is gone: in "/" it would lead to something else.
Result<Invocation, std::string> read_options_again(const Origin& origin, const BackInFolder& back);

} // namespace fsrv
