// Clients that ask all the time while a test does something to the server, and count what they met.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace fsrv::test {

// A connection for every request, one after the other, until stop(). The file is `target`, with
// `size` bytes of pattern().
class Load final {
  public:
    struct Setup {
        unsigned clients = 4;
        std::string target = "/t.bin";
        std::uint64_t size = 1000;
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

    std::atomic<unsigned> answered = 0;
    std::atomic<unsigned> refused = 0;    // no connection
    std::atomic<unsigned> unanswered = 0; // not a byte, for as long as a test waits
    std::atomic<unsigned> broken = 0;     // it ended too early
    std::atomic<unsigned> wrong = 0;      // other bytes, or not 200

  private:
    void ask(std::uint16_t port);

    Setup setup_;
    std::atomic<bool> over_ = false;
    std::vector<std::thread> threads_;
};

// Big downloads, one after the other, each read slowly enough to meet what the test does. One that
// is cut is resumed with If-Range, as a download manager does.
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

    void stop(); // those under way are finished first
    std::string text() const;

    std::atomic<unsigned> done = 0;
    std::atomic<unsigned> cut = 0;   // ended early, and resumed
    std::atomic<unsigned> wrong = 0; // other bytes, another file, or a status that is no success

  private:
    bool fetch_one(std::uint16_t port);

    Setup setup_;
    std::atomic<bool> over_ = false;
    std::vector<std::thread> threads_;
};

} // namespace fsrv::test
