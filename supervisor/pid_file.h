// The file that names the supervisor's process, for scripts and service managers.
#pragma once

#include "common/result.h"
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
          pid_(std::exchange(other.pid_, 0)) {}
    PidFile& operator=(PidFile&&) = delete;
    ~PidFile(); // removes it, when it still names us

    // The new file, PATH.PID, as it is to be (mode 0644): nearly all that can fail in write().
    Result<void, std::string> make(pid_t pid);
    // It takes the name in one step; what stood there, a link too, is replaced and not followed.
    // Made before if it was not.
    Result<void, std::string> write(pid_t pid);

  private:
    void remove_fresh();

    std::string path_;
    std::string fresh_; // made, but without the name; empty: none
    pid_t pid_ = 0;     // 0: not written
};

} // namespace fsrv
