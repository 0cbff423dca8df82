// ArchiveMaker: archives of folders. Each is made anew for each request, by a walk; while one is
// being sent, whoever asks for the same, of the very same files, shares its list and its CRCs: so
// do the connections of one download. Any thread.
#pragma once

#include "worker/content/archive_list.h"
#include "worker/content/archive_parts.h"
#include "worker/content/folder_reader.h"
#include "worker/http/resource.h"
#include "worker/http/target.h"

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace fsrv::content {

class ArchiveMaker final {
  public:
    struct Config {
        InPlaceWrites writes = InPlaceWrites::on;
        ArchiveBounds bounds;
        std::size_t list_bytes = 0; // of all lists at a time
    };
    explicit ArchiveMaker(const Config& config);
    ArchiveMaker(const ArchiveMaker&) = delete;
    ArchiveMaker& operator=(const ArchiveMaker&) = delete;

    bool makes_any() const { return config_.bounds.bytes > 0; }
    // How a folder is looked at, and for whom.
    struct Look {
        const Resolver& resolver; // outlives what is made
        Sight sight;
        std::string index; // name of the file that is shown for its folder; empty: none
        const std::atomic<bool>* cancelled = nullptr; // true: nobody waits any more
    };
    // `path`: of the folder, below the root. `form` is not none.
    http::FindResult make(const std::string& path, http::ArchiveForm form, const Look& look,
                          Reach& reach);

    std::size_t list_bytes() const { return budget_->used(); }

  private:
    struct Shared {
        std::string key;
        std::weak_ptr<const http::Parts> parts;
    };
    std::shared_ptr<const http::Parts> parts_of(std::shared_ptr<const ArchiveList> list, bool zip,
                                                const Look& look);

    const Config config_;
    std::shared_ptr<ByteBudget> budget_;
    std::shared_ptr<CrcStore> crcs_;
    std::mutex mutex_;
    std::vector<Shared> shared_; // few
};

} // namespace fsrv::content
