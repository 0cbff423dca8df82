// How far the server has come, for all parts of the supervisor to read. The loop says that it has
// started, Stopping that it stops, Upgrade that another one serves and this one only finishes;
// nobody else changes it, and nothing of it is taken back.
#pragma once

namespace fsrv {

enum class Stop { no, unhurried, hurried, killed };

struct Phase {
    bool started = false; // the start was announced
    Stop stop = Stop::no;
    bool stop_announced = false; // and has not begun: --drain-delay
    bool handed_over = false;    // to a successor that serves

    bool is_stopping() const { return stop != Stop::no || stop_announced; } // or will, soon
};

} // namespace fsrv
