#include "worker/content/archive_list.h"

#include "common/escape.h"
#include "common/limits.h"
#include "worker/content/folder_reader.h"
#include "worker/content/listing.h"
#include "worker/content/running_hash.h"
#include "worker/content/world_rights.h"
#include "worker/http/conditions.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <utility>

namespace fsrv::content {
namespace {

constexpr std::string_view kNoteHead =
    "Not in this archive, since the server could not read them:\n\n";

bool has_vanished(int error) {
    return error == ENOENT || error == ENOTDIR || error == ELOOP || error == EXDEV;
}

// What everybody may read is not asked for.
bool may_read(int folder, const ShownEntry& entry) {
    constexpr mode_t kAll = S_IRUSR | S_IRGRP | S_IROTH;
    if ((entry.status.st_mode & kAll) == kAll) return true;
    const std::string name(entry.name);
    return ::faccessat(folder, name.c_str(), R_OK, AT_EACCESS) == 0 ||
           (errno != EACCES && errno != EPERM);
}

} // namespace

std::string ArchiveList::path(const Entry& entry) const {
    const std::string_view below = name(entry);
    if (below.empty()) return folder_;
    return folder_.empty() ? std::string(below) : fmt::format("{}/{}", folder_, below);
}

ArchiveMember ArchiveList::member(const Entry& entry, std::string& text) const {
    const bool folder = entry.kind == Entry::Kind::folder;
    const bool note = entry.kind == Entry::Kind::note;
    text = top_;
    const std::string_view below = note ? std::string_view(note_name_) : name(entry);
    if (!below.empty()) text.append("/").append(below);
    if (folder) text += '/';
    return {.name = text,
            .size = entry.size,
            .mtime = entry.mtime(),
            .folder = folder,
            .executable = entry.kind == Entry::Kind::program};
}

class ArchiveWalk final {
  public:
    ArchiveWalk(const Resolver& resolver, const ArchiveAsk& ask, Reach& reach,
                std::shared_ptr<ByteBudget> budget)
        : resolver_(resolver), ask_(ask), reach_(reach), list_(new ArchiveList(std::move(budget))) {
        list_->folder_ = ask.path;
        list_->top_ = ask.top;
    }

    Result<std::shared_ptr<const ArchiveList>, Errno> run() {
        auto folder = resolver_.open(ask_.path, reach_);
        if (!folder) return unexpected(folder.error());
        if (folder->kind != EntryKind::folder) return unexpected(Errno{ENOTDIR});
        if (const int error = add("", folder->status, Kind::folder); error != 0)
            return unexpected(Errno{error});
        if (const int error = walk(0, *std::move(folder)); error != 0)
            return unexpected(Errno{error});
        if (const int error = add_note(); error != 0) return unexpected(Errno{error});
        seal();
        return std::move(list_);
    }

  private:
    using Entry = ArchiveList::Entry;
    using Kind = Entry::Kind;

    struct Sibling {
        std::string_view name;
        struct stat status {};
        Kind kind = Kind::file;
    };
    struct Identity {
        dev_t device;
        ino_t inode;
        friend bool operator==(const Identity&, const Identity&) = default;
    };

