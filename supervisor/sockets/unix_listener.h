// A listening Unix socket with a name in the file system.
#pragma once

#include "common/result.h"
#include "common/unique_fd.h"
#include "supervisor/start_error.h"

#include <optional>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

namespace fsrv {

struct UnixPlace {
    std::string path;
    std::string_view option = "--unix"; // that names it
    int type = SOCK_STREAM;
    // Who may connect. 0666: whoever may enter the folder.
    mode_t mode = 0666;
    std::optional<gid_t> group = {}; // of the file; none: ours
};

sockaddr_un unix_address(const std::string& path); // of a path that check_path() accepts

class UnixListener final {
  public:
    // The longest name that the kernel's address can hold.
    static Result<void, StartError> check_path(const UnixPlace& place);

    // And its folder, where the socket's file is made.
    static Result<void, StartError> check_place(const UnixPlace& place);

    // A socket file that nobody listens on any more is replaced; one with a living listener, and
    // anything else, is not.
    static Result<UnixListener, StartError> open(const UnixPlace& place);

    // Whether the socket is the one of this path, whose file is there still: a predecessor's that
    // is not is none to take over.
    static bool is_bound_to(int fd, const std::string& path);
    static UnixListener take_over(UniqueFd fd, const std::string& path); // is_bound_to() it

    UnixListener(UnixListener&& other) noexcept;
    UnixListener& operator=(UnixListener&& other) noexcept;
    ~UnixListener();

    int fd() const { return fd_.get(); }
    const std::string& path() const { return path_; } // absolute

    // Removes the file, if it is still ours, and refuses new connections in all processes.
    void stop_listening();

    // Closes this process's copy: somebody else goes on with the socket and its file.
    void forget();

  private:
    UnixListener() = default;
    void remember_file(const std::string& path);
    void remove_file();

    UniqueFd fd_;
    std::string path_; // empty: nothing to remove
    dev_t device_ = 0;
    ino_t inode_ = 0;
};

} // namespace fsrv
