// What an HTTP/1 request needs until its answer is planned: the bytes that were received, what
// makes a request of them, its look-up. Thread: the loop's.
#pragma once

#include "worker/exchange/exchange.h"
#include "worker/http/parser.h"

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace fsrv::session {

class SpareInquiries;

// Idle and paused connections have none.
struct Http1Inquiry final : exchange::Inquiry {
    Http1Inquiry(SpareInquiries& home, const http::ParserLimits& limits);

    std::string_view unparsed() const { return {buffer.get() + begin, end - begin}; }
    bool is_used_up() const { return begin == end; }
    std::span<char> room() { return {buffer.get() + end, capacity - end}; }
    void received(std::size_t bytes); // in room()
    void make_room();                 // what is unparsed moves to the front
    // Ready for another client: what this one sent is gone, credentials among it.
    void forget();

    std::size_t capacity;
    std::unique_ptr<char[]> buffer;
    std::size_t begin = 0; // of the request being read, or of what follows the one being answered
    std::size_t end = 0;   // of the received bytes
    std::size_t used = 0;  // of the buffer, at most, since it was forgotten
    http::RequestParser parser;

  private:
    void come_back() override;

    SpareInquiries& home_;
};

// Those that wait for a request to come.
class SpareInquiries final {
  public:
    // `closer`: of files that a plan has which nobody took.
    SpareInquiries(std::size_t max_head_bytes, disk::FileCloser& closer);
    ~SpareInquiries();
    SpareInquiries(const SpareInquiries&) = delete;
    SpareInquiries& operator=(const SpareInquiries&) = delete;

    std::unique_ptr<Http1Inquiry> take();
    // None will do. One whose look-up is under way comes when that is over.
    void give_back(std::unique_ptr<Http1Inquiry> inquiry);

  private:
    const std::size_t max_head_bytes_;
    disk::FileCloser& closer_;
    std::vector<std::unique_ptr<Http1Inquiry>> spare_;
};

} // namespace fsrv::session
