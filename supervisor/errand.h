// A child that opens what may hang: a name on a dead mount holds up whoever asks for it, and the
// supervisor must not be held up. It tells what it is at, sends what it finds, descriptors
// included, and ends; when it is not back in time it is killed and given up.
#pragma once

#include "common/result.h"
#include "common/unique_fd.h"
#include "supervisor/process_ops.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fsrv {

inline constexpr std::uint64_t kErrandMs = 10'000;
inline constexpr std::size_t kStuckErrands = 4; // that even SIGKILL does not end

// What it brings back. `error` is one line; empty: all is well.
struct Luggage {
    std::string error;
    std::vector<std::string> texts;
    std::vector<UniqueFd> fds; // few
};

class Errand final {
  public:
    // For the child to say what it looks at next, as "the access log \"/mnt/x\"".
    using Say = std::function<void(std::string_view place)>;
    // Runs in the child, which has standard descriptors and memory as they were at the fork, and no
    // other descriptor.
    using Body = std::function<Luggage(const Say& say)>;

    // `ops` outlives it.
    static Result<std::unique_ptr<Errand>, std::string> start(ProcessOps& ops, const Body& body);
    // Kills the child that is still on its way.
    ~Errand();
    Errand(const Errand&) = delete;
    Errand& operator=(const Errand&) = delete;

    // None: it is still on its way. Not to be asked again after that.
    std::optional<Luggage> look(std::uint64_t now);

    pid_t pid() const { return pid_; }
    int fd() const { return channel_.get(); } // readable when there is something to look at
    std::uint64_t due() const { return due_; }
    void forget() { channel_.reset(); } // in another child
    void on_reaped() { reaped_ = true; }
    bool reaped() const { return reaped_; }

  private:
    Errand(ProcessOps& ops, pid_t pid, UniqueFd channel)
        : ops_(ops), pid_(pid), channel_(std::move(channel)), due_(ops.now_ms() + kErrandMs) {}
    std::optional<Luggage> failed(std::string why);

    ProcessOps& ops_;
    pid_t pid_;
    UniqueFd channel_;
    std::uint64_t due_;
    bool reaped_ = false;
    std::string place_; // that it is at
    Luggage luggage_;
    bool is_new_text_ = true; // what comes next begins another one
};

// Something that is there already, or that an errand will bring.
template <class T>
class Pending final {
  public:
    using Unpack = std::function<Result<T, std::string>(Luggage luggage)>;

    explicit Pending(Result<T, std::string> result) : result_(std::move(result)) {}
    Pending(Result<std::unique_ptr<Errand>, std::string> errand, Unpack unpack)
        : unpack_(std::move(unpack)) {
        if (errand)
            errand_ = std::move(*errand);
        else
            result_ = unexpected(std::move(errand.error()));
    }

    // Once: what there is, or why there is nothing. None: not yet.
    std::optional<Result<T, std::string>> look(std::uint64_t now) {
        if (!errand_) return std::move(result_);
        auto luggage = errand_->look(now);
        if (!luggage) return std::nullopt;
        if (!luggage->error.empty())
            return Result<T, std::string>(unexpected(std::move(luggage->error)));
        return unpack_(std::move(*luggage));
    }
    Errand* errand() const { return errand_.get(); } // none: it is there

  private:
    std::optional<Result<T, std::string>> result_;
    std::unique_ptr<Errand> errand_;
    Unpack unpack_;
};

} // namespace fsrv
