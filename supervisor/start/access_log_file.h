// The access log's descriptor: opened here, with the supervisor's rights, and handed to the
// workers, which write to it.
#pragma once

#include "common/unique_fd.h"
#include "supervisor/start_error.h"

#include "common/result.h"

#include <string>

namespace fsrv {

class AccessLogFile final {
  public:
    // `target` as in --access-log: a path, "-" or "off". A path is made absolute, so that it can be
    // opened again after chdir().
    static Result<AccessLogFile, StartError> open(const std::string& target);

    // As --check does it: could it be opened? Creates nothing.
    static Result<void, StartError> check(const std::string& target);

    // Opens such a path anew. Why it failed: one line.
    static Result<UniqueFd, std::string> open_again(const std::string& path);

    // Of a descriptor that another process has opened.
    AccessLogFile() = default;
    AccessLogFile(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
    void replace(UniqueFd fd) { fd_ = std::move(fd); }

    bool is_file() const { return !path_.empty(); }
    const std::string& path() const { return path_; }
    int fd() const { return fd_.get(); } // -1: off
    UniqueFd take() { return std::move(fd_); }

  private:
    std::string path_; // empty: "-" or "off"
    UniqueFd fd_;
};

} // namespace fsrv
