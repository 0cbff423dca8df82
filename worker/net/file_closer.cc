#include "worker/net/file_closer.h"

#include "common/check.h"

#include <memory>
#include <utility>

namespace fsrv::net {

struct FileCloser::Closing final : PoolWaiter {
    Closing(FileCloser& its_owner, std::shared_ptr<const http::OpenFile> its_file)
        : owner(its_owner), file(std::move(its_file)), device(file->charged) {
        work.data = this;
    }
    void on_pool_turn() override { owner.close_in_pool(*this); }

    FileCloser& owner;
    std::shared_ptr<const http::OpenFile> file;
    dev_t device;
    uv_work_t work{};
};

void FileCloser::let_go(http::Body body) {
    std::shared_ptr<const http::OpenFile> file; // a body has one at most
    for (const http::Segment& segment : body.segments) {
        const auto* extent = std::get_if<http::FileExtent>(&segment);
        if (extent && !extent->file->local) file = extent->file;
    }
    body.segments.clear();
    if (!file || file.use_count() > 1) return;
    auto closing = std::make_unique<Closing>(*this, std::move(file));
    ++pending_;
    if (pool_.take(closing->device, *closing)) close_in_pool(*closing);
    static_cast<void>(closing.release()); // its own, until it is done
}

void FileCloser::close_in_pool(Closing& closing) {
    const int error = uv_queue_work(
        &loop_, &closing.work,
        [](uv_work_t* work) { static_cast<Closing*>(work->data)->file.reset(); },
        [](uv_work_t* work, int) {
            const std::unique_ptr<Closing> done(static_cast<Closing*>(work->data));
            --done->owner.pending_;
            done->owner.pool_.give_back(done->device);
        });
    FSRV_CHECK(error == 0, "the pool takes no work");
}

} // namespace fsrv::net
