#include "tests/support/load.h"

#include "tests/support/files.h"
#include "tests/support/raw_client.h"

#include <algorithm>
#include <poll.h>

namespace fsrv::test {

Load::Load(std::uint16_t port, Setup setup) : setup_(std::move(setup)) {
    for (unsigned i = 0; i < setup_.clients; ++i)
        threads_.emplace_back([this, port] {
            while (!over_) ask(port);
        });
}

void Load::ask(std::uint16_t port) {
    for (unsigned i = 1; !is_settled(port, i >= setup_.tries); ++i) {
    }
}

// False: it is to be asked again.
bool Load::is_settled(std::uint16_t port, bool last_try) {
    const std::string target = setup_.target + "?" + std::to_string(asked++);
    RawClient client(port);
    const Response response = client.ask(get(target, "Connection: close\r\n"));
    if (!client.connected())
        ++refused;
    else if (response.got == Got::nothing)
        ++unanswered;
    else if (!response.complete())
        ++(last_try ? broken : again);
    else if (response.status != 200 || response.body != pattern(0, setup_.size))
        ++wrong;
    else
        ++answered;
    return last_try || !client.connected() || response.complete() || response.got == Got::nothing;
}

void Load::stop() {
    over_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
}

std::string Load::text() const {
    return std::to_string(answered) + " answered, " + std::to_string(again) + " asked again, " +
           std::to_string(refused) + " refused, " + std::to_string(unanswered) + " unanswered, " +
           std::to_string(broken) + " broken, " + std::to_string(wrong) + " wrong";
}

Downloads::Downloads(std::uint16_t port, Setup setup) : setup_(std::move(setup)) {
    for (unsigned i = 0; i < setup_.clients; ++i)
        threads_.emplace_back([this, port] {
            while (!over_) ++(fetch_one(port) ? done : wrong);
        });
}

bool Downloads::fetch_one(std::uint16_t port) {
    std::uint64_t received = 0;
    std::string tag;
    bool has_paused = false;
    const Deadline deadline;
    while (received < setup_.size) {
        if (deadline.over()) return false;
        RawClient client(port, {.receive_buffer = 65536});
        const std::string range =
            "Range: bytes=" + std::to_string(received) + "-\r\nIf-Range: " + tag + "\r\n";
        client.send(get(setup_.target + "?" + std::to_string(asked++), tag.empty() ? "" : range));
        const Response head = client.read_head();
        if (!head.complete()) {
            ++cut;
            continue;
        }
        if (!is_right(head, received, tag)) return false;
        resumed += tag.empty() ? 0 : 1;
        tag = head.field("ETag").value_or("");
        while (client.end() == Got::nothing && received < setup_.size) {
            const std::string bytes =
                client.read_bytes(std::min(setup_.piece, setup_.size - received));
            if (pattern_mismatch(bytes, received)) return false;
            received += bytes.size();
            if (!has_paused && received >= setup_.size / 2) break;
            if (!over_) ::poll(nullptr, 0, setup_.pause_ms);
        }
        if (!has_paused && received >= setup_.size / 2)
            has_paused = true;
        else if (received < setup_.size)
            ++cut;
    }
    return true;
}

// The whole file, or exactly the rest of the same one.
bool Downloads::is_right(const Response& head, std::uint64_t from, const std::string& tag) const {
    const std::string range = "bytes " + std::to_string(from) + "-" +
                              std::to_string(setup_.size - 1) + "/" + std::to_string(setup_.size);
    return head.content_length() == setup_.size - from &&
           (tag.empty() ? head.status == 200
                        : head.status == 206 && head.field("Content-Range") == range &&
                              head.field("ETag") == tag);
}

void Downloads::stop() {
    over_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
}

std::string Downloads::text() const {
    return std::to_string(done) + " downloads whole, " + std::to_string(resumed) + " resumed, " +
           std::to_string(cut) + " cut, " + std::to_string(wrong) + " wrong";
}

} // namespace fsrv::test
