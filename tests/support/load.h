// Clients that ask all the time while a test does something to the server, and count what they met.
#pragma once

#include "tests/support/response.h"

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace fsrv::test {

// A connection for every request, one after the other, until stop(). The file is `target`, with
// `size` bytes of pattern(). Each request has a number of its own in its query, from 0 on, so that
// the log can be held against it.
class Load final {
  public:
    struct Setup {
        unsigned clients = 4;
        std::string target = "/t.bin";
        std::uint64_t size = 1000;
        // How often one is asked whose answer breaks off, as clients may do with a GET.
        unsigned tries = 1;
    };
    explicit Load(std::uint16_t port) : Load(port, Setup()) {}
    Load(std::uint16_t port, Setup setup);
    ~Load() { stop(); }
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;

    void stop();
    // Requests that did not get their whole answer.
    unsigned failed() const { return refused + unanswered + broken + wrong; }
    std::string text() const; // the counts, for a person

    std::atomic<unsigned> asked = 0; // all that follow, together
    std::atomic<unsigned> answered = 0;
    std::atomic<unsigned> again = 0;      // it ended too early, and was asked again
    std::atomic<unsigned> refused = 0;    // no connection
    std::atomic<unsigned> unanswered = 0; // not a byte, for as long as a test waits
    std::atomic<unsigned> broken = 0;     // it ended too early
    std::atomic<unsigned> wrong = 0;      // other bytes, or not 200

  private:
    void ask(std::uint16_t port);
    bool is_settled(std::uint16_t port, bool last_try);

    Setup setup_;
    std::atomic<bool> over_ = false;
    std::vector<std::thread> threads_;
};

// Big downloads, one after the other, each read slowly enough to meet what the test does. Half way
// the client breaks off by itself and resumes on another connection, with Range and If-Range, as it
// does whenever the server cuts it. Requests are numbered as those of Load.
class Downloads final {
  public:
    struct Setup {
        unsigned clients = 2;
        std::string target = "/big.bin";
        std::uint64_t size = 0; // of the file, which is pattern()
        std::uint64_t piece = 256 * 1024;
        int pause_ms = 10; // between two pieces
    };
    Downloads(std::uint16_t port, Setup setup);
    ~Downloads() { stop(); }
    Downloads(const Downloads&) = delete;
    Downloads& operator=(const Downloads&) = delete;

    void stop();              // those under way are finished first
    std::string text() const; // the counts, for a person

    std::atomic<unsigned> asked = 0;
    std::atomic<unsigned> done = 0;
    std::atomic<unsigned> resumed = 0; // times that the server went on where a download had stopped
    std::atomic<unsigned> cut = 0;     // of these, how often it was the server that ended early
    std::atomic<unsigned> wrong = 0;   // other bytes, another file, another head than was asked for

  private:
    bool fetch_one(std::uint16_t port);
    bool is_right(const Response& head, std::uint64_t from, const std::string& tag) const;

    Setup setup_;
    std::atomic<bool> over_ = false;
    std::vector<std::thread> threads_;
};

} // namespace fsrv::test
