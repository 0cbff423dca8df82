#include "worker/content/archive_maker.h"

#include "common/limits.h"
#include "worker/content/disposition.h"
#include "worker/content/errno_status.h"
#include "worker/http/conditions.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <utility>

namespace fsrv::content {
namespace {

struct FormFacts {
    std::string_view type;
    http::Coding packed = http::Coding::identity;
};

FormFacts facts_of(http::ArchiveForm form) {
    switch (form) {
    case http::ArchiveForm::zip: return {.type = "application/zip"};
    case http::ArchiveForm::tar_gz:
        return {.type = "application/gzip", .packed = http::Coding::gzip};
    case http::ArchiveForm::tar_zst:
        return {.type = "application/zstd", .packed = http::Coding::zstd};
    default: return {.type = "application/x-tar"};
    }
}

http::Miss archive_miss(Errno error) {
    switch (error.code) {
    case EFBIG:
        return {.status = 403, .what = "this folder has more than an archive may: --archive-limit"};
    case E2BIG:
        return {.status = 403,
                .what = "this folder has too many files, or too deep, for an archive"};
    case ENOMEM: return {.status = 503, .what = "too many archives are being sent"};
    default: return miss_of(error);
    }
}

// The newest date tells no two versions apart: which files there are it does not say.
http::Validators archive_validators(const ArchiveList& list, http::ArchiveForm form, bool strong) {
    http::Validators validators = http::make_validators({.mtime = list.newest()}, wall_now());
    validators.date_is_strong = false;
    validators.settled = list.is_settled();
    validators.etag.clear();
    if (!list.tag().empty()) {
        validators.etag = fmt::format("{}\"{}-{}\"", strong && list.is_settled() ? "" : "W/",
                                      list.tag(), http::name_of(form));
    }
    return validators;
}

} // namespace

ArchiveMaker::ArchiveMaker(const Config& config)
    : config_(config),
      budget_(std::make_shared<ByteBudget>(config.list_bytes)),
      crcs_(std::make_shared<CrcStore>(limits::kKeptCrcs)) {}

http::FindResult ArchiveMaker::make(const std::string& path, http::ArchiveForm form,
                                    const Look& look, Reach& reach) {
    const std::size_t slash = path.rfind('/');
    std::string top = slash == std::string::npos ? path : path.substr(slash + 1);
    if (top.empty()) top = "files";
    const auto list = list_archive(look.resolver,
                                   {.path = path,
                                    .top = top,
                                    .sight = look.sight,
                                    .index = look.index,
                                    .bounds = config_.bounds,
                                    .cancelled = look.cancelled},
                                   reach, budget_);
    if (!list) return unexpected(archive_miss(list.error()));
    const FormFacts facts = facts_of(form);
    const bool strong = facts.packed == http::Coding::identity;
    return http::Resource{
        .body = http::Body::of(parts_of(*list, form == http::ArchiveForm::zip, look)),
        .packed = facts.packed,
        .content_type = std::string(facts.type),
        .validators = archive_validators(**list, form, strong),
        .content_disposition = attachment(fmt::format("{}.{}", top, http::name_of(form))),
    };
}

std::shared_ptr<const http::Parts> ArchiveMaker::parts_of(std::shared_ptr<const ArchiveList> list,
                                                          bool zip, const Look& look) {
    // What may change without its showing is shared with nobody, nor what an account can read.
    const bool shares = list->is_settled() && !list->tag().empty() && !look.sight.account;
    const std::string key = list->version() + (zip ? "z" : "t");
    const std::lock_guard lock(mutex_);
    std::erase_if(shared_, [](const Shared& shared) { return shared.parts.expired(); });
    if (shares)
        for (const Shared& shared : shared_)
            if (shared.key == key)
                if (auto parts = shared.parts.lock()) return parts;
    ArchiveFiles files({.resolver = look.resolver,
                        .writes = config_.writes,
                        .crcs = crcs_,
                        .account = look.sight.account},
                       std::move(list));
    auto parts = zip ? zip_of(std::move(files)) : tar_of(std::move(files));
    if (shares) shared_.push_back({key, parts});
    return parts;
}

} // namespace fsrv::content
