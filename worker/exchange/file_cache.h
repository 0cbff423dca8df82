// FileCache: files that were asked for, kept open with what was found of them, the heads of their
// plain answers, and the bytes of small ones: the smallest to be copied to the socket, the others
// in pages of their own, while there is room, to be lent to it. A hit opens nothing and asks the
// pool nothing.
//
// Fresh at every hit: fstat of the held descriptor shows any change of content, a removal, a
// replacement and a chmod (size, mtime or ctime moved; ctime moves when a name goes). What it
// cannot show, a folder renamed or a link turned elsewhere, is looked up again once a second,
// without waiting for a disk; at every hit where it does not show removals either (local_fs.def).
// Whatever is in doubt is dropped and found anew. Misses are not kept. Young files
// (limits::kYoungFileNs) are not kept either: their tag is not final, nor those without one; nor
// those that are not on a disk of this machine, or on FAT: fstat might wait, or show nothing.
//
// Bounded in files and in bytes; the least recently used go first, to the second. Thread: the
// loop's.
#pragma once

#include "common/intrusive_list.h"
#include "common/siphash.h"
#include "worker/content/store.h"
#include "worker/disk/page_arena.h"
#include "worker/exchange/iteration.h"
#include "worker/http/plan.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace fsrv::exchange {

// "Date: Wed, 25 Nov 2026 10:00:00 GMT" and the end of the line and of the head.
inline constexpr std::size_t kDateLine = 39;

// What answers out of memory who takes a coded representation.
struct CachedCoding {
    http::Coding coding = http::Coding::gzip;
    std::string_view head; // as CachedFile's
    std::string_view head_304;
    std::string_view content; // not behind the head
    std::string_view etag;
    http::Body body;
    std::int64_t dated = -1;
    std::shared_ptr<std::string> bytes; // the heads and the tag

    void set_date(const Iteration& now) {
        if (now.date_second() != dated) write_date(now);
    }

  private:
    void write_date(const Iteration& now);
};

// What a hit touches comes first and lies close together: of many files, most of its cost is
// memory that no processor cache has.
struct CachedFile {
    std::string_view key;   // http::cache_key()
    std::uint64_t hash = 0; // of it, under the cache's secret
    int fd = -1;            // of `file`
    std::uint64_t size = 0; // its, and times, when it was found
    FileTime mtime;
    FileTime ctime;
    std::uint64_t resolved_ms = 0;
    std::uint64_t used_ms = 0; // when it took its place in the order of use
    std::int64_t dated = -1;   // the second that the heads tell
    std::string_view head;     // of the plain 200, complete once set_date() was called
    std::string_view content;  // the body, when it is in memory: follows the head, or is lendable
    bool lendable = false;     // in pages of its own
    bool shows_removal = true; // `file` does
    bool codable = false;      // Accept-Encoding may make a difference
    std::uint8_t useless = 0;  // codings that do not gain, a bit each

    std::string_view head_304; // of the answer to who has the file
    ListHook<CachedFile> hook;
    // The seldom head, then in the order of use: key, head, content that is not lendable.
    std::shared_ptr<std::string> bytes;
    http::Resource resource; // whole; of a small file the body is in memory
    std::shared_ptr<const http::OpenFile> file;
    std::vector<std::unique_ptr<CachedCoding>> codings; // of resource.coded

    CachedCoding* coded_as(http::Coding coding);
    void set_useless(http::Coding coding) { useless |= bit_of(coding); }
    bool is_useless(http::Coding coding) const { return (useless & bit_of(coding)) != 0; }
    // What was coded of another look at the same version; no effect if it is another.
    void take_codings_of(CachedFile& earlier);
    bool in_memory() const { return content.data() != nullptr; }
    void set_date(const Iteration& now) {
        if (now.date_second() != dated) write_date(now);
    }
    std::size_t cost() const; // bytes of memory, about

  private:
    void write_date(const Iteration& now);
    static std::uint8_t bit_of(http::Coding coding) {
        return static_cast<std::uint8_t>(1U << static_cast<unsigned>(coding));
    }
};

