// A pipe, for a loop to look at.
#pragma once

#include "common/unique_fd.h"

#include <fcntl.h>
#include <unistd.h>

namespace fsrv::test {

struct Pipe {
    Pipe() {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return;
        out.reset(ends[0]);
        in.reset(ends[1]);
    }
    void put() const { [[maybe_unused]] const ssize_t n = ::write(in.get(), "x", 1); }
    void take() const {
        char byte;
        [[maybe_unused]] const ssize_t n = ::read(out.get(), &byte, 1);
    }

    UniqueFd in, out; // written to, read from
};

} // namespace fsrv::test
