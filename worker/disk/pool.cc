#include "worker/disk/pool.h"

#include "common/check.h"
#include "common/clock.h"
#include "common/limits.h"

#include <algorithm>
#include <sys/eventfd.h>
#include <sys/resource.h>

namespace fsrv::disk {
namespace {

// A thread of the pool gives way to the loop's: who waits for a disk can wait for a core too, and
// whom the loop answers from memory should wait for neither.
void give_way_to_loop() {
    constexpr int kNicer = 10;
    ::setpriority(PRIO_PROCESS, 0, kNicer);
}

// Of one device, beyond Config::threads: each may hold a probe that never comes back, or a job that
// did not when its device did.
constexpr unsigned kMostLost = 8;
constexpr std::size_t kStackBytes = 1024 * 1024; // jobs nest little, and hold small buffers
constexpr auto kIdleThreadLives = std::chrono::seconds(10);

struct Start { // of a thread
    Pool* pool;
    Device* device;
};

} // namespace

struct Device {
    dev_t id = 0;
    bool stays = false; // keep_ready()
    IntrusiveList<Job, &Job::hook_> waiting;
    IntrusiveList<Job, &Job::hook_> listings;   // that wait
    IntrusiveList<Job, &Job::hook_> background; // likewise
    IntrusiveList<Job, &Job::hook_> running;
    unsigned listings_running = 0;
    unsigned background_running = 0;
    unsigned written_off = 0; // of the running: when their device came back they did not
    unsigned threads = 0;
    unsigned idle = 0;             // of the threads
    std::uint64_t answered_ms = 0; // when it last gave a job back, or was first asked since
    std::uint64_t probed_ms = 0;   // when it was last probed
    unsigned probes = 0;           // that threads may take though it is ill
    bool ill = false;
    std::condition_variable work;

