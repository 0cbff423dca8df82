#include "worker/exchange/codings.h"

#include "common/limits.h"
#include "worker/content/coder.h"
#include "worker/content/known_digests.h"
#include "worker/disk/file_read.h"
#include "worker/disk/whole_read.h"
#include "worker/exchange/coding_stream.h"
#include "worker/exchange/packed_stream.h"
#include "worker/http/conditions.h"

#include <algorithm>
#include <utility>

namespace fsrv::exchange {
namespace {

const http::FileExtent* whole_file(const http::Resource& found) {
    if (found.body.segments.size() != 1) return nullptr;
    const auto* extent = std::get_if<http::FileExtent>(&found.body.segments.front());
    return extent && extent->length == extent->file->size ? extent : nullptr;
}

std::shared_ptr<std::string> read_file(const http::OpenFile& file) {
    auto bytes = std::make_shared<std::string>(static_cast<std::size_t>(file.size), 0);
    const std::int64_t got = disk::read_whole(file.fd.get(), bytes->data(), bytes->size(), 0);
    if (got != static_cast<std::int64_t>(bytes->size()) || !disk::is_unchanged(file))
        return nullptr;
    return bytes;
}

// Nothing: no memory. Empty: it does not become shorter, and need not be made to its end.
std::shared_ptr<const std::string> code(const std::string& bytes, http::Coding coding) {
    const auto coder = content::make_coder(coding, content::Effort::once, bytes.size());
    if (!coder) return nullptr;
    const std::size_t most = bytes.size() - bytes.size() / limits::kLeastGain;
    std::string made(most, 0);
    std::span<const char> left(bytes);
    std::size_t size = 0;
    while (size < most) {
        const auto step = coder->step(left, true, std::span(made).subspan(size));
        if (step.failed) return nullptr;
        left = left.subspan(step.taken);
        size += step.made;
        if (!step.is_over) continue;
        made.resize(size);
        made.shrink_to_fit();
        return std::make_shared<const std::string>(std::move(made));
    }
    return std::make_shared<const std::string>();
}

void put(http::Resource& found, http::Coding coding, std::shared_ptr<const std::string> bytes,
         const std::string& repr_digest) {
    const std::uint64_t length = bytes->size();
    http::Body body;
    body.segments.emplace_back(
        http::MemoryExtent{.bytes = http::shared_bytes(std::move(bytes)), .length = length});
    found.coded.push_back({.coding = coding,
                           .body = std::move(body),
                           .validators = http::coded_validators(*found.validators, coding, false),
                           .repr_digest = repr_digest});
}

} // namespace

Codings::Shares::Shares(unsigned threads_at_work)
    : threads(threads_at_work), streams(limits::kMostCodedStreams) {}

Codings::Codings(const Config& config)
    : config_(config), shares_(std::make_shared<Shares>(std::max(config.threads / 2, 1U))) {}

bool Codings::is_codable(const http::Resource& found) {
    const http::FileExtent* const extent = whole_file(found);
    return found.negotiated && found.validators && extent && extent->length >= limits::kLeastCoded;
}

Codings::Given Codings::add(http::Resource& found, http::Coding coding, bool may_take_long) {
    if (coding == http::Coding::identity || !is_codable(found)) return Given::no;
    const http::FileExtent& extent = *whole_file(found);
    if (extent.length > limits::kMostCodedAtOnce) return add_stream(found, extent.file, coding);
    return add_kept(found, *extent.file, coding, may_take_long);
}

bool Codings::take_places() {
    if (!shares_->streams.take()) return false;
    if (shares_->threads.take()) return true;
    shares_->streams.give_back();
    return false;
}

bool Codings::pack(http::Resource& found) {
    if (!take_places()) return false;
    const auto* const parts = std::get_if<http::PartsExtent>(&found.body.segments.front());
    const std::uint64_t charged = parts ? parts->parts->charged(parts->offset) : 0;
    http::Stream stream{
        .producer = std::make_shared<PackedStream>(std::move(found.body), found.packed, shares_),
        .file = {},
        .charged = charged};
    found.body = {};
    found.body.segments.emplace_back(std::move(stream));
    return true;
}

Codings::Given Codings::add_stream(http::Resource& found,
                                   std::shared_ptr<const http::OpenFile> file,
                                   http::Coding coding) {
    if (!take_places()) return Given::no;
    http::Body body;
    body.segments.emplace_back(
        http::Stream{.producer = std::make_shared<CodingStream>(file, coding, shares_),
                     .file = std::move(file)});
    found.coded.push_back({.coding = coding,
                           .body = std::move(body),
                           .validators = http::coded_validators(*found.validators, coding, true)});
    return Given::yes;
}

Codings::Given Codings::add_kept(http::Resource& found, const http::OpenFile& file,
                                 http::Coding coding, bool may_take_long) {
    const Key key = key_of(file, coding);
    const bool may_keep = found.validators->settled && config_.kept_bytes > 0;
    {
        const std::lock_guard lock(mutex_);
        if (const Entry* const entry = may_keep ? find(key) : nullptr) {
            if (entry->state == Entry::State::made)
                put(found, coding, entry->bytes, entry->repr_digest);
            if (entry->state == Entry::State::being_made) return Given::no;
            return entry->state == Entry::State::made ? Given::yes : Given::useless;
        }
        if (!may_take_long) return Given::needs_thread;
        if (!shares_->threads.take()) return Given::no;
        if (may_keep) {
            entries_.push_front({.key = key});
            by_key_[key] = entries_.begin();
        }
    }
    const std::shared_ptr<const std::string> bytes = read_file(file);
    const auto made = bytes ? code(*bytes, coding) : nullptr;
    shares_->threads.give_back();
    // It costs little beside the coding, and nobody has to wait for it later.
    const std::string digest = made && found.validators->settled && found.digests
                                   ? content::repr_digest(crypto::sha256(*made))
                                   : "";
    if (made && may_keep)
        keep(key, made->empty() ? Entry::State::useless : Entry::State::made,
             made->empty() ? nullptr : made, digest);
    else if (may_keep)
        forget(key);
    if (!made) return Given::no; // whoever reads it finds out why
    if (made->empty()) return may_keep ? Given::useless : Given::no;
    put(found, coding, made, digest);
    return Given::yes;
}

Codings::Key Codings::key_of(const http::OpenFile& file, http::Coding coding) {
    return {.device = file.device,
            .inode = file.inode,
            .size = file.size,
            .mtime = file.mtime,
            .ctime = file.ctime,
            .coding = coding};
}

Codings::Entry* Codings::find(const Key& key) {
    const auto known = by_key_.find(key);
    if (known == by_key_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, known->second);
    return &entries_.front();
}

void Codings::keep(const Key& key, Entry::State state, std::shared_ptr<const std::string> bytes,
                   const std::string& repr_digest) {
    const std::lock_guard lock(mutex_);
    Entry* const entry = find(key);
    if (!entry) return;
    entry->state = state;
    entry->bytes = std::move(bytes);
    entry->repr_digest = repr_digest;
    bytes_ += entry->cost();
    while (bytes_ > config_.kept_bytes) {
        const auto last =
            std::find_if(entries_.rbegin(), entries_.rend(), [](const Entry& candidate) {
                return candidate.state != Entry::State::being_made;
            });
        if (last == entries_.rend()) break;
        bytes_ -= last->cost();
        erase(std::next(last).base());
    }
}

void Codings::forget(const Key& key) {
    const std::lock_guard lock(mutex_);
    if (const auto known = by_key_.find(key); known != by_key_.end()) erase(known->second);
}

void Codings::erase(Entries::iterator entry) {
    by_key_.erase(entry->key);
    entries_.erase(entry);
}

std::size_t Codings::Hash::operator()(const Key& key) const {
    constexpr std::uint64_t kSpread = 0x9E3779B97F4A7C15U;
    std::uint64_t sum = key.inode;
    for (const std::uint64_t part : {key.device, static_cast<std::uint64_t>(key.mtime.seconds),
                                     static_cast<std::uint64_t>(key.mtime.nanoseconds),
                                     static_cast<std::uint64_t>(key.coding)})
        sum = (sum ^ part) * kSpread;
    return sum ^ (sum >> 32);
}

std::size_t Codings::kept_bytes() const {
    const std::lock_guard lock(mutex_);
    return bytes_;
}

} // namespace fsrv::exchange
