#include "worker/exchange/file_cache.h"

#include "common/limits.h"
#include "common/quick_calls.h"
#include "worker/exchange/codings.h"
#include "worker/http/response_head.h"

#include <algorithm>
#include <bit>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace fsrv::exchange {
namespace {

// Kept in memory up to this size. Larger ones are read as they are sent.
constexpr std::size_t kSmallFile = limits::kChunkBytes;
constexpr std::uint64_t kResolveAgainMs = 1'000;
constexpr std::uint64_t kOrderAgainMs = 1'000;
constexpr std::size_t kFewestPlaces = 64;
constexpr std::size_t kCacheLine = 64;

bool same_version(int fd, std::uint64_t size, FileTime mtime, FileTime ctime) {
    struct stat now {};
    return quick_fstat(fd, now) == 0 && static_cast<std::uint64_t>(now.st_size) == size &&
           FileTime{now.st_mtim.tv_sec, now.st_mtim.tv_nsec} == mtime &&
           FileTime{now.st_ctim.tv_sec, now.st_ctim.tv_nsec} == ctime;
}

void append_head(std::string& out, const http::Request& request, const http::Resource& found,
                 bool server_header, const http::PlanConfig& config) {
    http::append_lasting_head(
        out, http::plan_resource(request, http::FindResult(found), config, wall_now()),
        server_header);
    out.append(kDateLine, ' ');
}

void add_field(http::Request& request, std::string_view name, std::string_view value) {
    request.fields[request.field_count++] = {.name = name, .value = value};
}

// At the end of each head.
void write_date_line(std::string& bytes, std::initializer_list<std::string_view> heads,
                     std::string_view line_and_end) {
    for (const std::string_view head : heads) {
        const auto end = static_cast<std::size_t>(head.data() + head.size() - bytes.data());
        line_and_end.copy(bytes.data() + end - kDateLine, kDateLine);
    }
}

std::unique_ptr<CachedCoding> make_cached_coding(const http::CodedRepresentation& coded,
                                                 const http::Resource& found, bool server_header,
                                                 const http::PlanConfig& config) {
    auto made = std::make_unique<CachedCoding>();
    made->coding = coded.coding;
    made->body = coded.body;
    made->content = std::get<http::MemoryExtent>(coded.body.segments.front()).view();
    auto bytes = std::make_shared<std::string>(coded.validators.etag);
    const std::size_t tag_end = bytes->size();
    http::Request request;
    add_field(request, "Accept-Encoding", http::token_of(coded.coding));
    append_head(*bytes, request, found, server_header, config);
    const std::size_t head_end = bytes->size();
    add_field(request, "If-None-Match", coded.validators.etag);
    append_head(*bytes, request, found, server_header, config);
    const std::string_view all = *bytes;
    made->etag = all.substr(0, tag_end);
    made->head = all.substr(tag_end, head_end - tag_end);
    made->head_304 = all.substr(head_end);
    made->bytes = std::move(bytes);
    return made;
}

} // namespace

std::size_t CachedFile::cost() const {
    std::size_t of_codings = 0;
    for (const auto& coding : codings)
        of_codings += sizeof *coding + coding->bytes->capacity() + coding->content.size() + 128;
    return sizeof *this + sizeof(http::OpenFile) + bytes->capacity() + resource.path.capacity() +
           of_codings + (lendable ? disk::PageArena::in_whole_pages(content.size()) : 0) +
           256; // nodes and small strings
}

