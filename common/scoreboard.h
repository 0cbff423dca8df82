// Shared memory between the supervisor, its workers and the admin process. Two kinds of it:
//
//   ScoreSlot   one per living process, written by it alone. The supervisor believes none of it
//               beyond "it moved" and text that it escapes when it prints it. It outlives a crash.
//   the head    the supervisor's: what processes there are, and the counters of those that ended.
//               It only writes there.
//
// Counters never go down: when a process has ended, retire() moves its counters to the head in the
// same breath as its slot becomes free, and read() sees both or neither (a sequence number).
#pragma once

#include "common/limits.h"
#include "common/metrics.h"
#include "common/result.h"
#include "common/unique_fd.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace fsrv {

using SharedWord = std::atomic<std::uint64_t>;
static_assert(SharedWord::is_always_lock_free, "a lock would not be shared");

// Text in shared words, so that a reader in another process never meets a data race; it may meet a
// mixture of two texts. The first NUL ends it.
template <std::size_t Bytes>
class SharedText final {
  public:
    void set(std::string_view text);
    std::string get() const;

  private:
    std::array<SharedWord, Bytes / 8> words_{};
};
extern template class SharedText<limits::kLastRequestBytes>;
extern template class SharedText<limits::kShownClientBytes>;
extern template class SharedText<limits::kShownTargetBytes>;
extern template class SharedText<limits::kShownCertificateBytes>;

// A download under way, as its worker shows it.
struct ShownTransfer {
    std::uint64_t id = 0;         // unique in its process; 0: none
    std::uint64_t started_ms = 0; // monotonic_ms()
    std::uint64_t sent = 0;       // bytes of the body
    std::uint64_t total = 0;      // 0: nobody knows
    bool paused = false;
    bool throttled = false; // it waits for its share of a rate
    std::string client;     // "192.0.2.1 port 4711", "unix:"
    std::string target;     // as sent; cut, when it fills its room
};

// Its place in shared memory, with a sequence number of its own: what is read is of one download.
class SharedTransfer final {
  public:
    void begin(const ShownTransfer& transfer); // a new one takes the place
    void update(std::uint64_t sent, bool paused, bool throttled);
    void end();
    ShownTransfer get() const; // id 0: none, or it changes just now

  private:
    template <class Change>
    void change(Change&& what);

    SharedWord sequence_{0};
    SharedWord id_{0};
    SharedWord started_ms_{0};
    SharedWord sent_{0};
    SharedWord total_{0};
    SharedWord paused_{0};
    SharedWord throttled_{0};
    SharedText<limits::kShownClientBytes> client_;
    SharedText<limits::kShownTargetBytes> target_;
};

inline constexpr std::size_t kSharedPage = 4096;

struct alignas(kSharedPage) ScoreSlot : MetricWords {
    SharedWord tick_ms{0}; // monotonic_ms() of the process's last heartbeat
    SharedWord lag_ms{0};  // the latest that its loop came to its timer, of late
    std::array<SharedTransfer, limits::kShownTransfers> transfers;

    // The last request line, for the death notice: a hint.
    void set_last_request(std::string_view text) { last_request_.set(text); }
    std::string last_request() const { return last_request_.get(); }

  private:
    SharedText<limits::kLastRequestBytes> last_request_;
};

// Where a process, or a worker slot without one, is in its life.
#define FSRV_PROCESS_STATES(X)                                                                     \
    X(waiting)  /* no process yet, or one that died: one is due */                                 \
    X(starting) /* not accepting yet */                                                            \
    X(ready)                                                                                       \
    X(silent)   /* ready, without a heartbeat of late */                                           \
    X(ending)   /* closed its channel, or being killed */                                          \
    X(draining) /* accepts no more, finishes its downloads */                                      \
    X(failed)   /* no process, and none will be tried */                                           \
    X(gone)     /* no process, and none is wanted */
enum class ProcessState : std::uint8_t {
#define FSRV_STATE(id) id,
    FSRV_PROCESS_STATES(FSRV_STATE)
#undef FSRV_STATE
};
inline constexpr unsigned kProcessStates = 0
#define FSRV_STATE(id) +1
    FSRV_PROCESS_STATES(FSRV_STATE)
#undef FSRV_STATE
    ;
std::string_view name_of(ProcessState state);

inline constexpr unsigned kNoScore = ~0U;

struct ProcessRow {
    ProcessState state{};
    bool admin = false;        // else a worker
    unsigned slot = 0;         // of a worker
    unsigned score = kNoScore; // index of its ScoreSlot; none: no process
    std::uint64_t generation = 0;
    pid_t pid = 0;
    std::uint64_t spawned_ms = 0; // monotonic_ms()
    friend bool operator==(const ProcessRow&, const ProcessRow&) = default;
};

