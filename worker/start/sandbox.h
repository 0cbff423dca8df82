// A worker locks itself in, once, after it has given up its privileges and read its own files, and
// before its first thread: what follows inherits it. Two walls, each of which the kernel may lack:
//
//   Landlock (5.13)   files may be read beneath the root and nowhere else; nothing is written,
//   made,
//                     removed or executed; no TCP is bound or connected to (6.7), nobody signalled
//                     (6.12). With --symlinks follow "beneath the root" is the whole file system.
//   seccomp           only the system calls of sandbox_calls.def; others fail with EPERM. No new
//                     socket, process, program or executable memory.
//
// Descriptors that are open already (listen sockets, access log) stay usable. There is no way back.
#pragma once

#include "common/access_material.h"
#include "common/options.h"
#include "common/result.h"

#include <span>
#include <string>

namespace fsrv {

struct SandboxReport {
    int landlock_abi = 0; // 0: not in force
    bool seccomp = false;
    std::string missing; // what is not in force, and why; empty: nothing
    std::string text() const;
};

// Descriptors that are not the worker's alone.
struct SharedFds {
    std::span<const int> listeners;
    int control = -1;                       // to the supervisor
    std::span<const Account> accounts = {}; // whose rights are lent to threads; nobody else's
};

// Instead of a root: no file at all.
inline constexpr int kNoFiles = -1;

// Puts in force what `mode` asks for and the kernel has. An error, for SandboxMode::on alone: what
// is missing, and with accounts, whatever the mode, that their ids are all
// that can be had. Needs PR_SET_NO_NEW_PRIVS. A build with a sanitizer takes part in neither wall:
// its run-time has to read and call what they forbid.
Result<SandboxReport, std::string> enter_sandbox(SandboxMode mode, int root_fd, Symlinks symlinks,
                                                 const SharedFds& shared);

// The walls, each by itself: for enter_sandbox() and tests.
Result<int, std::string> confine_files(int root_fd, Symlinks symlinks); // the ABI in force
Result<void, std::string> confine_calls(const SharedFds& shared);

} // namespace fsrv
