#include "worker/content/archive_parts.h"

#include "common/limits.h"
#include "worker/content/archive_tar.h"
#include "worker/content/archive_zip.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace fsrv::content {

// What is had at a time: memory, and a file behind it.
struct ArchiveParts::Block {
    std::uint64_t at;  // the next byte that is wanted
    std::uint64_t end; // of what is wanted
    std::string bytes;
    std::uint64_t skip = 0; // of the bytes, before what was wanted first
    Scratch scratch;
    std::optional<http::FileExtent> file;

    bool wants_more() const {
        return at < end && !file && bytes.size() < skip + limits::kArchiveBlockBytes;
    }
    bool is_empty() const { return bytes.size() <= skip && !file; }
    // Before something is appended that begins there: what comes before `at` is not wanted.
    void begin_at(std::uint64_t place) {
        if (bytes.empty()) skip = at - place;
    }
};

template <typename HeadSize, typename Padding>
void ArchiveParts::lay_out(const HeadSize& head_size, const Padding& padding) {
    places_.reserve(list().count());
    std::string name;
    for (std::size_t i = 0; i < list().count(); ++i) {
        const Entry& entry = list().entry(i);
        places_.push_back(ends_at_);
        ends_at_ += head_size(list().member(entry, name)) + entry.size + padding(entry.size);
    }
}

std::size_t ArchiveParts::member_at(std::uint64_t offset) const {
    const auto behind = std::upper_bound(places_.begin(), places_.end(), offset);
    return static_cast<std::size_t>(behind - places_.begin()) - 1;
}

std::uint64_t ArchiveParts::charged(std::uint64_t offset) const {
    return list().device(list().entry(member_at(offset)));
}

http::Parts::Had ArchiveParts::open(std::uint64_t offset, std::uint64_t length, bool in_memory,
                                    std::vector<http::Segment>& to) const {
    Block block{.at = offset, .end = offset + length};
    block.bytes.reserve(2 * limits::kArchiveBlockBytes);
    Had had = Had::some;
    for (std::size_t i = member_at(offset);
         had == Had::some && block.wants_more() && block.at < ends_at_; ++i)
        had = append_member(i, in_memory, block);
    if (had == Had::some && block.wants_more()) {
        std::uint64_t skip = 0;
        const bool is_first = block.bytes.empty();
        had = append_end(block.at - ends_at_, in_memory, block.bytes, skip);
        if (is_first) block.skip = skip;
    }
    if (block.is_empty()) return had;
    const std::uint64_t memory = std::min(block.bytes.size() - block.skip, length);
    if (memory > 0) {
        block.bytes.shrink_to_fit();
        to.emplace_back(http::MemoryExtent{
            .bytes =
                http::shared_bytes(std::make_shared<const std::string>(std::move(block.bytes))),
            .offset = block.skip,
            .length = memory});
    }
    if (block.file) to.emplace_back(*std::move(block.file));
    return Had::some;
}

// From block.at on, which is within the member.
http::Parts::Had ArchiveParts::append_member(std::size_t member, bool in_memory,
                                             Block& block) const {
    const Entry& entry = list().entry(member);
    const std::uint64_t next = member + 1 < places_.size() ? places_[member + 1] : ends_at_;
    const std::uint64_t padded = padding(entry.size);
    const std::uint64_t padding_at = next - padded;
    const std::uint64_t data_at = padding_at - entry.size;
    if (block.at < data_at) {
        block.begin_at(places_[member]);
        const std::size_t before = block.bytes.size();
        const Had had = append_head(member, in_memory, block.bytes, block.scratch);
        if (had != Had::some) {
            block.bytes.resize(before);
            return had;
        }
        block.at = data_at;
        if (!block.wants_more()) return Had::some;
    }
    if (block.at < padding_at && entry.size > limits::kCheapToCopy &&
        entry.kind != Entry::Kind::note) {
        std::shared_ptr<const http::OpenFile> file;
        const Had had = files_.open(entry, in_memory, file);
        if (had != Had::some) return had;
        block.file = {.file = std::move(file),
                      .offset = block.at - data_at,
                      .length = std::min(padding_at, block.end) - block.at};
        return Had::some;
    }
    if (block.at < padding_at) {
        block.begin_at(data_at);
        if (block.scratch.member == member) {
            block.bytes.append(block.scratch.bytes);
        } else if (const Had had = files_.read(entry, in_memory, block.bytes); had != Had::some) {
            return had;
        }
        block.at = padding_at;
    }
    if (block.at < next) {
        block.begin_at(padding_at);
        block.bytes.append(padded, '\0');
        block.at = next;
    }
    return Had::some;
}

