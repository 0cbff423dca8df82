// Body: what is sent after a head, as a list of segments: bytes in memory, an extent of an open
// file, an extent of parts that are made or opened when their turn comes, or a stream of bytes that
// are made while it is sent. A range is a slice, a multipart answer is a list; a stream cannot be
// sliced, and nobody knows its length. Copyable; extents share the file. Of the copies of a body
// with a stream only one may be played.
#pragma once

#include "common/clock.h"
#include "common/options.h"
#include "common/unique_fd.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace fsrv::http {

// An open regular file, pinned at open: the descriptor and what fstat said of it then. Closed with
// the last Body that has an extent of it, never while a read is under way (the reader holds a
// reference).
struct OpenFile {
    UniqueFd fd;
    std::uint64_t size = 0;
    FileTime mtime;
    // What else tells, on the descriptor, that the file is no longer what its path means: a
    // removal, a replacement and a chmod all move ctime; the first two only if shows_removal.
    FileTime ctime;
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t charged = 0; // the device that its look-up was charged to, and its reads are
    bool local = true; // fstat() and close() ask nobody; of others only the pool may do them
    bool shows_removal = true;                // of a local one
    InPlaceWrites writes = InPlaceWrites::on; // what may become of it: --in-place-writes
    // When some of it was last found not to be cached, on the loop's clock, which alone writes it;
    // 0: never.
    mutable std::uint64_t missed_ms = 0;
    mutable unsigned found_in_a_row = 0; // chunks since, that the pool found cached
};

struct FileExtent {
    std::shared_ptr<const OpenFile> file;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
};

// Memory that several answers may share (a listing is sliced by ranges too).
struct MemoryExtent {
    std::string_view view() const {
        return {bytes.get() + offset, static_cast<std::size_t>(length)};
    }

    std::shared_ptr<const char> bytes; // the first of them; owns whatever they are part of
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    bool lendable = false;   // pages that nobody writes to again, not even when they are free: a
                             // socket may refer to them
    bool of_listing = false; // within the bound of listings that a worker has at a time
};

class Growing;

// Makes bytes, one after the other: each is made once. What it needs for that it may take with the
// first produce(), so that one that is never played costs little.
class Producer {
  public:
    enum class State : std::uint8_t {
        more,
        end,      // there were no more, and all of them are of one version of what they are made of
        none_yet, // there are no more yet; of Growing alone
        changed,  // what they are made of is no longer what it was
        unreadable, // it cannot be read
        broken,     // they cannot be made: no memory
    };
    struct Made {
        std::size_t bytes = 0; // of the room; 0 unless `state` is more or end
        State state = State::more;
    };
    Producer() = default;
    Producer(const Producer&) = delete;
    Producer& operator=(const Producer&) = delete;
    virtual ~Producer() = default;

    // Blocks as long as it takes: never on the loop. By any thread, by one at a time, and not after
    // it said anything but State::more or State::none_yet. With none of its bytes State::more means
    // that it takes longer, and gives way to others or to another device: each call takes less than
    // a second, or its device would be taken for ill.
    virtual Made produce(std::span<char> room) = 0;
    // The device that the next produce() may wait for; none: always that of the stream. Not while
    // one is under way.
    virtual std::optional<std::uint64_t> asks() const { return std::nullopt; }
    // The client takes nothing: what others may need may go until the next produce(). Not while one
    // is under way. Thread: the loop's.
    virtual void rest() {}
    // It, if it may have more later.
    virtual Growing* growing() { return nullptr; }
    // What it counts as among listings.
    virtual std::uint64_t listing_bytes() const { return 0; }
};

// A producer that may have more later: a file that is followed.
class Growing : public Producer {
  public:
    static constexpr std::uint64_t kNoEnd = ~std::uint64_t{0};

    Growing* growing() final { return this; }
    virtual std::uint64_t size() const = 0; // of the file, when it was found
    // Bytes from `first` on, which is not beyond size(), up to `end` at most. Before the first
    // produce().
    virtual void begin_at(std::uint64_t first, std::uint64_t end) = 0;
    // After State::none_yet: whether another produce() is worth its thread. Waits for nobody.
    // Thread: the loop's.
    virtual bool may_have_more(std::uint64_t now_ms) = 0;
    // What there is now is all that will be sent. Also while a produce() is under way. Thread: the
    // loop's.
    virtual void finish() = 0;
};

struct Stream {
    std::shared_ptr<Producer> producer;
    std::shared_ptr<const OpenFile> file; // what it reads, whose device is charged; may be none
    std::uint64_t charged = 0;            // where there is none
};

class Parts;

// Some bytes of a list of parts.
struct PartsExtent {
    std::shared_ptr<const Parts> parts;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
};

using Segment = std::variant<MemoryExtent, FileExtent, PartsExtent, Stream>;

// Parts: a long body that is known by what it is made of: bytes that are made, and files that are
// opened, when their turn comes. So neither memory nor descriptors grow with it. It always has the
// same bytes, or says that it has them no more: a file that is not the one that it was told of, by
// device, inode, size and times, is `changed`. Any thread, several at a time.
class Parts {
  public:
    enum class Had : std::uint8_t {
        some,         // one byte at least
        none_yet,     // it takes longer, and something of it is done: to be asked again
        needs_thread, // it is not in memory
        changed,
        unreadable,
        broken, // no memory
    };
    Parts() = default;
    Parts(const Parts&) = delete;
    Parts& operator=(const Parts&) = delete;
    virtual ~Parts() = default;

    virtual std::uint64_t size() const = 0;
    // The device that is asked for what is at the offset.
    virtual std::uint64_t charged(std::uint64_t offset) const = 0;
    // Appends extents of the bytes from offset on, in order, at most `length`, which is not 0 and
    // within the size: memory, and at most one file. `in_memory`: nobody is asked; else it may
    // block, for a second of a disk's work at most.
    virtual Had open(std::uint64_t offset, std::uint64_t length, bool in_memory,
                     std::vector<Segment>& to) const = 0;
};

// The text's first byte, which keeps all of it.
std::shared_ptr<const char> shared_bytes(std::shared_ptr<const std::string> text);

struct Body {
    std::vector<Segment> segments;

    bool has_known_size() const; // false: there is a stream
    // Of one whose files are opened while it is sent nobody knows how many there are.
    bool may_have_several_files() const;
    // What is known of it: streams count nothing.
    std::uint64_t size() const;
    Growing* growing() const; // what it is of, if it grows; else none
    // Appends bytes [offset, offset+length) of `whole`, which must have them, and no stream.
    void append_slice(const Body& whole, std::uint64_t offset, std::uint64_t length);
    void append_bytes(std::string bytes);

    static Body of(std::string bytes);
    static Body of(std::shared_ptr<const OpenFile> file);
    static Body of(std::shared_ptr<const Parts> parts);
};

// Of a stream, 0.
std::uint64_t length_of(const Segment& segment);

} // namespace fsrv::http