struct ServerRow {
    pid_t pid = 0;                // the supervisor's
    std::uint64_t started_s = 0;  // wall clock
    std::uint64_t started_ms = 0; // monotonic_ms()
    std::uint64_t generation = 0; // of the configuration, from 1 on
    std::uint64_t workers = 0;    // wanted
    bool draining = false;        // the server stops
    friend bool operator==(const ServerRow&, const ServerRow&) = default;
};

struct CertificateRow {
    std::string name;           // of its file, as given; cut, when it fills its room
    std::int64_t not_after = 0; // seconds since the epoch
    friend bool operator==(const CertificateRow&, const CertificateRow&) = default;
};

// What read() saw, all at one moment as far as processes come and go.
struct ScoreReading {
    struct Process {
        ProcessRow row;
        MetricTotals figures; // since it was started
        std::uint64_t tick_ms = 0;
        std::uint64_t lag_ms = 0;
        std::vector<ShownTransfer> transfers;
    };
    ServerRow server;
    std::vector<Process> processes;
    std::vector<CertificateRow> certificates; // that TLS is spoken with; the first few
    MetricTotals totals; // of all processes there have ever been; gauges of the living
};

// A mapping of that memory, to look at.
class ScoreView {
  public:
    // Of Scoreboard::fd(), in whatever process. Refused, with the reason for a person: memory that
    // another build has laid out, or that could be taken away while it is read.
    static Result<ScoreView, std::string> open(const UniqueFd& memory);
    ~ScoreView();
    ScoreView(ScoreView&& other) noexcept;
    ScoreView& operator=(ScoreView&& other) noexcept;

    // Nothing when the supervisor stands still in the middle of a change.
    std::optional<ScoreReading> read() const;

  protected:
    struct Head;
    struct SharedRow;

    static std::uint64_t layout(); // changes with what reader and writer must agree about
    explicit ScoreView(unsigned max_workers);
    void map(int fd, int protection, int flags); // fatal() when the system has no memory
    bool try_read(ScoreReading& reading) const;

    unsigned size_; // slots
    unsigned max_rows_;
    std::size_t rows_at_;
    std::size_t slots_at_;
    std::size_t bytes_;
    Head* head_ = nullptr;
    SharedRow* rows_ = nullptr;
    ScoreSlot* slots_ = nullptr;
};

// Lives as long as this object, a child's inherited mapping, or a view.
class Scoreboard final : public ScoreView {
  public:
    // For at most so many workers at a time, and processes that drain besides.
    explicit Scoreboard(unsigned max_workers); // fatal() when the system has no memory
    Scoreboard(Scoreboard&&) = delete;
    Scoreboard& operator=(Scoreboard&&) = delete;

    unsigned size() const { return size_; }
    ScoreSlot& slot(unsigned i) { return slots_[i]; }
    const ScoreSlot& slot(unsigned i) const { return slots_[i]; }

    // --- the supervisor's
    std::optional<unsigned> take(); // a free slot, cleared; none: too many processes are draining
    unsigned free() const;          // how many more there are
    void retire(unsigned i);        // its process has ended: its counters stay, the slot is free
    // Counts what only the supervisor knows.
    template <MetricLabel Label>
    void count(Metric metric, Label label) {
        retired_.count(metric, label);
        publish_retired();
    }
    void publish(const ServerRow& server, std::span<const ProcessRow> processes);
    void publish(std::span<const CertificateRow> certificates);
    // From this generation on other rules say who may have what.
    void announce_rules(std::uint64_t generation);
    // A stop is near: from now on /-/health of every process says so.
    void announce_stop();
    // For ScoreView::open() of others, who cannot write to it, nor make it smaller. -1: the kernel
    // is too old for that (Linux 5.1), and nobody gets any.
    int fd() const { return memory_.get(); }

    // --- a child's
    // From now on this process can write to its own slot alone, and lets nobody else have any.
    // There is no way back, unless the kernel is older than that (Linux 5.1).
    void keep_only(unsigned own);
    // What announce_rules() said last. Lives as long as the mapping, as does the next.
    const SharedWord& rules_since() const;
    const SharedWord& stop_announced() const; // 0 or 1

  private:
    class Change; // while it lives, readers wait

    void publish_retired();
    bool make_read_only(std::size_t from, std::size_t to); // bytes

    UniqueFd memory_;
    // What the head shows of it; the supervisor believes nothing that lies there.
    std::uint64_t sequence_ = 0;
    MetricWords retired_;
    std::vector<bool> taken_;
};

} // namespace fsrv
