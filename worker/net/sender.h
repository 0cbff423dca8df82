// Sender: plays a response head and a Body to a socket. The only code that reads file bytes for
// clients (but for those that FileCache keeps), and the only code that knows of io modes, of
// pausing and of the changed-file guard.
//
// Bytes of a file go to the socket only after the file was found to be the one that was planned:
// right length read, and size and mtime of the open descriptor unchanged after the read. So an
// answer whose last byte was sent is one version of the file. --in-place-writes says what of that
// has to be looked at (http::OpenFile::writes): off, the size; append, that it did not shrink.
//
// Four ways, chosen per chunk:
//   zero-copy  sendfile from the loop: what the page cache has (--io auto); PageLender: what is in
//              memory that may be lent
//   mapped     send out of a FileWindow, which copies once: what is cached but must not be lent
//              (--io auto), but for the end of a body
//   copy       read on the loop, then send: that end, and small parts (--io auto); all of it with
//              --io inline, which waits for the disk
//   pool       read in the pool, then send: what the disk must be asked for, and whatever it is of
//              that file for limits::kFillingMs after (--io auto); all of it with --io threads, and
//              of files that are not on a disk of this machine, where even fstat() may have to wait
//
// Zero-copy lends pages of the file to the socket, and a change in place shows in what is still
// queued, here or, over the loopback, with the client. So the last SenderContext::copied_tail bytes
// of a body are copied: when the last of them is taken, all that was lent has been read by the
// client, and a change before that moment is seen by the guard. So it is by the read of the end,
// which all that was mapped was copied before. Of a file that, as
// --in-place-writes off or append says, is only ever replaced or grows, all is lent; and so is
// memory that nobody writes to (http::MemoryExtent::lendable).
//
// One chunk is in flight at a time. Thread: the loop's.
#pragma once

#include "common/close_reason.h"
#include "common/limits.h"
#include "common/options.h"
#include "worker/disk/chunk_pool.h"
#include "worker/disk/file_closer.h"
#include "worker/disk/file_read.h"
#include "worker/disk/page_cache.h"
#include "worker/http/body.h"
#include "worker/wire/page_lender.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <uv.h>

namespace fsrv::net {

// Told when a read that the pool did is over: it must call Sender::settle_read() and then, unless
// it is closing, pump().
using SenderOwner = disk::FileReader;

struct SenderContext {
    // Whether a head leaves with the first bytes of such a body that are lent, not by itself.
    bool joins_head(std::uint64_t body_size) const {
        return !paced || body_size <= limits::kLargestPacket;
    }

    uv_loop_t* loop = nullptr; // its clock
    disk::ChunkPool* chunks = nullptr;
    disk::PageCache* page_cache = nullptr;
    wire::PageLender* lender = nullptr;
    disk::Pool* pool = nullptr;
    disk::FileCloser* closer = nullptr; // none: files close at once
    MetricWords* score = nullptr;
    IoMode io = IoMode::automatic;
    bool paced = false;                                 // some of the sockets (is_paced())
    std::uint64_t copied_tail = limits::kAssumedQueues; // never lent, if a file may change
};

class Sender final {
  public:
    enum class Step {
        complete,      // the last byte is with the kernel
        wait_writable, // the socket takes no more now
        wait_disk,     // a read is under way; on_chunk_read() follows
        yield,         // it could go on, but has had its turn
        failed,        // failure() says why; the connection must be reset, not closed
    };

    Sender(const SenderContext& context, SenderOwner& owner, std::string head, http::Body body);
    Sender(const Sender&) = delete;
    Sender& operator=(const Sender&) = delete;
    ~Sender();

    // `bytes` of head and body, which is in memory, are with the kernel already, those of the body
    // by `path`. Before the first pump().
    void assume_sent(std::size_t bytes, SendPath path) { advance(bytes, path); }

    // Sends what it can to the non-blocking socket `fd`.
    Step pump(int fd);

    // The pool's read called back: takes its result in. Nothing is sent.
    void settle_read();

    // The read under way is waited for no more, as `reason` tells; the next pump() fails.
    void give_up_read(CloseReason reason);

