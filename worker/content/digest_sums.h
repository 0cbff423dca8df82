// DigestSums: the SHA-256 of the files in a folder and below, as sha256sum writes them and
// `sha256sum -c` takes them, made while they are sent: what is not known yet is computed when its
// turn comes. A file that cannot be read, or is no longer what it was when the list was made, is
// left out, and named in a comment.
#pragma once

#include "worker/content/archive_files.h"
#include "worker/content/byte_budget.h"
#include "worker/content/file_hash.h"
#include "worker/content/known_digests.h"
#include "worker/http/body.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace fsrv::content {

// A line as sha256sum has it: "\" before it where the name has a backslash, a line feed or a
// carriage return, which are escaped then; "./-" for "-", which would mean standard input.
void append_sum(std::string& out, const crypto::Digest& sha256, std::string_view name);

class DigestSums final : public http::Producer {
  public:
    // `place`: among those that are under way. `folder`: the list's path below the root.
    DigestSums(ArchiveFiles files, std::string_view folder, std::shared_ptr<KnownDigests> known,
               Reservation place);

    Made produce(std::span<char> room) override;

  private:
    using Entry = ArchiveList::Entry;
    enum class Step : std::uint8_t { line, later, broken };

    Step next_line(std::uint64_t& budget, unsigned& opened);
    Step hash_on(const Entry& entry, std::uint64_t& budget);
    void leave_out(const Entry& entry, std::string_view why);
    void append_note(std::string_view note);
    void end_member() { ++member_; }
    std::string name_of(const Entry& entry) const;
    FileVersion version_of(const Entry& entry) const;

    ArchiveFiles files_;
    const std::size_t prefix_; // of a path, before its name below the folder
    std::shared_ptr<KnownDigests> known_;
    Reservation place_;
    std::size_t member_ = 0;
    std::optional<FileHash> hash_; // of the member
    std::string text_;             // that is not taken yet, from taken_ on
    std::size_t taken_ = 0;
};

} // namespace fsrv::content
