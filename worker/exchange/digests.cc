#include "worker/exchange/digests.h"

#include "common/check.h"
#include "common/limits.h"
#include "worker/http/accept_encoding.h"
#include "worker/http/want_digest.h"

#include <algorithm>
#include <utility>

namespace fsrv::exchange {

struct Digests::Work final : disk::Job {
    Work(Digests& its_owner, SharedFile file)
        : owner(its_owner),
          charged(file->charged),
          version(content::version_of(*file)),
          hash(std::move(file)) {}

    void run() override {
        state = hash.go_on(limits::kDigestBytesInARow);
        if (state == content::FileHash::State::done) owner.known_.whole.keep(version, hash.whole());
        if (state != content::FileHash::State::more) hash.let_go(); // here, where it may wait
    }
    void on_done() override {
        if (state == content::FileHash::State::more && !owner.stopped_)
            owner.submit(*this);
        else
            owner.end(*this);
    }
    void on_ill() override {} // it has time
    void on_orphaned() override { owner.end(*this); }

    Digests& owner;
    const dev_t charged;
    const content::FileVersion version;
    content::FileHash hash;
    content::FileHash::State state = content::FileHash::State::more;
};

Digests::~Digests() {
    FSRV_CHECK(jobs_.empty(), "digests end with their last job");
}

bool Digests::is_wanted(const http::Resource& found, const http::Request& request) {
    return request.may_be_conditional && found.digests && found.validators &&
           !found.validators->etag.empty() && http::wants_sha256(request) &&
           (found.coded.empty() || !found.coded_as(http::wanted_coding(request)));
}

SharedFile Digests::whole_file(const http::Resource& found) {
    if (found.body.segments.size() != 1) return nullptr;
    const auto* const extent = std::get_if<http::FileExtent>(&found.body.segments.front());
    return extent && extent->length == extent->file->size ? extent->file : nullptr;
}

SharedFile Digests::add(http::Resource& found, SharedFile file) const {
    if (!file) {
        if (found.body_made && found.body.segments.empty())
            found.repr_digest = content::repr_digest(crypto::sha256(""));
        return nullptr;
    }
    const auto known = known_.whole.find(content::version_of(*file));
    if (!known) return file;
    found.repr_digest = content::repr_digest(*known);
    return nullptr;
}

void Digests::begin(SharedFile file) {
    const content::FileVersion version = content::version_of(*file);
    const bool is_begun = std::any_of(jobs_.begin(), jobs_.end(),
                                      [&](const Work* work) { return work->version == version; });
    if (stopped_ || is_begun || jobs_.size() == limits::kMostDigestJobs ||
        content::settles_in_ns(*file, wall_now()) > 0) {
        closer_.let_go(std::move(file));
        return;
    }
    auto work = std::make_unique<Work>(*this, std::move(file));
    jobs_.push_back(work.get());
    submit(*work.release());
}

void Digests::submit(Work& work) {
    const auto submitted = pool_.submit(work, work.charged, disk::JobKind::background);
    if (submitted != disk::Submitted::yes) end(work);
}

void Digests::end(Work& work) {
    std::erase(jobs_, &work);
    closer_.let_go(work.hash.let_go());
    delete &work;
}

void Digests::stop() {
    stopped_ = true;
    for (Work* const work : std::vector<Work*>(jobs_)) pool_.abandon(*work);
}

} // namespace fsrv::exchange