    // 0, or why there is no list.
    int walk(std::size_t place, content::Entry folder) {
        if (above_.size() == limits::kMaxArchiveDepth) return E2BIG;
        const std::string path = list_->path(list_->entries_[place]);
        above_.push_back({folder.status.st_dev, folder.status.st_ino});
        list_->newest_ = std::max(list_->newest_, time_of(folder.status));
        NameStore names;
        std::vector<Sibling> siblings;
        if (const int error = read(folder, path, names, siblings); error != 0) {
            above_.pop_back();
            if (place == 0 || !is_of_the_disk(error)) return error;
            leave_out(below(path) + "/");
            put_time_into_tag(place);
            return 0;
        }
        folder.fd.reset();
        FileTime newest = list_->entries_[place].mtime();
        bool empty = true;
        for (const Sibling& sibling : siblings) {
            const std::string name =
                place == 0
                    ? std::string(sibling.name)
                    : fmt::format("{}/{}", list_->name(list_->entries_[place]), sibling.name);
            const std::size_t its = list_->entries_.size();
            if (const int error = add(name, sibling.status, sibling.kind); error != 0) return error;
            if (sibling.kind == Kind::folder)
                if (const int error = enter(its, name); error != 0) return error;
            if (list_->entries_.size() == its) continue; // gone meanwhile, or left out
            const FileTime time = list_->entries_[its].mtime();
            newest = std::exchange(empty, false) ? time : std::max(newest, time);
        }
        list_->entries_[place].mtime_s = newest.seconds;
        list_->entries_[place].mtime_ns = static_cast<std::uint32_t>(newest.nanoseconds);
        if (empty) put_time_into_tag(place);
        above_.pop_back();
        return 0;
    }

    int enter(std::size_t place, const std::string& name) {
        auto folder = resolver_.open(list_->path(list_->entries_[place]), reach_);
        const int error = folder ? 0 : folder.error().code;
        if (error == kOtherDevice) return error;
        const bool is_folder = folder && folder->kind == EntryKind::folder;
        const bool may_enter = is_folder &&
                               !(folder->led_to && has_other_rights(*folder->led_to)) &&
                               (ask_.sight.permissions != Permissions::world ||
                                (folder->status.st_mode & S_IXOTH) != 0);
        if (may_enter && !leads_back(folder->status)) return walk(place, *std::move(folder));
        list_->entries_.pop_back();
        if (may_enter)
            leave_out(name + "/ (a link to a folder above it)");
        else if (is_folder || (error != 0 && !has_vanished(error)))
            leave_out(name + "/");
        return 0;
    }

    bool leads_back(const struct stat& status) const {
        const Identity identity{status.st_dev, status.st_ino};
        return std::find(above_.begin(), above_.end(), identity) != above_.end();
    }

    int read(const content::Entry& folder, const std::string& path, NameStore& names,
             std::vector<Sibling>& siblings) {
        auto reader = FolderReader::open(
            folder.fd.get(), path, resolver_,
            {.hidden = ask_.sight.hidden, .policy = ask_.sight.policy, .led_to = folder.led_to});
        if (!reader) return reader.error().code;
        for (;;) {
            if (ask_.cancelled && ask_.cancelled->load(std::memory_order_relaxed)) return ECANCELED;
            const auto shown = reader->next(reach_);
            if (!shown) return shown.error().code;
            if (!*shown) break;
            const ShownEntry& entry = **shown;
            if (list_->entries_.size() + siblings.size() >= ask_.bounds.entries) return E2BIG;
            const std::string its_path =
                path.empty() ? std::string(entry.name) : fmt::format("{}/{}", path, entry.name);
            int unreadable = entry.known ? why_unreadable(reader->fd(), its_path, entry) : EIO;
            if (has_other_rights(its_path) ||
                (folder.led_to &&
                 has_other_rights(fmt::format("{}/{}", *folder.led_to, entry.name))))
                unreadable = EACCES;
            if (unreadable == kOtherDevice) return unreadable;
            if (unreadable != 0) {
                leave_out(below(its_path));
                continue;
            }
            constexpr mode_t kProgram = S_IXUSR;
            siblings.push_back({.name = names.keep(entry.name),
                                .status = entry.status,
                                .kind = entry.folder                             ? Kind::folder
                                        : (entry.status.st_mode & kProgram) != 0 ? Kind::program
                                                                                 : Kind::file});
        }
        tell_index_alone(path, siblings);
        const auto by_name = [](const Sibling& a, const Sibling& b) { return a.name < b.name; };
        const auto same = [](const Sibling& a, const Sibling& b) { return a.name == b.name; };
        std::sort(siblings.begin(), siblings.end(), by_name);
        // A folder that changes while it is read may tell of a name twice.
        siblings.erase(std::unique(siblings.begin(), siblings.end(), same), siblings.end());
        return 0;
    }