    // Gives the buffer up while the client takes nothing; the bytes are read anew when it does. Not
    // while wait_disk.
    void release_buffer();

    bool read_under_way() const { return reading_; }                 // or waits for the disk
    dev_t read_device() const { return read_->order.file->charged; } // while it does
    bool holds_buffer() const { return chunk_ != nullptr; }
    std::uint64_t body_size() const { return body_size_; }
    std::uint64_t listing_bytes() const; // MemoryExtent::of_listing, taken ones too
    std::uint64_t body_bytes_sent() const { return body_sent_; }
    std::uint64_t bytes_sent() const { return sent_; }
    CloseReason failure() const { return failure_; }

  private:
    static constexpr unsigned kCloseLooks = 8;

    enum class Load { ready, wait_disk, failed };
    Load load();
    Load load_on_loop(const http::FileExtent& extent, std::uint64_t offset);
    // Bytes of the extent into the chunk, behind the first `at`; false: not all of them are cached.
    bool load_cached(const http::FileExtent& extent, std::uint64_t offset, std::size_t at,
                     std::size_t length);
    Load load_in_pool(const http::FileExtent& extent, std::uint64_t offset);
    Load finish_load(std::int64_t result, bool is_unchanged);
    Load load_failed(CloseReason reason);
    Step refused_by_socket(int error);

    // What is at the front, without a buffer of ours, of a file at most `limit` bytes. Nothing: not
    // this way.
    std::optional<Step> send_in_place(int fd, std::uint64_t limit, std::uint64_t& turn);
    std::optional<Step> send_cached(int fd, std::uint64_t limit, std::uint64_t& turn);
    std::optional<Step> lend_file(int fd, std::uint64_t length, std::uint64_t& turn);
    std::optional<Step> send_mapped(int fd, std::uint64_t length, std::uint64_t& turn);
    std::optional<Step> lend_memory(int fd, std::uint64_t& turn);
    std::uint64_t find_cached(const http::FileExtent& extent, disk::PageCache::Device& device);
    void advance_file(std::uint64_t bytes, SendPath path);
    std::optional<Step> push_head(int fd, std::uint64_t& turn);
    bool is_filling(const http::OpenFile& file) const;
    std::uint64_t now_ms() const { return uv_now(context_.loop); }
    bool to_be_lent(const http::MemoryExtent& extent, std::uint64_t sent) const;

    std::optional<Step> push(int fd, std::uint64_t& turn); // head, memory and chunk
    unsigned gather(struct iovec* vectors, unsigned capacity, bool& more_follows) const;
    void advance(std::size_t bytes, SendPath of_memory = SendPath::memory);
    void count_sent(SendPath path, std::uint64_t bytes);
    const http::FileExtent* extent_at_front() const;

    const SenderContext& context_;
    SenderOwner& owner_;
    std::string head_;
    http::Body body_;
    std::size_t head_sent_ = 0;
    std::size_t segment_ = 0;        // of body_, being sent
    std::uint64_t segment_sent_ = 0; // bytes of it that are with the kernel
    disk::Chunk* chunk_ =
        nullptr; // bytes of the files from segment_sent_ on, when
                 // chunk_filled_ > chunk_sent_; small extents may follow the first
    std::size_t chunk_filled_ = 0;
    std::size_t chunk_sent_ = 0;
    SendPath chunk_path_ = SendPath::copied;
    std::uint64_t body_sent_ = 0;
    std::uint64_t sent_ = 0;
    std::uint64_t body_size_ = 0;
    unsigned close_looks_ = kCloseLooks; // at the page cache, before quick ones will do
    std::uint64_t cached_until_ = 0; // offset in the front extent's file, up to which it was cached
    std::size_t wanted_ = 0;         // bytes asked of the read that has filled the chunk
    std::unique_ptr<disk::FileRead> read_; // the pool's, while reading_
    bool reading_ = false;
    bool failed_read_ = false;
    CloseReason failure_ = CloseReason::internal;
};

} // namespace fsrv::net
