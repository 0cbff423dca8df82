// BodyReader: reads a Body from its beginning to its end, a piece at a time, for whoever sends it.
// The only code that reads file bytes for clients (but for those that FileCache keeps), and the
// only code that knows of io modes and of the changed-file guard. Knows nothing of sockets: what
// it hands out is sent by the session, which says what became of it.
//
// Bytes of a file are handed out only after the file was found to be the one that was planned:
// right length read, and size and mtime of the open descriptor unchanged after the read. So an
// answer whose last byte was sent is one version of the file. --in-place-writes says what of that
// has to be looked at (http::OpenFile::writes): off, the size; append, that it did not shrink.
//
// Four ways, chosen per piece:
//   file     a slice to be given to the kernel as it is (sendfile): what the page cache has (--io
//            auto); pages: what is in memory that may be lent
//   window   bytes of a FileWindow, which are copied once: what is cached but must not be lent
//            (--io auto), but for the end of a body
//   copy     read on the loop: that end, and small parts (--io auto); all of it with --io inline,
//            which waits for the disk
//   pool     read in the pool: what the disk must be asked for, and whatever it is of that file for
//            limits::kFillingMs after (--io auto); all of it with --io threads, and of files that
//            are not on a disk of this machine, where even fstat() may have to wait
//
// What is lent shows a change in place for as long as it is queued, here or, over the loopback,
// with the client. So the last Ways::tail bytes of a body are copied: when the last of them is
// taken, all that was lent has been read by the client, and a change before that moment is seen by
// the guard. So it is by the read of the end, which all that was in a window was copied before. Of
// a file that, as --in-place-writes off or append says, is only ever replaced or grows, all is
// lent; and so is memory that nobody writes to (http::MemoryExtent::lendable).
//
// A body of several files has that for each of them: what was lent of a file that has been left is
// looked at once more, when as much was sent behind it (lent_files.h), and all of it before the
// last bytes of the body. Parts are opened when their turn comes: on the loop what is in memory,
// else in the pool. A paused client's are closed, but for a file that has begun.
//
// The bytes of a stream are made in the pool as well, a chunk at a time, each when the one before
// has been taken. They are made once: what the client has not taken is kept while it takes nothing,
// a chunk at most. The end is told only after the producer has told it, which looks after changes
// itself.
//
// A stream may have nothing yet, as a file that is followed (http::Growing): nothing is held then
// but what it needs itself.
//
// One read, opening or production is under way at a time. Thread: the loop's.
#pragma once

#include "common/close_reason.h"
#include "common/limits.h"
#include "common/options.h"
#include "common/scoreboard.h"
#include "worker/disk/chunk_pool.h"
#include "worker/disk/file_closer.h"
#include "worker/disk/file_read.h"
#include "worker/disk/file_window.h"
#include "worker/disk/opening.h"
#include "worker/disk/page_cache.h"
#include "worker/disk/production.h"
#include "worker/exchange/body_cursor.h"
#include "worker/exchange/iteration.h"
#include "worker/exchange/lent_files.h"
#include "worker/http/body.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <sys/uio.h>

namespace fsrv::exchange {

struct BodyServices {
    const Iteration& iteration;
    disk::ChunkPool& chunks;
    disk::PageCache& page_cache;
    disk::Pool& pool;
    disk::FileCloser* closer = nullptr; // none: files close at once
    MetricWords& score;
    IoMode io = IoMode::automatic;
    LentPlaces* lent_places = nullptr; // none: no bound over all bodies
};

// How the way to the client takes bytes that are not in a buffer of ours.
struct Ways {
    bool file = true;   // slices of files, by the kernel alone
    bool pages = true;  // memory that nobody writes to, likewise
    bool window = true; // bytes of a mapped file, which the kernel alone may look at
    // Bytes behind those that were lent, until which these may be unread. 0: what is taken shows no
    // later change.
    std::uint64_t tail = limits::kAssumedQueues;
    // What is read on the loop at a time: what is looked at again here should still be in a cache
    // of the processor.
    std::size_t read_bytes = limits::kChunkBytes;
};

struct Piece {
    enum class Kind : std::uint8_t {
        bytes,  // the first `vectors` of those that next() was given
        window, // one vector, to be sent by a call of the kernel and not touched otherwise
        file,
        pages,
        end,      // there is no more
        wait,     // a read or a production is under way: FileReader::on_chunk_read() follows
        none_yet, // all that a growing file has was taken; next() has more after on_growth()
        failed,   // failure() says why
    };
    Kind kind = Kind::end;
    unsigned vectors = 0;
    int fd = -1; // file
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    std::string_view pages;
    bool more_follows = false;

    // What handing out a byte of it costs in a turn of limits::kTurnBytes.
    unsigned weight() const;
};

class BodyReader final {
  public:
    // `reader` is told when a read that the pool did is over: it must call settle_read() and then,
    // unless it is closing, next().
    BodyReader(const BodyServices& services, disk::FileReader& reader, http::Body body);
    BodyReader(const BodyReader&) = delete;
    BodyReader& operator=(const BodyReader&) = delete;
    ~BodyReader();