    void tell_index_alone(const std::string& path, std::vector<Sibling>& siblings) const {
        const Policy* const policy = ask_.sight.policy;
        const std::string& index = policy ? policy->rule_of(path).settings.index : ask_.index;
        if (index.empty()) return;
        const auto is_index = [&](const Sibling& sibling) {
            return sibling.name == index && sibling.kind != Kind::folder;
        };
        if (std::any_of(siblings.begin(), siblings.end(), is_index))
            std::erase_if(siblings, [&](const Sibling& sibling) { return !is_index(sibling); });
    }

    // A rule there says that others' rights decide than those by which this is read.
    bool has_other_rights(std::string_view path) const {
        if (!ask_.sight.policy) return false;
        const Permissions wanted = ask_.sight.policy->rule_of(path).settings.permissions;
        return wanted != Permissions::worker && wanted != ask_.sight.permissions;
    }

    // What may lie on another device is opened, as the resolver sees fit. 0: it can be read.
    int why_unreadable(int fd, const std::string& path, const ShownEntry& entry) {
        const bool by_world = ask_.sight.permissions == Permissions::world;
        if (by_world && !world_may_read(entry.status)) return EACCES;
        if (entry.folder && !(by_world && entry.foreign)) return 0; // shows when it is walked
        if (!entry.foreign) return may_read(fd, entry) ? 0 : EACCES;
        const auto opened = resolver_.open(path, reach_);
        int error = opened ? 0 : opened.error().code;
        if (opened && opened->led_to && has_other_rights(*opened->led_to)) error = EACCES;
        if (error == 0 && by_world) {
            const auto allowed =
                check_world_rights(resolver_, opened->led_to.value_or(path), *opened, reach_);
            if (!allowed) error = allowed.error().code;
        }
        return error == EACCES || error == EPERM || error == kOtherDevice ? error : 0;
    }

    int add(std::string_view name, const struct stat& status, Kind kind) {
        // Twice the entry: a vector that grows holds the old one beside the new.
        if (!list_->memory_.grow(2 * (sizeof(Entry) + name.size()))) return ENOMEM;
        kept_bytes_ += sizeof(Entry) + name.size();
        Entry entry{.size = kind == Kind::folder ? 0 : static_cast<std::uint64_t>(status.st_size),
                    .inode = status.st_ino,
                    .mtime_s = status.st_mtim.tv_sec,
                    .ctime_s = status.st_ctim.tv_sec,
                    .mtime_ns = static_cast<std::uint32_t>(status.st_mtim.tv_nsec),
                    .ctime_ns = static_cast<std::uint32_t>(status.st_ctim.tv_nsec),
                    .name_begin = static_cast<std::uint32_t>(list_->names_.size()),
                    .name_length = static_cast<std::uint16_t>(name.size()),
                    .kind = kind};
        if (const int error = find_device(status.st_dev, entry.device); error != 0) return error;
        bytes_ += entry.size;
        if (bytes_ > ask_.bounds.bytes) return EFBIG;
        list_->names_.append(name);
        list_->entries_.push_back(entry);
        tag_.put(name);
        tag_.put({reinterpret_cast<const char*>(&kind), sizeof kind});
        if (kind == Kind::folder) return 0;
        list_->newest_ = std::max(list_->newest_, entry.mtime());
        put_validators(entry);
        return 0;
    }

    int find_device(dev_t device, std::uint8_t& place) {
        std::vector<dev_t>& all = list_->devices_;
        const auto known = std::find(all.begin(), all.end(), device);
        if (known == all.end() && all.size() == UINT8_MAX) return E2BIG;
        place = static_cast<std::uint8_t>(known - all.begin());
        if (known == all.end()) all.push_back(device);
        return 0;
    }

