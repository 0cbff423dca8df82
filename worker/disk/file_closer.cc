#include "worker/disk/file_closer.h"

#include <utility>

namespace fsrv::disk {

struct FileCloser::Closing final : disk::Job {
    Closing(FileCloser& its_owner, std::shared_ptr<const http::OpenFile> its_file)
        : owner(its_owner), file(std::move(its_file)) {}
    void run() override { file.reset(); }
    void on_done() override {
        --owner.pending_;
        delete this;
    }
    void on_ill() override {} // it has time
    void on_orphaned() override { on_done(); }

    FileCloser& owner;
    std::shared_ptr<const http::OpenFile> file;
};

void FileCloser::let_go(http::Body body) {
    std::shared_ptr<const http::OpenFile> last; // most have one file, in several extents
    for (http::Segment& segment : body.segments) {
        std::shared_ptr<const http::OpenFile> file;
        if (auto* extent = std::get_if<http::FileExtent>(&segment)) file = std::move(extent->file);
        if (auto* stream = std::get_if<http::Stream>(&segment)) {
            stream->producer.reset();
            file = std::move(stream->file);
        }
        if (!file || file == last) continue;
        let_go(std::exchange(last, std::move(file)));
    }
    let_go(std::move(last));
}

void FileCloser::let_go(std::shared_ptr<const http::OpenFile> file) {
    if (!file || file->local || file.use_count() > 1) return;
    const dev_t device = file->charged;
    auto closing = std::make_unique<Closing>(*this, std::move(file));
    ++pending_;
    pool_.submit(*closing.release(), device, disk::JobKind::read); // its own, until it is done
}

} // namespace fsrv::disk
