// The file that names the supervisor's process, for scripts and service managers.
#pragma once

#include "common/result.h"
#include "common/unique_fd.h"
#include "supervisor/start_error.h"

#include <string>
#include <sys/types.h>
#include <utility>

namespace fsrv {

class PidFile final {
  public:
    // Empty: none wanted. The path is made absolute. Fails where its folder is missing or not
    // writable; creates nothing.
    static Result<PidFile, StartError> prepare(const std::string& path);

    PidFile() = default;
    PidFile(PidFile&& other) noexcept
        : path_(std::move(other.path_)),
          fresh_(std::exchange(other.fresh_, {})),
          held_(std::move(other.held_)),
          pid_(std::exchange(other.pid_, 0)) {}
    PidFile& operator=(PidFile&&) = delete;
    ~PidFile(); // removes it, when it still names us

    // Fails where the file is a running server's, unless that is our parent, which we replace.
    Result<void, StartError> check_free() const;

    // The new file, PATH.PID, as it is to be (mode 0644): nearly all that can fail in write().
    Result<void, std::string> make(pid_t pid);
    // It takes the name in one step; what stood there, a link too, is replaced and not followed.
    // Made before if it was not.
    Result<void, std::string> write(pid_t pid);

    // Another server may have the name from now on; ours stays until somebody takes it. Also for a
    // child, which shall not be able to write to it.
    void let_go() { held_.reset(); }

  private:
    void remove_fresh();

    std::string path_;
    std::string fresh_; // made, but without the name; empty: none
    UniqueFd held_;     // its lock says that a server lives, and ends with the process
    pid_t pid_ = 0;     // 0: not written
};

} // namespace fsrv