std::unique_ptr<CachedFile> make_cached_file(std::string_view key, http::Resource& found,
                                             bool server_header, const http::PlanConfig& config,
                                             disk::PageArena& arena, disk::ReadFile read) {
    if (!found.validators || !found.validators->settled || found.validators->etag.empty() ||
        found.body.segments.size() > 1)
        return nullptr;
    const auto* extent = found.body.segments.empty()
                             ? nullptr
                             : std::get_if<http::FileExtent>(&found.body.segments.front());
    if (!extent) return nullptr;              // an empty file: the pool is quick enough
    if (!extent->file->local) return nullptr; // a hit would have to ask for its state
    auto cached = std::make_unique<CachedFile>();
    cached->codable = Codings::is_codable(found);
    cached->file = extent->file;
    cached->fd = cached->file->fd.get();
    cached->size = cached->file->size;
    cached->mtime = cached->file->mtime;
    cached->ctime = cached->file->ctime;
    cached->shows_removal = cached->file->shows_removal;

    auto bytes = std::make_shared<std::string>();
    http::Request request;
    add_field(request, "If-None-Match", found.validators->etag);
    append_head(*bytes, request, found, server_header, config);
    const std::size_t key_begin = bytes->size();
    bytes->append(key);
    const std::size_t head_begin = bytes->size();
    append_head(*bytes, {}, found, server_header, config);
    const std::size_t head_end = bytes->size();
    const auto length = static_cast<std::size_t>(extent->length);
    const bool small = length <= kSmallFile;
    std::shared_ptr<const char> content; // of a small file
    if (small && length > limits::kCheapToCopyWithHead)
        content = arena.copy_of(cached->fd, length, read);
    cached->lendable = content != nullptr;
    if (small && !content) { // to be copied, as what the arena has no room for
        bytes->resize(head_end + length);
        content = std::shared_ptr<const char>(bytes, bytes->data() + head_end);
        if (read(cached->fd, bytes->data() + head_end, length, 0) !=
            static_cast<std::int64_t>(length))
            return nullptr;
    }
    if (small) {
        if (!same_version(cached->fd, cached->size, cached->mtime, cached->ctime)) return nullptr;
        cached->content = {content.get(), length};
        found.body.segments = {http::MemoryExtent{
            .bytes = std::move(content), .length = length, .lendable = cached->lendable}};
    }
    const std::string_view all = *bytes;
    cached->head_304 = all.substr(0, key_begin);
    cached->key = all.substr(key_begin, key.size());
    cached->head = all.substr(head_begin, head_end - head_begin);
    cached->bytes = std::move(bytes);
    cached->resource = found;
    std::erase_if(cached->resource.coded, [](const http::CodedRepresentation& coded) {
        return !coded.body.has_known_size(); // for one client
    });
    for (const http::CodedRepresentation& coded : cached->resource.coded)
        cached->codings.push_back(make_cached_coding(coded, found, server_header, config));
    return cached;
}

void CachedFile::write_date(const Iteration& now) {
    write_date_line(*bytes, {head, head_304}, now.date_line());
    dated = now.date_second();
}

void CachedCoding::write_date(const Iteration& now) {
    write_date_line(*bytes, {head, head_304}, now.date_line());
    dated = now.date_second();
}

CachedCoding* CachedFile::coded_as(http::Coding coding) {
    for (const auto& each : codings)
        if (each->coding == coding) return each.get();
    return nullptr;
}

void CachedFile::take_codings_of(CachedFile& earlier) {
    if (size != earlier.size || mtime != earlier.mtime || ctime != earlier.ctime ||
        file->inode != earlier.file->inode || file->device != earlier.file->device)
        return;
    useless |= earlier.useless;
    for (std::size_t i = 0; i < earlier.codings.size(); ++i) {
        if (coded_as(earlier.codings[i]->coding)) continue;
        codings.push_back(std::move(earlier.codings[i]));
        resource.coded.push_back(std::move(earlier.resource.coded[i]));
    }
    earlier.codings.clear();
    earlier.resource.coded.clear();
}

CachedFile* KeyIndex::find(std::uint64_t hash, std::string_view key) const {
    if (taken_ == 0) return nullptr;
    std::size_t i = home_of(hash);
    for (unsigned steps = 0; places_[i].file && steps < kMostSteps; i = after(i), ++steps)
        if (places_[i].hash == hash && places_[i].file->key == key) return places_[i].file.get();
    return nullptr;
}

void KeyIndex::insert(std::unique_ptr<CachedFile> file) {
    if (2 * (taken_ + 1) > places_.size()) grow();
    const std::uint64_t hash = file->hash;
    put({.hash = hash, .file = std::move(file)});
    ++taken_;
}

void KeyIndex::put(Place place) {
    std::size_t i = home_of(place.hash);
    while (places_[i].file) i = after(i);
    places_[i] = std::move(place);
}

void KeyIndex::grow() {
    std::vector<Place> before(std::max(kFewestPlaces, 2 * places_.size()));
    before.swap(places_);
    for (Place& place : before)
        if (place.file) put(std::move(place));
}

