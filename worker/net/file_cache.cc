#include "worker/net/file_cache.h"

#include "common/limits.h"
#include "worker/http/response_head.h"
#include "worker/net/sealed_copy.h"

#include <sys/stat.h>
#include <unistd.h>

namespace fsrv::net {
namespace {

// Kept in memory up to this size. Larger ones are read as they are sent.
constexpr std::size_t kSmallFile = limits::kChunkBytes;
constexpr std::uint64_t kResolveAgainMs = 1'000;

bool same(const struct stat& now, const http::OpenFile& then) {
    return static_cast<std::uint64_t>(now.st_size) == then.size &&
           FileTime{now.st_mtim.tv_sec, now.st_mtim.tv_nsec} == then.mtime &&
           FileTime{now.st_ctim.tv_sec, now.st_ctim.tv_nsec} == then.ctime;
}

bool unchanged(const http::OpenFile& file) {
    struct stat now {};
    return ::fstat(file.fd.get(), &now) == 0 && same(now, file);
}

// The whole of a small file, or nothing when it changed meanwhile.
std::shared_ptr<const std::string> read_whole(const http::OpenFile& file) {
    auto bytes = std::make_shared<std::string>(file.size, '\0');
    const ssize_t n = ::pread(file.fd.get(), bytes->data(), bytes->size(), 0);
    if (n != static_cast<ssize_t>(file.size) || !unchanged(file)) return nullptr;
    return bytes;
}

} // namespace

std::size_t CachedFile::cost() const {
    return sizeof *this + sizeof(http::OpenFile) + target.capacity() + resource.path.capacity() +
           lasting_head.capacity() + (in_memory() ? length : 0) + 256; // nodes and small strings
}

std::unique_ptr<CachedFile> make_cached_file(std::string_view target, http::Resource& found,
                                             bool server_header, const http::PlanConfig& config) {
    if (!found.validators || found.validators->etag.starts_with("W/") ||
        found.body.segments.size() > 1)
        return nullptr;
    auto cached = std::make_unique<CachedFile>();
    const auto* extent = found.body.segments.empty()
                             ? nullptr
                             : std::get_if<http::FileExtent>(&found.body.segments.front());
    if (!extent) return nullptr;              // an empty file: the pool is quick enough
    if (!extent->file->local) return nullptr; // a hit would have to ask for its state
    cached->file = extent->file;
    cached->length = extent->length;
    if (extent->length <= kSmallFile) {
        const auto bytes = read_whole(*extent->file);
        if (!bytes) return nullptr;
        if (bytes->size() > limits::kCheapToCopy) cached->copy = make_sealed_copy(*bytes);
        if (cached->copy) {
            found.body = http::Body::of(cached->copy);
        } else {
            found.body.segments = {
                http::MemoryExtent{.bytes = bytes, .offset = 0, .length = bytes->size()}};
            cached->content = *bytes;
        }
    }
    cached->target = target;
    cached->resource = found;
    http::append_lasting_head(
        cached->lasting_head,
        http::plan_resource(http::Request{}, http::FindResult(found), config, wall_now()),
        server_header);
    return cached;
}

const CachedFile* FileCache::find(std::string_view target, std::uint64_t now_ms) {
    const auto found = by_target_.find(target);
    if (found == by_target_.end()) return nullptr;
    CachedFile& file = *found->second;
    if (!fresh(file, now_ms)) {
        drop(file);
        return nullptr;
    }
    by_use_.remove(file);
    by_use_.push_back(file);
    return &file;
}

bool FileCache::fresh(CachedFile& file, std::uint64_t now_ms) const {
    if (!unchanged(*file.file)) return false;
    if (now_ms - file.resolved_ms < kResolveAgainMs) return true;
    if (!store_.surely_still(file.resource.path, *file.file)) return false;
    file.resolved_ms = now_ms;
    return true;
}

void FileCache::insert(std::unique_ptr<CachedFile> file, std::uint64_t now_ms) {
    if (const auto old = by_target_.find(file->target); old != by_target_.end()) drop(*old->second);
    if (file->cost() > bounds_.bytes) return;
    file->resolved_ms = now_ms;
    bytes_ += file->cost();
    descriptors_ += file->descriptors();
    by_use_.push_back(*file);
    const std::string_view key = file->target;
    by_target_.emplace(key, std::move(file));
    while (descriptors_ > bounds_.files || bytes_ > bounds_.bytes) drop(*by_use_.front());
}

void FileCache::shrink() {
    for (const std::size_t keep = descriptors_ / 2; descriptors_ > keep;) drop(*by_use_.front());
}

void FileCache::drop(CachedFile& file) {
    bytes_ -= file.cost();
    descriptors_ -= file.descriptors();
    by_use_.remove(file);
    const auto found = by_target_.find(file.target);
    const std::unique_ptr<CachedFile> last =
        std::move(found->second); // its target is the key: alive until after erase
    by_target_.erase(found);
}

} // namespace fsrv::net
