// Sender: plays a response head and a Body to a socket. The only code that reads file bytes for
// clients, and the only code that knows of io modes, of pausing and of the changed-file guard.
//
// Bytes of a file go to the socket only after the file was found to be the one that was planned:
// right length read, and size and mtime of the open descriptor unchanged after the read. So an
// answer whose last byte was sent is one version of the file.
//
// Where the ways of sending meet is load(): today the pool (uv_fs_read) or, with --io inline, a
// read on the loop; zero-copy of cached extents takes its place beside them there. One chunk is in
// flight at a time. Thread: the loop's.
#pragma once

#include "common/options.h"
#include "worker/http/body.h"
#include "worker/net/chunk_pool.h"
#include "worker/net/close_reason.h"

#include <cstdint>
#include <string>
#include <uv.h>

namespace fsrv::net {

// Told when a read that the pool did is over; it must call Sender::settle_read() and then, unless
// it is closing, pump().
class SenderOwner {
  public:
    virtual void on_chunk_read() = 0;

  protected:
    ~SenderOwner() = default;
};

struct SenderContext {
    uv_loop_t* loop = nullptr;
    ChunkPool* chunks = nullptr;
    IoMode io = IoMode::automatic;
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
    ~Sender(); // no read may be under way

    // Sends what it can to the non-blocking socket `fd`.
    Step pump(int fd);

    // The pool's read called back: takes its result in. Nothing is sent.
    void settle_read();

    // Gives the buffer up while the client takes nothing; the bytes are read anew when it does. Not
    // while wait_disk.
    void release_buffer();

    bool read_under_way() const { return reading_; }
    bool holds_buffer() const { return chunk_ != nullptr; }
    std::uint64_t body_bytes_sent() const { return body_sent_; }
    std::uint64_t bytes_sent() const { return sent_; }
    CloseReason failure() const { return failure_; }

  private:
    enum class Load { ready, wait_disk, failed };
    Load load();
    Load finish_load(ssize_t result);
    bool file_unchanged(const http::OpenFile& file);
    unsigned gather(struct iovec* vectors, unsigned capacity, bool& more_follows) const;
    void advance(std::size_t bytes);
    const http::FileExtent* extent_at_front() const;

    const SenderContext& context_;
    SenderOwner& owner_;
    std::string head_;
    http::Body body_;
    std::size_t head_sent_ = 0;
    std::size_t segment_ = 0;        // of body_, being sent
    std::uint64_t segment_sent_ = 0; // bytes of it that are with the kernel
    Chunk* chunk_ = nullptr; // file bytes from segment_sent_ on, when chunk_filled_ > chunk_sent_
    std::size_t chunk_filled_ = 0;
    std::size_t chunk_sent_ = 0;
    std::uint64_t body_sent_ = 0;
    std::uint64_t sent_ = 0;
    std::size_t wanted_ = 0; // bytes asked of the read under way
    bool reading_ = false;
    bool failed_read_ = false;
    CloseReason failure_ = CloseReason::internal;
};

} // namespace fsrv::net
