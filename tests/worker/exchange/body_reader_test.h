// A BodyReader that plays to a client over a pair of sockets with little room.
#pragma once

#include "tests/support/await.h"
#include "tests/support/files.h"
#include "worker/disk/page_arena.h"
#include "worker/exchange/body_reader.h"
#include "worker/wire/transport.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <poll.h>
#include <semaphore>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace fsrv::exchange {

inline std::shared_ptr<http::OpenFile> open_file(const std::string& path,
                                                 InPlaceWrites writes = InPlaceWrites::on) {
    auto file = std::make_shared<http::OpenFile>();
    file->writes = writes;
    file->fd.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status {};
    EXPECT_EQ(::fstat(file->fd.get(), &status), 0);
    file->size = static_cast<std::uint64_t>(status.st_size);
    file->mtime = {status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
    return file;
}

// What became of a piece, or of the body.
enum class Step { complete, wait_writable, wait_disk, wait_growth, yield, failed };

// A reader, a pair of sockets with little room between, and a client that reads what is there.
class BodyReaderTest : public testing::TestWithParam<IoMode>, public disk::FileReader {
  protected:
    BodyReaderTest() {
        ::signal(SIGPIPE, SIG_IGN); // as a worker has it
        int ends[2] = {-1, -1};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
        const int room = 8 * 1024;
        ::setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
        transport_.emplace(ends[0]);
        client_.reset(ends[1]);
        iteration_.begin(1'000'000);
    }
    ~BodyReaderTest() override {
        body_.reset();
        while (!pool_.is_idle()) await_wake();
        transport_->close();
    }

    void on_chunk_read() override { body_->settle_read(); }
    void on_disk_ill() override {}

    // The file's first bytes in memory that nobody writes to.
    http::Body lendable_copy(const std::string& path, std::size_t length) {
        http::Body body;
        body.segments.emplace_back(
            http::MemoryExtent{.bytes = arena_.copy_of(open_file(path)->fd.get(), length),
                               .length = length,
                               .lendable = true});
        return body;
    }

    void begin(http::Body body) {
        body_ = std::make_unique<BodyReader>(services_, *this, std::move(body));
    }

    // One piece, handed to the client.
    Step send() {
        std::array<iovec, 15> vectors;
        ways_.pages = lender_.able();
        const Piece piece = body_->next(ways_, limits::kTurnBytes, vectors);
        ssize_t n = 0;
        switch (piece.kind) {
        case Piece::Kind::end: return Step::complete;
        case Piece::Kind::wait: return Step::wait_disk;
        case Piece::Kind::none_yet: return Step::wait_growth;
        case Piece::Kind::failed: return Step::failed;
        case Piece::Kind::bytes:
        case Piece::Kind::window:
            n = transport_->write(std::span(vectors).first(piece.vectors), piece.more_follows);
            break;
        case Piece::Kind::file:
            n = transport_->write_file(piece.fd, piece.offset, piece.length);
            break;
        case Piece::Kind::pages:
            n = transport_->lend(lender_, {}, piece.pages, piece.more_follows);
            break;
        }
        if (n > 0) {
            body_->advance(piece, static_cast<std::uint64_t>(n));
            return Step::yield;
        }
        switch (body_->refused(piece, n == 0 ? 0 : errno)) {
        case BodyReader::Refused::again: return Step::yield;
        case BodyReader::Refused::wait: return Step::wait_writable;
        case BodyReader::Refused::failed: break;
        }
        return Step::failed;
    }

    // One step; waits for the disk when it must.
    Step step() {
        const Step step = send();
        if (step == Step::wait_disk) await_read();
        return step;
    }

    void await_wake() {
        EXPECT_TRUE(test::await_fd(pool_.wake_fd(), POLLIN));
        pool_.dispatch();
    }
    void await_read() {
        while (body_->read_under_way()) await_wake();
    }

    void client_reads() {
        char buffer[65536];
        for (ssize_t n = 0; (n = ::recv(client_.get(), buffer, sizeof buffer, 0)) > 0;) {
            received_.append(buffer, static_cast<std::size_t>(n));
        }
    }

    Step play() {
        while (true) {
            const Step last = step();
            client_reads();
            if (last == Step::complete || last == Step::failed) return last;
        }
    }

    test::TempDir dir_;
    Iteration iteration_;
    disk::Pool pool_{{.threads = 1}};
    disk::ChunkPool chunks_;
    disk::PageCache page_cache_;
    wire::PageLender lender_;
    disk::PageArena arena_{1 << 20};
    MetricWords figures_;
    const BodyServices services_{.iteration = iteration_,
                                 .chunks = chunks_,
                                 .page_cache = page_cache_,
                                 .pool = pool_,
                                 .score = figures_,
                                 .io = GetParam()};
    std::optional<wire::Transport> transport_;
    UniqueFd client_;
    std::string received_;
    Ways ways_;
    std::unique_ptr<BodyReader> body_;
};

// Holds a thread of the pool.
struct Blocker final : disk::Job {
    void run() override { gate.acquire(); }
    void on_done() override { over = true; }
    void on_ill() override {}
    void on_orphaned() override {}
    std::binary_semaphore gate{0};
    bool over = false;
};

inline const auto kModes = testing::Values(IoMode::automatic, IoMode::threads, IoMode::inline_);
inline std::string mode_name(const testing::TestParamInfo<IoMode>& mode) {
    switch (mode.param) {
    case IoMode::automatic: return "Auto";
    case IoMode::threads: return "Threads";
    default: return "Inline";
    }
}

} // namespace fsrv::exchange