    // Something that should not take long. A listing may, however well its device is.
    bool is_asked() const {
        return running.size() > written_off + listings_running + background_running;
    }
    bool is_unused() const {
        return threads == 0 && waiting.empty() && listings.empty() && background.empty() &&
               running.empty();
    }
    IntrusiveList<Job, &Job::hook_>& of(JobKind kind) {
        switch (kind) {
        case JobKind::listing: return listings;
        case JobKind::background: return background;
        default: return waiting;
        }
    }
    std::size_t wanted_threads() const {
        const bool is_next = !background.empty() && background_running == 0;
        return waiting.size() + listings.size() + (is_next ? 1 : 0);
    }
};

Pool::Pool(Config config)
    : config_(std::move(config)),
      listing_share_(std::max(config_.threads / 4, 1U)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Pool::~Pool() {
    {
        const std::lock_guard lock(mutex_);
        FSRV_CHECK(jobs_ == 0, "a pool ends with its last job");
        stopping_ = true;
        for (const auto& device : devices_) device->work.notify_all();
    }
    for (const pthread_t thread : threads_) ::pthread_join(thread, nullptr);
}

Result<void, Errno> Pool::keep_ready(dev_t id) {
    const std::lock_guard lock(mutex_);
    Device& kept = device(id);
    kept.stays = true;
    while (kept.threads < config_.threads)
        if (const auto added = add_thread(kept); !added) return added;
    return {};
}

// One that nobody uses gives its place to the next: their number stays that of the used.
Device& Pool::device(dev_t id) {
    Device* unused = nullptr;
    for (const auto& known : devices_) {
        if (known->id == id) return *known;
        if (known->is_unused() && !known->stays) unused = known.get();
    }
    if (!unused) unused = devices_.emplace_back(std::make_unique<Device>()).get();
    unused->id = id;
    unused->ill = false;
    unused->probes = 0;
    return *unused;
}

const Device* Pool::known(dev_t id) const {
    for (const auto& device : devices_)
        if (device->id == id) return device.get();
    return nullptr;
}

Result<void, Errno> Pool::add_thread(Device& device) {
    if (threads_.size() >= config_.threads + limits::kMaxPoolThreads)
        return unexpected(Errno{EAGAIN});
    auto* start = new Start{this, &device};
    pthread_t thread{};
    pthread_attr_t small{};
    ::pthread_attr_init(&small);
    ::pthread_attr_setstacksize(&small, kStackBytes);
    const int error = ::pthread_create(
        &thread, &small,
        [](void* argument) -> void* {
            const Start its = *static_cast<Start*>(argument);
            delete static_cast<Start*>(argument);
            give_way_to_loop();
            its.pool->serve(*its.device);
            return nullptr;
        },
        start);
    ::pthread_attr_destroy(&small);
    if (error != 0) {
        delete start;
        return unexpected(Errno{error});
    }
    threads_.push_back(thread);
    ++device.threads;
    return {};
}

Submitted Pool::submit(Job& job, dev_t id, JobKind kind) {
    const std::lock_guard lock(mutex_);
    Device& asked = device(id);
    if (asked.ill && kind != JobKind::read) return Submitted::ill;
    if (kind == JobKind::listing && asked.listings.size() >= limits::kMaxWaitingListings)
        return Submitted::full;
    enqueue(job, asked, kind);
    // Whom a thread could not be had for waits for those there are.
    const bool stranded = asked.threads == 0 && !asked.ill;
    if (!stranded) return Submitted::yes;
    asked.of(kind).remove(job);
    job.state_ = Job::State::idle;
    --jobs_;
    if (kind != JobKind::read) return Submitted::full;
    // Nobody may be told no: it is done by the threads of a device that has some.
    for (const auto& other : devices_) {
        if (other->threads == 0 || other->ill) continue;
        enqueue(job, *other, kind);
        return Submitted::yes;
    }
    FSRV_CHECK(false, "a pool has threads for the root");
    return Submitted::full;
}

void Pool::enqueue(Job& job, Device& device, JobKind kind) {
    FSRV_CHECK(job.state_ == Job::State::idle, "a job is in the pool once");
    job.device_ = &device;
    job.kind_ = kind;
    job.number_ = next_number_++;
    job.state_ = Job::State::waiting;
    job.orphan_ = false;
    job.written_off_ = false;
    device.of(kind).push_back(job);
    ++jobs_;
    if (device.wanted_threads() > device.idle &&
        device.threads < config_.threads + device.written_off && !device.ill) {
        static_cast<void>(add_thread(device)); // else those there are will come to it
    }
    device.work.notify_one();
}

bool Pool::has_work(const Device& device) const {
    if (device.ill) return device.probes > 0 && !device.waiting.empty();
    return !device.waiting.empty() ||
           (!device.listings.empty() && device.listings_running < listing_share_) ||
           (!device.background.empty() && device.background_running == 0);
}

// In order of arrival, listings as far as they may, then what can wait.
Job* Pool::take_work(Device& device) {
    Job* job = device.waiting.front();
    Job* const listing =
        !device.ill && device.listings_running < listing_share_ ? device.listings.front() : nullptr;
    if (listing && (!job || listing->number_ < job->number_)) {
        device.listings.remove(*listing);
        ++device.listings_running;
        job = listing;
    } else if (!job) {
        job = device.background.front();
        device.background.remove(*job);
        ++device.background_running;
    } else {
        device.waiting.remove(*job);
        // Its time to answer begins.
        if (!device.is_asked() && !device.ill) device.answered_ms = monotonic_ms();
    }
    if (device.ill) --device.probes;
    job->state_ = Job::State::running;
    device.running.push_back(*job);
    return job;
}

// A thread's life.
void Pool::serve(Device& device) {
    std::unique_lock lock(mutex_);
    while (true) {
        ++device.idle;
        bool over = false;
        while (!stopping_ && !over && !has_work(device)) {
            if (device.stays)
                device.work.wait(lock);
            else
                over = device.work.wait_for(lock, kIdleThreadLives) == std::cv_status::timeout &&
                       !has_work(device);
        }
        --device.idle;
        if (stopping_ || over) break;
        Job* const job = take_work(device);
        lock.unlock();
        job->run();
        lock.lock();
        device.running.remove(*job);
        if (job->kind_ == JobKind::listing) --device.listings_running;
        if (job->kind_ == JobKind::background) --device.background_running;
        if (job->written_off_) --device.written_off;
        device.answered_ms = monotonic_ms();
        job->state_ = Job::State::over;
        const bool is_first = over_.empty();
        over_.push_back(*job);
        if (is_first) ::eventfd_write(wake_.get(), 1);
        // What waited for this one's share.
        if (!device.listings.empty() || !device.background.empty()) device.work.notify_one();
        // More than the device's own, as others had not come back.
        if (device.threads > config_.threads + device.written_off && !stopping_) break;
    }
    --device.threads;
    if (!stopping_) ended_.push_back(::pthread_self());
}

void Pool::reap_threads() {
    for (const pthread_t ended : ended_) {
        threads_.erase(std::find_if(threads_.begin(), threads_.end(), [&](pthread_t thread) {
            return ::pthread_equal(thread, ended) != 0;
        }));
        ::pthread_join(ended, nullptr);
    }
    ended_.clear();
}

void Pool::abandon(Job& job) {
    std::unique_lock lock(mutex_);
    FSRV_CHECK(job.state_ != Job::State::idle, "abandoned is what was submitted");
    job.orphan_ = true;
    if (job.state_ != Job::State::waiting) return;
    job.device_->of(job.kind_).remove(job);
    job.state_ = Job::State::idle;
    --jobs_;
    lock.unlock();
    job.on_orphaned();
}

bool Pool::is_ill(dev_t id) const {
    const std::lock_guard lock(mutex_);
    const Device* const device = known(id);
    return device && device->ill;
}

bool Pool::wants_probe(dev_t id) const {
    const std::lock_guard lock(mutex_);
    const Device* const device = known(id);
    return device && is_probe_due(*device, monotonic_ms());
}

// The one before may never come back.
bool Pool::is_probe_due(const Device& device, std::uint64_t now_ms) const {
    return device.ill && device.probes == 0 && now_ms - device.probed_ms >= config_.silence_ms &&
           device.running.size() < config_.threads + kMostLost;
}

void Pool::let_probe_through(Device& device) {
    device.probed_ms = monotonic_ms();
    device.probes = 1;
    if (device.idle == 0) static_cast<void>(add_thread(device));
    device.work.notify_one();
}

void Pool::probe(Job& job, dev_t id) {
    const std::lock_guard lock(mutex_);
    Device& asked = device(id);
    enqueue(job, asked, JobKind::look_up);
    job.orphan_ = true;
    // Before those that wait.
    asked.waiting.remove(job);
    asked.waiting.push_front(job);
    let_probe_through(asked);
}

void Pool::recovered(Device& device) {
    device.ill = false;
    device.probes = 0;
    for (Job* job = device.running.front(); job; job = Jobs::next(*job)) {
        const bool counts = job->kind_ != JobKind::listing && job->kind_ != JobKind::background &&
                            !job->written_off_;
        if (!counts || device.written_off >= kMostLost) continue;
        job->written_off_ = true;
        ++device.written_off;
    }
    const std::size_t wanted = device.wanted_threads();
    while (wanted > device.idle && device.threads < config_.threads + device.written_off &&
           add_thread(device)) {
    }
    device.work.notify_all();
}

void Pool::dispatch() {
    std::unique_lock lock(mutex_);
    Jobs over;
    std::swap(over, over_);
    std::vector<dev_t> well;
    for (Job* job = over.front(); job; job = Jobs::next(*job)) {
        if (!job->device_->ill) continue;
        recovered(*job->device_);
        well.push_back(job->device_->id);
    }
    lock.unlock();
    if (config_.on_change)
        for (const dev_t id : well) config_.on_change(id, false);
    while (Job* const job = over.front()) {
        over.remove(*job);
        lock.lock();
        job->state_ = Job::State::idle;
        --jobs_;
        lock.unlock();
        if (job->orphan_)
            job->on_orphaned();
        else
            job->on_done();
    }
}

void Pool::tick() {
    std::vector<dev_t> ill;
    std::vector<Job*> concerned;
    {
        const std::lock_guard lock(mutex_);
        reap_threads();
        const std::uint64_t now_ms = monotonic_ms();
        for (const auto& each : devices_) {
            Device& device = *each;
            if (device.is_asked() && !device.ill &&
                now_ms - device.answered_ms >= config_.silence_ms) {
                device.ill = true;
                device.probed_ms = now_ms; // by those that it holds
                ill.push_back(device.id);
                for (const Jobs* jobs :
                     {&device.waiting, &device.listings, &device.background, &device.running})
                    for (Job* job = jobs->front(); job; job = Jobs::next(*job))
                        if (!job->orphan_) concerned.push_back(job);
            }
            // Who waits on may ask too.
            if (is_probe_due(device, now_ms) && !device.waiting.empty()) let_probe_through(device);
        }
    }
    if (config_.on_change)
        for (const dev_t id : ill) config_.on_change(id, true);
    for (Job* const job : concerned) job->on_ill();
}

std::size_t Pool::jobs() const {
    const std::lock_guard lock(mutex_);
    return jobs_;
}

std::size_t Pool::ill_devices() const {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(std::count_if(devices_.begin(), devices_.end(),
                                                  [](const auto& device) { return device->ill; }));
}

} // namespace fsrv::disk
