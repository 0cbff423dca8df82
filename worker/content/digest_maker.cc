#include "worker/content/digest_maker.h"

#include "common/limits.h"
#include "worker/content/digest_sums.h"
#include "worker/content/disposition.h"
#include "worker/content/errno_status.h"
#include "worker/content/metalink.h"

#include <cerrno>
#include <limits>
#include <utility>

namespace fsrv::content {
namespace {

auto too_many() {
    return unexpected(
        http::Miss{.status = 503, .what = "too many digests are being computed, try again later"});
}

http::Miss sums_miss(Errno error) {
    switch (error.code) {
    case E2BIG:
        return {.status = 403, .what = "this folder has too many files, or too deep, for a list"};
    case ENOMEM: return {.status = 503, .what = "too many lists of digests are being sent"};
    default: return miss_of(error);
    }
}

} // namespace

DigestMaker::DigestMaker(const Config& config)
    : config_(config),
      known_(std::make_shared<KnownDigests>()),
      lists_(std::make_shared<ByteBudget>(config.list_bytes)),
      places_(std::make_shared<ByteBudget>(limits::kMostDigestStreams)) {}

http::Resource DigestMaker::sums_head() {
    return {.body_made = false,
            .content_type = "text/plain; charset=utf-8",
            .content_disposition = "inline; filename=\"SHA256SUMS\""};
}

http::FindResult DigestMaker::sums(const std::string& path, const ArchiveMaker::Look& look,
                                   Reach& reach, std::uint64_t charged) {
    Reservation place(places_);
    if (!place.grow(1)) return too_many();
    auto list = list_archive(
        look.resolver,
        {.path = path,
         .top = ".",
         .sight = look.sight,
         .index = look.index,
         .bounds = {.bytes = std::numeric_limits<std::uint64_t>::max(), .entries = config_.entries},
         .cancelled = look.cancelled},
        reach, lists_);
    if (!list) return unexpected(sums_miss(list.error()));
    ArchiveFiles files({.resolver = look.resolver,
                        .writes = config_.writes,
                        .crcs = nullptr,
                        .account = look.sight.account},
                       *std::move(list));
    http::Resource resource = sums_head();
    resource.body_made = true;
    resource.body.segments.emplace_back(http::Stream{
        .producer = std::make_shared<DigestSums>(std::move(files), path, known_, std::move(place)),
        .file = nullptr,
        .charged = charged});
    return resource;
}

http::FindResult DigestMaker::metalink(std::shared_ptr<const http::OpenFile> file, std::string name,
                                       std::string url) {
    // Under a name of its own, lest it takes the file's where it is saved.
    http::Resource resource{.content_type = "application/metalink4+xml",
                            .content_disposition = attachment(name + ".meta4")};
    MetalinkFacts facts{.name = std::move(name), .url = std::move(url)};
    const auto whole = known_->whole.find(version_of(*file));
    const auto pieces = whole ? known_->pieces.find(version_of(*file)) : std::nullopt;
    if (pieces) {
        resource.body = http::Body::of(metalink_of(*file, facts, *whole, **pieces));
        return resource;
    }
    Reservation place(places_);
    if (!place.grow(1)) return too_many();
    auto producer =
        std::make_shared<MetalinkStream>(file, std::move(facts), known_, std::move(place));
    resource.body.segments.emplace_back(
        http::Stream{.producer = std::move(producer), .file = std::move(file)});
    return resource;
}

} // namespace fsrv::content
