// Everything that crosses fork(): what a worker has from its supervisor, and all it needs to know
// of it. The worker owns `control` and `access_log`; the rest belongs to the supervisor's image and
// lives as long as the process.
#pragma once

#include "common/access_material.h"
#include "common/client_table.h"
#include "common/limits.h"
#include "common/options.h"
#include "common/scoreboard.h"
#include "common/tls_material.h"
#include "common/unique_fd.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <sys/types.h>
#include <vector>

namespace fsrv {

// A bound, listening, non-blocking, close-on-exec socket of the supervisor. The supervisor keeps
// every one open for its whole life, so the kernel never drops a queue; a worker accepts on those
// of the slots it serves. TCP_NODELAY, SO_KEEPALIVE and TCP_NOTSENT_LOWAT are set here and
// inherited by every accepted connection.
struct ListenSocket {
    int fd = -1;
    unsigned slot = 0; // whose it is; kSharedSlot: everybody's (a Unix socket)
    bool unix_socket = false;
    std::uint16_t redirects_to =
        0; // https at this port: clear, and all are sent there; 0: it serves
};
inline constexpr unsigned kSharedSlot = ~0U;

struct Credentials {
    uid_t uid = 0;
    gid_t gid = 0;
    std::string user_name; // for initgroups(); empty: no supplementary groups
};

// What one worker may hold of what all of them share.
struct Budgets {
    std::size_t open_files = 1024; // the limit of descriptors in force
    // Memory: what --cache-memory and the limits allow, or less where the system has less (see
    // memory_budgets.h).
    std::uint64_t cache_bytes = 64 * 1024 * 1024;
    std::uint64_t listing_bytes = limits::kMaxListingBytesInFlight;
    unsigned big_chunks = limits::kMaxBigChunks;
};

struct Heritage {
    bool admin = false; // the admin process: serves nothing but `admin_sockets`
    unsigned slot = 0;
    pid_t supervisor_pid = 0;
    const Options* options = nullptr;
    std::span<const ListenSocket> sockets;
    int root_fd = -1;      // O_PATH of the served folder
    std::string root_path; // its absolute name with links resolved: for absolute ?path= and links
                           // only, never for confinement
    UniqueFd control;
    UniqueFd access_log;                    // none: --access-log off
    std::optional<Credentials> credentials; // to become, before anything of a client is read
    const TlsMaterial* tls = nullptr;       // none: TCP is clear, as the Unix socket always is
    const AccessMaterial* access = nullptr; // a worker has it always
    ClientTable* clients = nullptr;         // none: nobody is limited
    ScoreSlot* score = nullptr;
    // Of which generation the worker is, and which one was the first with the rules of now. None:
    // they never change.
    std::uint64_t generation = 0;
    const SharedWord* rules_since = nullptr;
    const SharedWord* stop_announced = nullptr; // not 0: a stop is near
    Budgets budgets = {};
    Scoreboard* scoreboard = nullptr; // of the admin process, which only reads it
    std::span<const int> admin_sockets;
};

// The whole life of a worker process; runs in the child of fork() and returns its exit status. 0:
// drained, kExitUsage: it cannot start because of its configuration (not retried), else: failed.
using WorkerMain = int (*)(Heritage heritage);

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitBind = 3;
inline constexpr int kExitTasks = 4; // of a worker: the system allows it no more threads

} // namespace fsrv