namespace {

class TarParts final : public ArchiveParts {
  public:
    explicit TarParts(ArchiveFiles files) : ArchiveParts(std::move(files)) {
        lay_out(tar_head_size, tar_padding);
    }

  private:
    Had append_head(std::size_t member, bool, std::string& to, Scratch&) const override {
        std::string name;
        append_tar_head(to, list().member(list().entry(member), name));
        return Had::some;
    }
    std::uint64_t padding(std::uint64_t size) const override { return tar_padding(size); }
    std::uint64_t end_size() const override { return kTarEnd; }
    Had append_end(std::uint64_t at, bool, std::string& to, std::uint64_t& skip) const override {
        skip = at;
        to.append(kTarEnd, '\0');
        return Had::some;
    }
};

class ZipParts final : public ArchiveParts {
  public:
    explicit ZipParts(ArchiveFiles files) : ArchiveParts(std::move(files)) {
        lay_out(zip_head_size, [](std::uint64_t) { return std::uint64_t{0}; });
        directory_ = {.entries = list().count(), .place = ends_at(), .size = 0};
        std::string name;
        for (std::size_t i = 0; i < list().count(); ++i)
            directory_.size += zip_entry_size(list().member(list().entry(i), name), place_of(i));
        crcs_.resize(list().count());
        for (std::size_t i = 0; i < list().count(); ++i)
            is_known_.push_back(list().entry(i).size == 0);
    }

    // In the directory: of the first file that has to be read.
    std::uint64_t charged(std::uint64_t offset) const override {
        if (offset < ends_at()) return ArchiveParts::charged(offset);
        const std::lock_guard lock(mutex_);
        const auto unknown = std::find(is_known_.begin(), is_known_.end(), false);
        const bool is_all = unknown == is_known_.end();
        const auto member = is_all ? 0 : static_cast<std::size_t>(unknown - is_known_.begin());
        return list().device(list().entry(member));
    }

  private:
    struct Budget {
        std::uint64_t bytes = limits::kCrcBytesInARow;
        unsigned files = limits::kCrcFilesInARow;
    };
    struct InDirectory { // an entry
        std::size_t member = 0;
        std::uint64_t place = 0;
    };
    struct Progress {
        std::uint64_t offset = 0;
        std::uint32_t crc = 0;
    };

    Had append_head(std::size_t member, bool in_memory, std::string& to,
                    Scratch& scratch) const override {
        Budget budget;
        std::uint32_t crc = 0;
        const Had had = find_crc(member, in_memory, budget, scratch, crc);
        if (had != Had::some) return had;
        std::string name;
        append_zip_head(to, list().member(list().entry(member), name), crc);
        return Had::some;
    }
    std::uint64_t padding(std::uint64_t) const override { return 0; }
    std::uint64_t end_size() const override { return directory_.size + zip_end_size(directory_); }

    Had append_end(std::uint64_t at, bool in_memory, std::string& to,
                   std::uint64_t& skip) const override {
        auto [first, place] = entry_before(at);
        std::string name;
        Budget budget;
        const std::size_t before = to.size();
        for (std::size_t i = first; i < list().count(); ++i) {
            const ArchiveMember member = list().member(list().entry(i), name);
            const std::uint64_t size = zip_entry_size(member, place_of(i));
            if (place + size <= at) {
                place += size;
                continue;
            }
            if (to.size() == before) skip = at - place;
            if (to.size() - before >= limits::kArchiveBlockBytes) {
                remember({i, place});
                return Had::some;
            }
            Scratch scratch;
            std::uint32_t crc = 0;
            const Had had = find_crc(i, in_memory, budget, scratch, crc);
            if (had != Had::some) return had;
            append_zip_entry(to, member, crc, place_of(i));
            place += size;
        }
        if (to.size() == before) skip = at - place;
        append_zip_end(to, directory_);
        return Had::some;
    }

