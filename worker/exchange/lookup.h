// Lookup: finds what a request asks for and plans the answer: resolve, open, fstat, plan. On the
// loop if all of it is in memory (--io auto), else as a job of the pool, which is charged to one
// device after the other until it has been where it must wait (content/reach.h). A file that is to
// be coded whole is coded there, whatever --io says.
//
// Lifetime: in the memory of its home, with the request, and not to be touched there while it is
// under way; cancel() ends the interest in it earlier. Thread: the loop's; run() alone is called by
// others.
#pragma once

#include "common/options.h"
#include "worker/content/mounts.h"
#include "worker/content/store.h"
#include "worker/disk/pool.h"
#include "worker/exchange/admission.h"
#include "worker/exchange/codings.h"
#include "worker/exchange/digests.h"
#include "worker/exchange/file_cache.h"
#include "worker/http/plan.h"
#include "worker/http/request.h"
#include "worker/http/target.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace fsrv::exchange {

inline constexpr std::string_view kDiskIsIll =
    "the disk that this is on does not answer, try again later";

// What all look-ups of a worker share.
struct LookupServices {
    const content::LocalStore& store;
    const content::Mounts& mounts; // which device a path is on; the look-up finds out better
    disk::Pool& pool;
    FileCache& cache;
    const http::PlanConfig& plan_config;
    IoMode io;
    bool server_header;
    Codings* codings = nullptr; // none: --compress off
    Digests* digests = nullptr; // none: none are told
};

// Who has it in memory.
class LookupHome {
  public:
    // After begin() said false: there is a plan.
    virtual void on_planned() = 0;
    // The pool cannot take it, which begin() may say while it is called, or its device does not
    // answer: then it waits on, unless cancelled. `why` is for an answer 503.
    virtual void on_unavailable(std::string_view why) = 0;
    // After cancel(), maybe within: nobody touches it any more.
    virtual void on_orphaned() = 0;

  protected:
    ~LookupHome() = default;
};

class Lookup final : public disk::Job {
  public:
    // `request` is what it plans for, and is complete when begin() is called.
    Lookup(LookupHome& home, const http::Request& request) : home_(home), request_(request) {}

    // True: there is a plan.
    // `admission`: of the request; none: there are no rules. Outlives it. `scheme`: by which it
    // came; constant text.
    bool begin(const LookupServices& services, http::Target target,
               const Admission* admission = nullptr, std::string_view scheme = "http");
    bool is_under_way() const { return under_way_; } // with the pool
    void cancel();                                   // while it is
    void forget();                                   // what it was about; the plan too
    const http::Target& target() const { return target_; }

    std::optional<http::Plan> plan; // whoever takes it resets it
    // What is worth keeping of what was found, if the cache had just not found it; nothing, mostly.
    std::unique_ptr<CachedFile> take_found() { return std::move(found_); }
    // Whose digest the request wants, and nobody knows it; nothing, mostly.
    SharedFile take_undigested() { return std::exchange(undigested_, nullptr); }
    bool listings_full() const { return listings_full_; }  // so the plan is a 503
    std::uint64_t waited_us() const { return waited_us_; } // for threads

  private:
    void run() override;
    void on_done() override;
    void on_ill() override { home_.on_unavailable(kDiskIsIll); }
    void on_orphaned() override;

    bool find_in_memory();
    void find_and_plan();
    void pack(http::FindResult& found) const;
    Codings::Given code(http::FindResult& found, http::Coding coding) const;
    void submit(disk::JobKind kind);
    void probe(dev_t device) const;

    LookupHome& home_;
    const http::Request& request_;
    const LookupServices* services_ = nullptr;
    const Admission* admission_ = nullptr;
    http::Target target_;
    content::Reach reach_;
    std::string_view scheme_ = "http";
    std::unique_ptr<CachedFile> found_;
    SharedFile undigested_;
    std::uint64_t queued_us_ = 0;
    std::uint64_t waited_us_ = 0;
    std::atomic<bool> cancelled_ = false;
    bool under_way_ = false;
    bool to_be_kept_ = false;
    bool may_list_ = false; // it has the share of listings
    bool listings_full_ = false;
};

} // namespace fsrv::exchange
