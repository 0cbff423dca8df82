// The terminal of --ctl top: its other screen for as long as this lives, then all is as before. Not
// two at a time, for the signals' sake.
#pragma once

#include "common/unique_fd.h"

#include <cstddef>
#include <string_view>
#include <termios.h>

namespace fsrv {

// Writes all of it; false: the reader is gone, or a signal came between.
bool write_out(int fd, std::string_view bytes);

class TopTerminal final {
  public:
    TopTerminal();
    ~TopTerminal();
    TopTerminal(const TopTerminal&) = delete;
    TopTerminal& operator=(const TopTerminal&) = delete;

    struct Size {
        std::size_t columns, rows;
    };
    static Size size();
    bool has_keys() const { return reads_keys_; }
    bool draw(std::string_view frame); // one write; false: the terminal is gone

    // What happened within `ms`, or on `other_fd` (-1: none).
    enum class Event { nothing, redraw, leave, other, killed };
    Event wait(int other_fd, int ms);
    // After `killed`: gives the terminal back, and dies of what it was. Returns for want of that.
    void die();

  private:
    void enter();
    void leave();
    Event on_signal();
    Event on_key();
    void suspend();

    UniqueFd signals_;
    termios before_{};
    bool has_settings_ = false; // standard input is a terminal
    bool reads_keys_ = false;
    bool entered_ = false;
    int fatal_ = 0;
};

} // namespace fsrv
