// An archive as parts of a body: heads are written and files opened when their turn comes, so an
// archive of any size is its list, eight bytes for each member, and what is on its way. Any byte of
// it can be had for itself. Small files are read with the heads around them; each of the others is
// an extent.
//
// A zip's head has the CRC of its file, which is computed before: when its turn comes the file is
// read once for that, and then is cached, mostly, when it is sent. So an answer begins at once, and
// its bytes are the same whatever is known. The cost is a second read of each file; for who asks
// for the end of a zip only (the directory has all CRCs), a read of all that is not known. What was
// computed is kept, in the parts while there is an answer, and in the CrcStore.
#pragma once

#include "worker/content/archive_files.h"
#include "worker/http/body.h"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace fsrv::content {

class ArchiveParts : public http::Parts {
  public:
    explicit ArchiveParts(ArchiveFiles files) : files_(std::move(files)) {}

    std::uint64_t size() const final { return ends_at_ + end_size(); }
    std::uint64_t charged(std::uint64_t offset) const override;
    Had open(std::uint64_t offset, std::uint64_t length, bool in_memory,
             std::vector<http::Segment>& to) const final;

  protected:
    using Entry = ArchiveList::Entry;

    // What was read of a small file before its turn.
    struct Scratch {
        std::size_t member = SIZE_MAX;
        std::string bytes;
    };

    // For the constructors of those below, which know how long a head is.
    template <typename HeadSize, typename Padding>
    void lay_out(const HeadSize& head_size, const Padding& padding);

    const ArchiveList& list() const { return files_.list(); }
    const ArchiveFiles& files() const { return files_; }
    std::uint64_t place_of(std::size_t member) const { return places_[member]; }
    std::uint64_t ends_at() const { return ends_at_; } // the last member does

    virtual Had append_head(std::size_t member, bool in_memory, std::string& to,
                            Scratch& scratch) const = 0;
    virtual std::uint64_t padding(std::uint64_t size) const = 0;
    virtual std::uint64_t end_size() const = 0;
    // The end, from `at` on or before: `skip` bytes of what is appended come before it. A part will
    // do.
    virtual Had append_end(std::uint64_t at, bool in_memory, std::string& to,
                           std::uint64_t& skip) const = 0;

  private:
    struct Block;
    Had append_member(std::size_t member, bool in_memory, Block& block) const;
    std::size_t member_at(std::uint64_t offset) const;

    ArchiveFiles files_;
    std::vector<std::uint64_t> places_; // of the heads
    std::uint64_t ends_at_ = 0;
};

std::shared_ptr<const http::Parts> tar_of(ArchiveFiles files);
std::shared_ptr<const http::Parts> zip_of(ArchiveFiles files);

} // namespace fsrv::content
