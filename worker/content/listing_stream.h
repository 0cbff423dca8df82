// ListingStream: all of a folder as lines of JSON, in the folder's own order, made while they are
// sent: a folder of any size in the memory of one line. What comes or goes meanwhile is there or
// not; all else is, once, as readdir() has it.
//
// A name that another device has to be asked about is asked of it: the stream is charged to that
// one for as long (asks()).
#pragma once

#include "common/limits.h"
#include "worker/content/byte_budget.h"
#include "worker/content/folder_reader.h"
#include "worker/content/letter_case.h"
#include "worker/content/policy.h"
#include "worker/content/reach.h"
#include "worker/content/resolver.h"
#include "worker/http/body.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace fsrv::content {

class ListingStream final : public http::Producer, private Glancer {
  public:
    struct Ask {
        int folder_fd = -1;       // O_PATH will do
        std::string path;         // of the folder, for links
        const Resolver& resolver; // outlives the stream
        Sight sight;
        std::string filter;
        Reach reach; // charged to the folder's device
    };
    // `memory`: what it counts as, for its life. Errors: of opening the folder.
    static Result<std::shared_ptr<ListingStream>, Errno> open(const Ask& ask, Reservation memory);

    Made produce(std::span<char> room) override;
    std::optional<std::uint64_t> asks() const override { return reach_.device; }
    std::uint64_t listing_bytes() const override { return limits::kListingStreamBytes; }

  private:
    ListingStream(const Ask& ask, Reservation memory);
    Glance glance(std::string_view name, std::optional<bool> folder) override;
    std::size_t put(std::span<char> room); // of the line
    State read_on();

    const Reservation memory_;
    const std::string path_;
    const std::shared_ptr<const Policy> policy_; // the sight's
    const Account* const account_; // with whose rights names are looked at; null: the worker's
    const Reach home_;
    Reach reach_;
    NameFilter filter_;
    std::optional<FolderReader> reader_;
    std::string line_;
    std::size_t taken_ = 0; // of the line
    unsigned glances_ = 0;
    std::uint64_t until_ms_ = 0; // the time of the thread
    bool rests_ = false;         // it is used up, or another device is to be asked
};

} // namespace fsrv::content
