// CodingStream: a file, coded while it is read for one client. What was read is looked at as any
// answer's file bytes: its end is told only if the file is still what was planned.
#pragma once

#include "worker/content/coder.h"
#include "worker/exchange/codings.h"
#include "worker/http/body.h"

#include <memory>
#include <vector>

namespace fsrv::exchange {

class CodingStream final : public http::Producer {
  public:
    // It has a place of `shares->streams`, and of the threads; it gives both back.
    CodingStream(std::shared_ptr<const http::OpenFile> file, http::Coding coding,
                 std::shared_ptr<Codings::Shares> shares)
        : file_(std::move(file)), coding_(coding), shares_(std::move(shares)) {}
    ~CodingStream() override;

    Made produce(std::span<char> room) override;
    // A paused client's place among the threads is free for others. It is not waited for later:
    // few streams there are.
    void rest() override;

  private:
    bool read_on();

    std::shared_ptr<const http::OpenFile> file_;
    http::Coding coding_;
    std::shared_ptr<Codings::Shares> shares_;
    bool has_thread_ = true;
    std::unique_ptr<content::Coder> coder_;
    std::vector<char> buffer_;
    std::span<const char> unread_; // of the buffer, by the coder
    std::uint64_t offset_ = 0;     // read so far
    State trouble_ = State::more;
};

} // namespace fsrv::exchange
