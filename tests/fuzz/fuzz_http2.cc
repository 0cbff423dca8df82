// Any bytes as what a client of HTTP/2 sends, in pieces: the session comes to an end when the
// client goes, and nothing of it is left. The first byte tells whether the bytes begin with a
// preface of our own; what comes back is not looked at.
#include "tests/fuzz/fuzz.h"
#include "tests/worker/session/session_test.h"
#include "worker/session/http2.h"

#include <chrono>
#include <string>

namespace {

using namespace fsrv;
using namespace fsrv::fuzz;
using namespace fsrv::session;

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

class World final : public SessionTest<Http2> {
  public:
    World() {
        options_.max_header_size = 16 * 1024;
        options_.stall_timeout = std::chrono::seconds(10);
        options_.pause_timeout = std::chrono::minutes(1);
        options_.header_timeout = std::chrono::seconds(10);
        options_.http2_resets = 100;
    }

    void play(std::string_view bytes) {
        if (bytes.empty()) return;
        Dice dice(bytes);
        const bool has_preface = bytes.front() == 'p';
        bytes.remove_prefix(1);
        Http2& connection = come(has_preface ? kPreface : std::string_view());
        while (!bytes.empty() && is_alive()) {
            const std::string_view piece =
                bytes.substr(0, 1 + dice.below(dice.below(4) == 0 ? 9 : 4'096));
            // The server may have gone: nothing is expected of the send.
            [[maybe_unused]] const ssize_t n =
                ::send(client_.get(), piece.data(), piece.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            bytes.remove_prefix(piece.size());
            turn();
            if (dice.below(3) == 0) hears();
            if (dice.below(8) == 0 && is_alive()) later(connection);
        }
        client_.reset();
        turn();
        for (unsigned i = 0; i < 3 && is_alive(); ++i) later(connection);
        require(!is_alive(), "the client has gone, its connection has not");
        connections_.destroy_buried();
        require(connections_.count() == 0, "a connection is left");
    }

  private:
    void TestBody() override {}
    bool is_alive() const { return connections_.count() > connections_.count(State::closing); }
    void turn() {
        for (unsigned i = 0; i < 8; ++i) {
            turns_.give();
            poller_.wait(0);
            poller_.dispatch();
        }
    }
    void later(Http2& connection) {
        iteration_.begin(iteration_.now_ms() + 5'000);
        connections_.sweep(deadlines_, iteration_.now_ms());
        if (connection.state() == State::sending || connection.state() == State::paused)
            connection.on_tick(iteration_.now_ms());
        turn();
    }
};

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static World& world = *new World; // for the life of the process
    world.play(text_of(data, size));
    return 0;
}