    // An archive's tag is made of those that its files have.
    void put_validators(const Entry& entry) {
        const http::Validators its = http::make_validators({.size = entry.size,
                                                            .mtime = entry.mtime(),
                                                            .ctime = entry.ctime(),
                                                            .inode = entry.inode},
                                                           now_);
        const std::string_view tag = its.etag;
        tag_.put(tag.starts_with("W/") ? tag.substr(2)
                                       : tag); // the same when it is no longer young
        has_tag_ = has_tag_ && !its.etag.empty();
        list_->settled_ = list_->settled_ && its.settled && !its.etag.starts_with("W/");
        version_.put(fmt::format("{}.{}.{}.{}.{}", list_->devices_[entry.device], entry.inode,
                                 entry.size, entry.ctime_s, entry.ctime_ns));
    }

    void put_time_into_tag(std::size_t place) {
        Entry entry = list_->entries_[place];
        put_validators(entry);
    }

    void leave_out(const std::string& name) {
        if (left_out_.size() < limits::kArchiveNoteBytes)
            left_out_.append(printable(fmt::format("{}/{}", list_->top_, name))).append("\n");
        else
            ++not_named_;
    }

    std::string below(const std::string& path) const {
        return list_->folder_.empty() ? path : path.substr(list_->folder_.size() + 1);
    }

    int add_note() {
        if (left_out_.empty()) return 0;
        std::string& note = list_->note_;
        note.append(kNoteHead).append(left_out_);
        if (not_named_ > 0) fmt::format_to(std::back_inserter(note), "and {} more\n", not_named_);
        list_->note_name_ = "NOT-INCLUDED.txt";
        const auto is_taken = [&] {
            return std::any_of(
                list_->entries_.begin(), list_->entries_.end(),
                [&](const Entry& entry) { return list_->name(entry) == list_->note_name_; });
        };
        for (unsigned i = 2; is_taken(); ++i)
            list_->note_name_ = fmt::format("NOT-INCLUDED-{}.txt", i);
        if (!list_->memory_.grow(note.size())) return ENOMEM;
        kept_bytes_ += note.size();
        Entry entry = list_->entries_.front(); // as old as the newest file
        entry.size = note.size();
        entry.kind = Kind::note;
        list_->entries_.push_back(entry);
        tag_.put(list_->note_name_);
        tag_.put(note);
        return 0;
    }

    void seal() {
        list_->names_.shrink_to_fit();
        list_->entries_.shrink_to_fit();
        list_->memory_.shrink_to(kept_bytes_);
        tag_.put(list_->top_);
        version_.put(list_->folder_);
        if (has_tag_) list_->tag_ = tag_.text();
        list_->version_ = list_->tag_ + version_.text();
    }

    static FileTime time_of(const struct stat& status) {
        return {status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
    }
    // Of one folder; else the walk ends.
    static bool is_of_the_disk(int error) {
        return error != ECANCELED && error != E2BIG && error != ENOMEM && error != EFBIG &&
               error != kOtherDevice && error != EMFILE && error != ENFILE;
    }

    const Resolver& resolver_;
    const ArchiveAsk& ask_;
    Reach& reach_;
    std::shared_ptr<ArchiveList> list_;
    const FileTime now_ = wall_now();
    std::vector<Identity> above_; // the folders on the way
    std::uint64_t bytes_ = 0;     // of files
    std::size_t kept_bytes_ = 0;  // of memory
    RunningHash tag_;
    RunningHash version_;
    bool has_tag_ = true;
    std::string left_out_;
    std::uint64_t not_named_ = 0;
};

Result<std::shared_ptr<const ArchiveList>, Errno>
list_archive(const Resolver& resolver, const ArchiveAsk& ask, Reach& reach,
             const std::shared_ptr<ByteBudget>& budget) {
    return ArchiveWalk(resolver, ask, reach, budget).run();
}

} // namespace fsrv::content
