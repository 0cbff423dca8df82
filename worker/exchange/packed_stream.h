// PackedStream: a body, coded while it is read for one client: an archive that is sent as tar.gz or
// tar.zst. Its end is told only if every file of it was what was planned. The body has a known
// size.
#pragma once

#include "worker/content/coder.h"
#include "worker/exchange/codings.h"
#include "worker/http/body.h"

#include <memory>
#include <vector>

namespace fsrv::exchange {

class PackedStream final : public http::Producer {
  public:
    // It has a place of `shares->streams`, and of the threads; it gives both back.
    PackedStream(http::Body body, http::Coding coding, std::shared_ptr<Codings::Shares> shares)
        : body_(std::move(body)), coding_(coding), shares_(std::move(shares)) {}
    ~PackedStream() override;

    Made produce(std::span<char> room) override;
    void rest() override;

  private:
    bool read_on(); // false: trouble_ says why
    bool open(const http::PartsExtent& parts);
    bool read_file(http::FileExtent& extent);

    http::Body body_; // what is left of it, from segment_ on
    std::size_t segment_ = 0;
    http::Coding coding_;
    std::shared_ptr<Codings::Shares> shares_;
    bool has_thread_ = true;
    std::unique_ptr<content::Coder> coder_;
    std::vector<char> buffer_;
    std::shared_ptr<const char> memory_; // that is being coded
    std::span<const char> unread_;       // of it, or of the buffer, by the coder
    State trouble_ = State::more;
};

} // namespace fsrv::exchange
