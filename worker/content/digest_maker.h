// DigestMaker: what a store answers with digests of files: lists for a folder and all below it
// (?digests=sha256), metalinks (?metalink). What they learn is known afterwards, and what is known
// they use. Any thread.
#pragma once

#include "worker/content/archive_maker.h"
#include "worker/content/byte_budget.h"
#include "worker/content/known_digests.h"
#include "worker/http/resource.h"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace fsrv::content {

class DigestMaker final {
  public:
    struct Config {
        InPlaceWrites writes = InPlaceWrites::on;
        std::size_t entries = 0;    // of a folder and below, at most
        std::size_t list_bytes = 0; // of all lists at a time
    };
    explicit DigestMaker(const Config& config);
    DigestMaker(const DigestMaker&) = delete;
    DigestMaker& operator=(const DigestMaker&) = delete;

    const std::shared_ptr<KnownDigests>& known() const { return known_; }

    // The list of a folder, without a body: for HEAD.
    static http::Resource sums_head();
    // `path`: of the folder, below the root. `charged`: the device that its reads are. A stream.
    http::FindResult sums(const std::string& path, const ArchiveMaker::Look& look, Reach& reach,
                          std::uint64_t charged);
    // Of a file, under the address that it was asked for at. A stream, if it is not known.
    http::FindResult metalink(std::shared_ptr<const http::OpenFile> file, std::string name,
                              std::string url);

  private:
    const Config config_;
    std::shared_ptr<KnownDigests> known_;
    std::shared_ptr<ByteBudget> lists_;
    std::shared_ptr<ByteBudget> places_; // of streams
};

} // namespace fsrv::content