std::unique_ptr<CachedFile> KeyIndex::remove(CachedFile& file) {
    std::size_t i = home_of(file.hash);
    while (places_[i].file.get() != &file) i = after(i);
    std::unique_ptr<CachedFile> removed = std::move(places_[i].file);
    --taken_;
    // Whoever was pushed on by what stood here moves up, so that no search ends at a gap.
    for (std::size_t gap = i, next = after(i); places_[next].file; next = after(next)) {
        const std::size_t mask = places_.size() - 1;
        const std::size_t pushed_by = (next - home_of(places_[next].hash)) & mask;
        if (pushed_by < ((next - gap) & mask)) continue;
        places_[gap] = std::move(places_[next]);
        gap = next;
    }
    return removed;
}

CachedFile* FileCache::find(std::string_view key, std::uint64_t now_ms) {
    missed_hash_ = siphash(secret_, key);
    CachedFile* const file = by_key_.find(missed_hash_, key);
    if (!file) return nullptr;
    // fstat() takes as long as memory does to bring what follows. What is lent is not looked at.
    const char* const head = file->head.data();
    const char* const end = head + file->head.size() + (file->lendable ? 0 : file->content.size());
    for (const char* at = head; at < end; at += kCacheLine) __builtin_prefetch(at);
    if (!fresh(*file, now_ms)) {
        drop(*file);
        return nullptr;
    }
    if (now_ms - file->used_ms >= kOrderAgainMs) {
        file->used_ms = now_ms;
        if (to_be_looked_at_ == file) to_be_looked_at_ = Files::next(*file);
        by_use_.remove(*file);
        by_use_.push_back(*file);
    }
    return file;
}

bool FileCache::worth_keeping() {
    if (!on()) return false;
    if (has_room()) return true;
    if (missed_before_.empty()) missed_before_.resize(std::bit_ceil(2 * bounds_.files));
    const auto part = static_cast<std::uint32_t>(missed_hash_ >> 32);
    std::uint32_t& before = missed_before_[missed_hash_ & (missed_before_.size() - 1)];
    return std::exchange(before, part) == part;
}

bool FileCache::fresh(CachedFile& file, std::uint64_t now_ms) const {
    if (!same_version(file.fd, file.size, file.mtime, file.ctime)) return false;
    if (file.shows_removal && now_ms - file.resolved_ms < kResolveAgainMs) return true;
    if (!store_.surely_still(file.resource.path, *file.file)) return false;
    file.resolved_ms = now_ms;
    return true;
}

void FileCache::insert(std::unique_ptr<CachedFile> file, std::uint64_t now_ms) {
    file->hash = siphash(secret_, file->key);
    if (CachedFile* const old = by_key_.find(file->hash, file->key)) {
        bytes_ -= old->cost();
        file->take_codings_of(*old);
        bytes_ += old->cost();
        drop(*old);
    }
    if (file->cost() > bounds_.bytes) return;
    file->resolved_ms = now_ms;
    file->used_ms = now_ms;
    bytes_ += file->cost();
    ++files_;
    by_use_.push_back(*file);
    by_key_.insert(std::move(file));
    while (files_ > bounds_.files || bytes_ > bounds_.bytes) {
        drop(*by_use_.front());
    }
}

void FileCache::shrink() {
    for (const std::size_t keep = files_ / 2; files_ > keep;) drop(*by_use_.front());
}

void FileCache::tidy(std::uint64_t now_ms) {
    while (by_use_.front() && now_ms - by_use_.front()->used_ms >= kUnusedMs)
        drop(*by_use_.front());
    const std::uint64_t since_ms =
        std::min(now_ms - std::exchange(tidied_ms_, now_ms), kLookAgainMs);
    for (std::size_t left = (files_ * since_ms + kLookAgainMs - 1) / kLookAgainMs; left > 0;
         --left) {
        CachedFile* const file = to_be_looked_at_ ? to_be_looked_at_ : by_use_.front();
        if (!file) return;
        to_be_looked_at_ = Files::next(*file);
        if (!same_version(file->fd, file->size, file->mtime, file->ctime)) drop(*file);
    }
}

void FileCache::drop(CachedFile& file) {
    if (to_be_looked_at_ == &file) to_be_looked_at_ = Files::next(file);
    bytes_ -= file.cost();
    --files_;
    by_use_.remove(file);
    by_key_.remove(file);
}

} // namespace fsrv::exchange