    // What comes next, about `room` bytes of it at most where it is not in memory yet. Valid until
    // the next call of any member that is not const. Not while a read is under way.
    Piece next(const Ways& ways, std::uint64_t room, std::span<iovec> vectors);
    // So many bytes of the piece were taken.
    void advance(const Piece& piece, std::uint64_t bytes);
    // As many of the body, which is in memory, were sent `path` before the first next().
    void assume_sent(std::uint64_t bytes, SendPath path) { pass(bytes, path); }

    // What a file's slice or a window met instead of being taken, by errno; 0: the file's end.
    enum class Refused {
        again,  // next() has another way
        wait,   // the client takes no more now
        failed, // failure() says why
    };
    Refused refused(const Piece& piece, int error);
    // The pages could not be lent, and are to be copied.
    Refused refused_by_client(int error);

    // The pool's read called back: takes its result in.
    void settle_read();
    // The read under way is waited for no more, as `reason` tells; the next next() fails.
    void give_up_read(CloseReason reason);
    // What grows may have more.
    void on_growth() { awaits_growth_ = false; }
    // Gives the buffer up while the client takes nothing; the bytes are read anew when it does.
    // Those of a stream stay. Not while a read is under way.
    void release_buffer();

    bool read_under_way() const { return reading_; }      // or waits for the disk
    dev_t read_device() const;                            // while it does
    bool awaits_growth() const { return awaits_growth_; } // there is nothing to be sent until then
    bool holds_buffer() const { return chunk_ != nullptr; }
    bool at_end() const { return sent_ == size_ && cursor_.streams_left() == 0; }
    bool has_known_size() const { return !has_streams_; }
    std::uint64_t size() const { return size_; } // of what is known of it, and what was made
    std::uint64_t sent() const { return sent_; }
    std::uint64_t listing_bytes() const { return cursor_.listing_bytes(); }
    CloseReason failure() const { return failure_; }

  private:
    static constexpr unsigned kCloseLooks = 8;

    enum class Load { ready, wait_disk, none_yet, failed };
    // Until what is at the front is no list of parts.
    Load open_front();
    Load open_in_pool(const http::PartsExtent& extent);
    Load take_opened(http::Parts::Had had, std::vector<http::Segment> segments);
    Load load_front(std::size_t most);
    Load load(std::size_t most);
    Load load_on_loop(const http::FileExtent& extent, std::uint64_t offset);
    // Bytes of the extent into the chunk, behind the first `at`; false: not all of them are cached.
    bool load_cached(const http::FileExtent& extent, std::uint64_t offset, std::size_t at,
                     std::size_t length);
    Load load_in_pool(const http::FileExtent& extent, std::uint64_t offset);
    Load finish_load(std::int64_t result, bool is_unchanged);
    Load load_failed(CloseReason reason);
    Load produce(const http::Stream& stream);
    void settle_production();
    void abandon_job(); // the one under way
    void leave_front();

    // What is at the front, without a buffer of ours. Nothing: not this way.
    std::optional<Piece> in_place(const Ways& ways, std::uint64_t room, std::span<iovec> vectors);
    std::optional<Piece> cached_piece(const http::FileExtent& extent, const Ways& ways,
                                      std::uint64_t room, std::span<iovec> vectors);
    std::optional<Piece> window_piece(const http::FileExtent& extent, std::uint64_t length,
                                      std::span<iovec> vectors);
    std::uint64_t find_cached(const http::FileExtent& extent, disk::PageCache::Device& device);
    bool is_filling(const http::OpenFile& file) const;
    Piece gather(const Ways& ways, std::span<iovec> vectors) const;
    void pass(std::uint64_t bytes, SendPath of_memory);
    void skip_finished();
    const http::Stream* stream_at_front() const { return cursor_.front_as<http::Stream>(); }
    const http::PartsExtent* parts_at_front() const {
        return cursor_.front_as<http::PartsExtent>();
    }
    const http::FileExtent* extent_at_front() const { return cursor_.front_as<http::FileExtent>(); }

    const BodyServices& services_;
    disk::FileReader& reader_;
    const bool guards_each_; // there may be several files
    BodyCursor cursor_;
    // Bytes of the files from the front on, when chunk_filled_ > chunk_sent_; small extents may
    // follow the first.
    disk::Chunk* chunk_ = nullptr;
    std::size_t chunk_filled_ = 0;
    std::size_t chunk_sent_ = 0;
    SendPath chunk_path_ = SendPath::copied;
    std::uint64_t sent_ = 0;
    std::uint64_t size_ = 0;
    bool has_streams_ = false;
    LentFiles lent_;                     // those that guard
    std::uint64_t tail_ = 0;             // Ways::tail of the piece that was handed out
    unsigned close_looks_ = kCloseLooks; // at the page cache, before quick ones will do
    bool reading_ = false;
    bool failed_read_ = false;
    bool awaits_growth_ = false;
    bool to_be_read_ = false; // what is at the front can be handed out no other way
    CloseReason failure_ = CloseReason::internal;
    std::uint64_t cached_until_ = 0; // offset in the front extent's file, up to which it was cached
    std::size_t wanted_ = 0;         // bytes asked of the read that has filled the chunk
    // One of them is the pool's, while reading_.
    std::unique_ptr<disk::FileRead> read_;
    std::unique_ptr<disk::Production> production_; // while the pool is at it
    std::unique_ptr<disk::Opening> opening_;       // likewise
    std::optional<disk::FileWindow> window_;       // of the piece that was handed out
};

} // namespace fsrv::exchange
