// Keys in the memory of a process: that it gets into no core, and how some of it travels to another
// process.
#pragma once

#include "common/result.h"
#include "common/secret.h"
#include "common/unique_fd.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fsrv {

// From now on this process and those that it forks leave no core, and no process of the same user
// can read their memory (PR_SET_DUMPABLE; RLIMIT_CORE would not do, since a core that goes to a
// program is made despite it). Call it before the first key is read. Also of a program that is
// started anew, which begins without it. Failure is logged.
void keep_memory_private();

// What is put into the memory of a memfd, piece by piece, and then sealed: bytes that another
// process is to have, and that leave no copy on the way.
class Parcel final {
  public:
    Parcel();
    void put(std::string_view bytes);
    void put_number(std::uint64_t number);
    // The descriptor, close-on-exec, or why there is none.
    Result<UniqueFd, Errno> close();

  private:
    UniqueFd fd_;
    Errno error_{}; // 0: none so far
};

// The pieces in their order. What was not put there, or not whole, is none from then on.
class OpenedParcel final {
  public:
    // Reads all of it; the descriptor is not needed afterwards.
    explicit OpenedParcel(const UniqueFd& fd);
    std::optional<std::string_view> take(); // as long as this lives
    std::optional<std::uint64_t> take_number();

  private:
    Secret bytes_;
    std::string_view rest_;
};

} // namespace fsrv