    Had find_crc(std::size_t member, bool in_memory, Budget& budget, Scratch& scratch,
                 std::uint32_t& crc) const {
        const Entry& entry = list().entry(member);
        if (is_known(member, crc)) return Had::some;
        const bool is_small = entry.size <= limits::kCheapToCopy || entry.kind == Entry::Kind::note;
        const FileVersion version{.device = list().device(entry),
                                  .inode = entry.inode,
                                  .size = entry.size,
                                  .mtime = entry.mtime(),
                                  .ctime = entry.ctime()};
        if (entry.kind != Entry::Kind::note) {
            if (const auto kept = files().crcs().find(version)) {
                crc = *kept;
                learn(member, crc);
                return Had::some;
            }
        }
        if (in_memory && !is_small) return Had::needs_thread;
        if (budget.files == 0) return Had::none_yet;
        --budget.files;
        const Had had = is_small ? compute_small(member, in_memory, scratch, crc)
                                 : compute(member, budget, crc);
        if (had != Had::some) return had;
        learn(member, crc);
        if (entry.kind != Entry::Kind::note && entry.mtime().seconds + 2 < wall_now().seconds)
            files().crcs().keep(version, crc);
        return Had::some;
    }

    Had compute_small(std::size_t member, bool in_memory, Scratch& scratch,
                      std::uint32_t& crc) const {
        scratch = {};
        const Had had = files().read(list().entry(member), in_memory, scratch.bytes);
        if (had != Had::some) return had;
        scratch.member = member;
        crc = crc32(0, scratch.bytes);
        return Had::some;
    }

    // Goes on where it was when its time was over.
    Had compute(std::size_t member, Budget& budget, std::uint32_t& crc) const {
        const Entry& entry = list().entry(member);
        std::shared_ptr<const http::OpenFile> file;
        if (const Had had = files().open(entry, false, file); had != Had::some) return had;
        Progress progress = progress_of(member);
        std::string buffer(limits::kChunkBytes, 0);
        while (progress.offset < entry.size) {
            const auto bytes = static_cast<std::size_t>(std::min<std::uint64_t>(
                {buffer.size(), entry.size - progress.offset, budget.bytes}));
            if (bytes == 0) {
                save(member, progress);
                return Had::none_yet;
            }
            const Had had =
                ArchiveFiles::read_part(*file, progress.offset, bytes, false, buffer.data());
            if (had != Had::some) return had;
            progress.crc = crc32(progress.crc, std::string_view(buffer).substr(0, bytes));
            progress.offset += bytes;
            budget.bytes -= bytes;
        }
        crc = progress.crc;
        return Had::some;
    }

    // The directory is read from its beginning to its end, mostly.
    InDirectory entry_before(std::uint64_t at) const {
        const std::lock_guard lock(mutex_);
        return last_.place <= at ? last_ : InDirectory{};
    }
    void remember(const InDirectory& entry) const {
        const std::lock_guard lock(mutex_);
        last_ = entry;
    }
    bool is_known(std::size_t member, std::uint32_t& crc) const {
        const std::lock_guard lock(mutex_);
        if (is_known_[member]) crc = crcs_[member];
        return is_known_[member];
    }
    void learn(std::size_t member, std::uint32_t crc) const {
        const std::lock_guard lock(mutex_);
        crcs_[member] = crc;
        is_known_[member] = true;
        progress_.erase(member);
    }
    Progress progress_of(std::size_t member) const {
        const std::lock_guard lock(mutex_);
        const auto known = progress_.find(member);
        return known == progress_.end() ? Progress{} : known->second;
    }
    void save(std::size_t member, const Progress& progress) const {
        const std::lock_guard lock(mutex_);
        Progress& saved = progress_[member];
        if (progress.offset > saved.offset) saved = progress;
    }

    ZipDirectory directory_;
    mutable std::mutex mutex_;
    mutable std::vector<std::uint32_t> crcs_;
    mutable std::vector<bool> is_known_;
    mutable InDirectory last_;
    mutable std::map<std::size_t, Progress> progress_; // of what takes several turns
};

} // namespace

std::shared_ptr<const http::Parts> tar_of(ArchiveFiles files) {
    return std::make_shared<const TarParts>(std::move(files));
}

std::shared_ptr<const http::Parts> zip_of(ArchiveFiles files) {
    return std::make_shared<const ZipParts>(std::move(files));
}

} // namespace fsrv::content
