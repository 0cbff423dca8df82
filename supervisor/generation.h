// A generation: the workers that were started with one configuration, a place for each slot. A
// reload makes the next one beside the one that serves; when it is ready the older one leaves.
#pragma once

#include "common/scoreboard.h"
#include "common/unique_fd.h"
#include "supervisor/cover.h"
#include "supervisor/scaling.h"
#include "supervisor/start/configuration.h"
#include "supervisor/worker_slot.h"

#include <cstdint>
#include <vector>

namespace fsrv {

struct Worker {
    WorkerSlot slot;
    unsigned score = kNoScore; // slot of the scoreboard, while there is a process
    UniqueFd control;          // none: no process, or it closed its end
    CoreUse core_use = {};     // while the server is elastic
    unsigned useless = 0;      // messages that make no sense
    bool wants_drain = false;  // to be sent, as soon as the channel takes it
    bool wants_log = false;
    bool has_left = false; // while stopping: it has closed its sockets

    // False: this slot is to have no worker, and has none.
    bool is_wanted() const { return slot.state() != SlotState::gone; }
};

struct Generation {
    // `wanted` of the slots, the first ones, are to have a worker.
    Generation(unsigned number, Configuration config, unsigned slots, unsigned wanted);

    std::uint64_t grace_ms() const;
    std::uint64_t hang_timeout_ms() const;
    WorkerSlot new_slot() const; // waiting for its first worker
    unsigned count(SlotState state) const;
    unsigned wanted() const;
    unsigned serving() const;
    bool all_had_their_chance() const; // of the wanted: as WorkerSlot has it
    bool was_ever_ready() const;       // some of it
    std::uint64_t next_deadline() const;
    // When nobody serves and nobody is on the way, the pause after repeated deaths would be
    // everybody's: the first one to come need not wait for all of it.
    void hurry_when_alone();
    Worker* find(pid_t pid);
    unsigned index_of(const Worker& worker) const;

    unsigned number;
    Configuration config;
    std::vector<Worker> workers;
    CoverLedger ledger;
};

} // namespace fsrv
