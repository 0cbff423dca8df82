// Pool: threads for what may have to wait for a disk, a mount or another machine. Every device
// (st_dev) has threads of its own, so that one which does not answer takes none from another.
//
// A device that has jobs in threads (but for listings and background, which may take long) and has
// not given one back for `silence_ms` is ill: who waits for it is told (Job::on_ill()), new
// look-ups are refused at once, and one probe at a time asks whether it is well again, as anything
// does that comes back after all. What an answer under way reads waits as long as it takes.
//
// Threads: all members are called by the loop's thread, which is told by wake_fd() that jobs are
// over; Job::run() alone is called by others. Bounds: limits::kMaxPoolThreads beyond those of one
// device; jobs that wait are in memory of whoever submits them.
#pragma once

#include "common/intrusive_list.h"
#include "common/result.h"
#include "common/unique_fd.h"

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <pthread.h>
#include <sys/types.h>
#include <vector>

namespace fsrv::disk {

enum class JobKind : std::uint8_t {
    look_up,    // for an answer that has not begun: refused while the device is ill
    listing,    // a look-up that reads a folder: has a share of the threads: one in four
    background, // what nobody waits for: one at a time, when nothing else of its device waits
    read,       // for an answer under way, and closing of files: waits until the device is well
};

// Work for one thread. In its owner's memory, and not to be touched there from submit() until
// on_done() or on_orphaned(); abandon() ends an owner's interest earlier.
struct Device; // its threads and jobs, under the pool's mutex

class Job {
  public:
    Job() = default;
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;
    // Blocks as long as the device does. In a thread of the pool.
    virtual void run() = 0;
    // It has run. May submit() it again, or another.
    virtual void on_done() = 0;
    // Its device is ill while it waits or runs. It waits on, unless it (and no other) is
    // abandon()ed now.
    virtual void on_ill() = 0;
    // Nobody waits for it, and no thread has it: it may end its own life.
    virtual void on_orphaned() = 0;

    virtual ~Job() = default;

  private:
    friend class Pool;
    friend struct Device;
    enum class State : std::uint8_t { idle, waiting, running, over };

    ListHook<Job> hook_;
    Device* device_ = nullptr;
    std::uint64_t number_ = 0; // of arrival
    State state_ = State::idle;
    JobKind kind_ = JobKind::look_up;
    bool orphan_ = false;      // abandoned; the loop's
    bool written_off_ = false; // stayed away when its device came back: no sign of illness any more
};

enum class Submitted {
    yes,
    ill,  // the device does not answer; see wants_probe()
    full, // too many listings wait, or there is no thread for another device
};

class Pool final {
  public:
    struct Config {
        unsigned threads = 4;              // for each device
        std::uint64_t silence_ms = 10'000; // of a device, then it is ill
        // Told of a device that has become ill or well.
        std::function<void(dev_t device, bool ill)> on_change = {};
    };

    explicit Pool(Config config);
    // No job may be in a thread (is_idle()), for a thread that never comes back cannot be ended.
    ~Pool();
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    // The threads of this device start now and stay; those of others start with their jobs and end
    // when there are none for a while. An error is pthread_create()'s.
    Result<void, Errno> keep_ready(dev_t device);

    Submitted submit(Job& job, dev_t device, JobKind kind);
    // Its owner waits no more. On_orphaned() is called at once, or when a thread gives it back.
    void abandon(Job& job);

    bool is_ill(dev_t device) const;
    // An ill device, and no probe of it is under way that may still be answered.
    bool wants_probe(dev_t device) const;
    // Runs the job, an orphan, although the device is ill. After wants_probe().
    void probe(Job& job, dev_t device);

    // Readable, edge by edge, when jobs are over: then dispatch().
    int wake_fd() const { return wake_.get(); }
    void dispatch();
    // Looks for devices that are silent; several times in silence_ms.
    void tick();

    std::size_t jobs() const; // that wait or run
    std::size_t ill_devices() const;
    bool is_idle() const { return jobs() == 0; }

  private:
    using Jobs = IntrusiveList<Job, &Job::hook_>;

    Device& device(dev_t id);
    const Device* known(dev_t id) const;
    void enqueue(Job& job, Device& device, JobKind kind);
    Result<void, Errno> add_thread(Device& device);
    bool has_work(const Device& device) const;
    Job* take_work(Device& device);
    void serve(Device& device);
    bool is_probe_due(const Device& device, std::uint64_t now_ms) const;
    void let_probe_through(Device& device);
    void recovered(Device& device);
    void reap_threads();

    const Config config_;
    const unsigned listing_share_; // of a device's threads
    UniqueFd wake_;
    mutable std::mutex mutex_;
    std::vector<std::unique_ptr<Device>> devices_; // few
    Jobs over_;
    std::vector<pthread_t> threads_;
    std::vector<pthread_t> ended_; // to be joined
    std::size_t jobs_ = 0;
    std::uint64_t next_number_ = 0;
    bool stopping_ = false;
};

} // namespace fsrv::disk