// The cached files by their keys: a table of hashes with open addressing, so that a look-up touches
// the table once and the file it finds.
class KeyIndex final {
  public:
    // Looks at kMostSteps places: more are never taken in a row, but by the worst of luck, and then
    // a file is not found.
    CachedFile* find(std::uint64_t hash, std::string_view key) const;
    void insert(std::unique_ptr<CachedFile> file); // its key is not there yet
    std::unique_ptr<CachedFile> remove(CachedFile& file);

  private:
    static constexpr unsigned kMostSteps = 256;
    struct Place {
        std::uint64_t hash = 0;
        std::unique_ptr<CachedFile> file;
    };
    std::size_t home_of(std::uint64_t hash) const { return hash & (places_.size() - 1); }
    std::size_t after(std::size_t place) const { return (place + 1) & (places_.size() - 1); }
    void put(Place place);
    void grow();

    std::vector<Place> places_; // a power of two, at most half of them taken
    std::size_t taken_ = 0;
};

// What is made of a find() that found a file worth keeping: reads it if it is small, and keeps
// coded representations that are in memory. Nothing for what is no such file, or if it cannot be
// read. Any thread; blocks as `read` does.
std::unique_ptr<CachedFile> make_cached_file(std::string_view key, http::Resource& found,
                                             bool server_header, const http::PlanConfig& config,
                                             disk::PageArena& arena,
                                             disk::ReadFile read = disk::read_whole);

class FileCache final {
  public:
    struct Bounds {
        std::size_t files = 0; // each has a descriptor; 0: the cache is off
        std::size_t bytes = 0;
    };
    // `secret`: of the hashes, since clients choose what is asked for.
    FileCache(const content::LocalStore& store, Bounds bounds, SipSecret secret = {})
        : store_(store), bounds_(bounds), secret_(secret), arena_(kArenas * bounds.bytes) {}
    FileCache(const FileCache&) = delete;
    FileCache& operator=(const FileCache&) = delete;

    bool on() const { return bounds_.files > 0; }
    disk::PageArena& arena() { return arena_; } // for make_cached_file()
    // Fresh, or nothing. Lives until the next call of find(), insert() or shrink().
    CachedFile* find(std::string_view key, std::uint64_t now_ms);
    // Of what find() has just not found: whether it is worth its room. Once that is scarce, only
    // what is asked for again before many others are: else a walk through more files than can be
    // kept, of which none is ever found, would cost more than it could save.
    bool worth_keeping();
    void insert(std::unique_ptr<CachedFile> file, std::uint64_t now_ms);
    void shrink(); // to half: descriptors have run out
    // Lets go of what nobody has asked for in kUnusedMs, and of what is no longer what it was: a
    // file that is removed keeps its room on the disk while it is open, and a mount stays busy.
    // Looks at all files once in kLookAgainMs; to be called several times in it.
    void tidy(std::uint64_t now_ms);
    static constexpr std::uint64_t kUnusedMs = 30'000;
    static constexpr std::uint64_t kLookAgainMs = 3'000;

  private:
    // Room for gaps, and for copies that answers under way still have while the file is kept no
    // more.
    static constexpr std::size_t kArenas = 2; // times the bytes

    using Files = IntrusiveList<CachedFile, &CachedFile::hook>;

    bool has_room() const {
        return files_ < bounds_.files && bytes_ < bounds_.bytes - bounds_.bytes / 16;
    }
    bool fresh(CachedFile& file, std::uint64_t now_ms) const;
    void drop(CachedFile& file);

    const content::LocalStore& store_;
    Bounds bounds_;
    SipSecret secret_;
    disk::PageArena arena_;
    std::size_t bytes_ = 0;
    std::size_t files_ = 0;
    std::uint64_t tidied_ms_ = 0;
    CachedFile* to_be_looked_at_ = nullptr; // next; none: the one used longest ago
    std::uint64_t missed_hash_ = 0;
    std::vector<std::uint32_t> missed_before_; // parts of hashes, each where the rest of it says
    KeyIndex by_key_;
    Files by_use_;
};

} // namespace fsrv::exchange
