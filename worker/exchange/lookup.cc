#include "worker/exchange/lookup.h"

#include "common/check.h"
#include "common/limits.h"
#include "worker/content/disposition.h"
#include "worker/disk/page_cache.h"
#include "worker/http/accept_encoding.h"

#include <algorithm>
#include <chrono>
#include <fcntl.h>
#include <utility>

namespace fsrv::exchange {
namespace {

std::uint64_t clock_us() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

// The first bytes of a file that are worth a read ahead: of the first extent, if it is large.
const http::FileExtent* first_large_extent(const http::Body& body) {
    for (const http::Segment& segment : body.segments) {
        const auto* extent = std::get_if<http::FileExtent>(&segment);
        if (extent) return extent->length > limits::kChunkBytes ? extent : nullptr;
    }
    return nullptr;
}

disk::Counted count_first(const http::FileExtent& extent) {
    const auto length = std::min<std::uint64_t>(extent.length, limits::kReadaheadBytes);
    return disk::count_cached(extent.file->fd.get(), extent.offset, length);
}

// Asks the kernel to read ahead what this answer starts with, from the pool, while the loop still
// knows nothing of it.
void warm_up(const http::Body& body, std::uint64_t now_ms) {
    const http::FileExtent* const extent = first_large_extent(body);
    if (!extent) return;
    const int fd = extent->file->fd.get();
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    const disk::Counted counted = count_first(*extent);
    if (counted == disk::Counted::all) return;
    ::posix_fadvise(fd, static_cast<off_t>(extent->offset), limits::kReadaheadBytes,
                    POSIX_FADV_WILLNEED);
    if (counted == disk::Counted::not_all) extent->file->missed_ms = now_ms;
}

// What is cached is sent as it is; for the rest the kernel is to read ahead farther.
bool is_warm(const http::Body& body) {
    const http::FileExtent* const extent = first_large_extent(body);
    if (!extent) return true;
    if (count_first(*extent) != disk::Counted::all) return false;
    ::posix_fadvise(extent->file->fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    return true;
}

content::Reach reach_for(const content::Mounts& mounts, const http::Target& target) {
    return {.anywhere = false,
            .device = mounts.device_of(target.path, target.absolute),
            .wanted = 0,
            .passed = {},
            .mounts = mounts.table()};
}

// Nobody waits for what it finds.
struct Probe final : disk::Job {
    Probe(const content::LocalStore& its_store, http::Target its_target, content::Reach its_reach)
        : store(its_store), target(std::move(its_target)), reach(std::move(its_reach)) {}
    void run() override { static_cast<void>(store.find(target, {.may_list = false}, reach)); }
    void on_done() override { delete this; }
    void on_ill() override {}
    void on_orphaned() override { delete this; }

    const content::LocalStore& store;
    http::Target target;
    content::Reach reach;
};

} // namespace

bool Lookup::begin(const LookupServices& services, http::Target target, const Admission* admission,
                   std::string_view scheme) {
    FSRV_CHECK(!under_way_, "a look-up begins when there is none");
    services_ = &services;
    admission_ = admission;
    scheme_ = scheme;
    target_ = std::move(target);
    cancelled_ = false;
    waited_us_ = 0;
    to_be_kept_ = services.cache.worth_keeping() && !(admission && admission->is_special());
    may_list_ = services.io == IoMode::inline_;
    reach_ = {};
    if (services.io == IoMode::inline_) {
        find_and_plan();
        if (plan) return true;
    }
    if (services.io == IoMode::automatic && find_in_memory()) return true;
    reach_ = reach_for(services.mounts, target_);
    submit(disk::JobKind::look_up);
    return false;
}

bool Lookup::find_in_memory() {
    reach_ = {.in_memory = true};
    find_and_plan();
    if (!plan) found_.reset();
    return plan.has_value();
}

// Straight-line code, in a thread of the pool or, of what is in memory, on the loop. No plan: the
// reach says who has to be asked first.
void Lookup::find_and_plan() {
    const LookupServices& s = *services_;
    const content::Ask ask{.accept = request_.field("accept").value_or(""),
                           .head = request_.method == http::Method::head,
                           .codings = http::wanted_codings(request_),
                           .may_list = may_list_,
                           .cancelled = &cancelled_,
                           .scheme = scheme_,
                           .host = request_.host,
                           .policy = admission_};
    http::FindResult found = s.store.find(target_, ask, reach_);
    if (reach_.wants || reach_.wants_listing || reach_.wants_thread) return; // once more, then
    pack(found);
    const http::Coding coding = found && found->negotiated && s.codings
                                    ? http::wanted_coding(request_)
                                    : http::Coding::identity;
    const Codings::Given given = code(found, coding);
    if (given == Codings::Given::needs_thread) return;
    const bool wants_digest = found && s.digests && Digests::is_wanted(*found, request_);
    SharedFile file = wants_digest ? Digests::whole_file(*found) : nullptr; // while it has it
    if (found && to_be_kept_ && found->may_be_kept) {
        found_ = make_cached_file(http::cache_key(target_), *found, s.server_header, s.plan_config,
                                  s.cache.arena(),
                                  reach_.in_memory ? disk::read_in_memory : disk::read_whole);
        if (found_ && given == Codings::Given::useless) found_->set_useless(coding);
    }
    listings_full_ = !found && found.error().listings_full;
    // The link names the file; what is made of it has a name of its own.
    if (found && admission_ && !admission_->attachment().empty() &&
        target_.digests == http::DigestForm::none)
        found->content_disposition = content::attachment(admission_->attachment());
    if (wants_digest) undigested_ = s.digests->add(*found, std::move(file));
    const bool is_found = found.has_value();
    plan = http::plan_resource(request_, std::move(found), s.plan_config, wall_now());
    if (admission_ && (!is_found || plan->status >= 400)) admission_->complete(*plan);
    if (admission_)
        if (auto refused = admission_->plan_beginning(*plan)) plan = std::move(refused);
    if (!reach_.in_memory)
        warm_up(plan->body, queued_us_ / 1'000);
    else if (!is_warm(plan->body))
        plan.reset();
}

// What has no length cannot be sent by HTTP/1.0.
void Lookup::pack(http::FindResult& found) const {
    if (!found) return;
    if (found->packed == http::Coding::identity) {
        if (request_.minor_version == 0 && !found->body.has_known_size())
            found = unexpected(
                http::Miss{.status = 400, .what = "HTTP/1.0 has no answers without a length"});
        return;
    }
    if (request_.minor_version == 0)
        found = unexpected(http::Miss{
            .status = 400, .what = "HTTP/1.0 has no answers without a length: ask for tar or zip"});
    else if (!services_->codings || !services_->codings->pack(*found))
        found = unexpected(http::Miss{.status = 503, .what = "too many archives are being packed"});
}

// Never on the loop what takes long.
Codings::Given Lookup::code(http::FindResult& found, http::Coding coding) const {
    if (coding == http::Coding::identity || cancelled_) return Codings::Given::no;
    return services_->codings->add(*found, coding, under_way_);
}

void Lookup::submit(disk::JobKind kind) {
    const dev_t device = reach_.device;
    under_way_ = true;
    queued_us_ = clock_us();
    switch (services_->pool.submit(*this, device, kind)) {
    case disk::Submitted::yes: return;
    case disk::Submitted::ill:
        under_way_ = false;
        if (services_->pool.wants_probe(device)) probe(device);
        return home_.on_unavailable(kDiskIsIll);
    case disk::Submitted::full:
        under_way_ = false;
        return home_.on_unavailable("too many folders are being listed");
    }
}

// An ill device, by looking up there what was asked for.
void Lookup::probe(dev_t device) const {
    content::Reach reach = reach_for(services_->mounts, target_);
    reach.device = device;
    services_->pool.probe(*new Probe(services_->store, target_, std::move(reach)), device);
}

void Lookup::run() {
    waited_us_ += clock_us() - queued_us_;
    find_and_plan();
}

void Lookup::on_done() {
    under_way_ = false;
    if (reach_.wants) {
        reach_.go_there();
        submit(may_list_ ? disk::JobKind::listing : disk::JobKind::look_up);
    } else if (std::exchange(reach_.wants_listing, false)) {
        may_list_ = true;
        submit(disk::JobKind::listing);
    } else {
        home_.on_planned();
    }
}

void Lookup::cancel() {
    FSRV_CHECK(under_way_, "cancelled is what is under way");
    cancelled_ = true;
    services_->pool.abandon(*this);
}

void Lookup::on_orphaned() {
    under_way_ = false;
    home_.on_orphaned();
}

void Lookup::forget() {
    if (!std::exchange(services_, nullptr)) return; // nothing was begun
    admission_ = nullptr;
    target_ = {};
    plan.reset();
    found_.reset();
    undigested_.reset();
}

} // namespace fsrv::exchange
