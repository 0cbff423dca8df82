// What a process has from whoever started it, and should not have. Called first thing in main,
// before anything opens a descriptor; needs no log. A failure ends the process with status 1.
#pragma once

namespace fsrv {

// Descriptors 0 to 2 that are closed become /dev/null: else the first socket would be number 2, and
// the log would go to a client.
void open_standard_fds();

// Closes every descriptor from `first` on.
void close_from(int first);

// What is not as it was, and matters later.
struct StartState {
    bool ignored_hangup = false; // SIGHUP, as nohup has it
};

// Descriptors from `first_to_close` up are closed. Signals that were ignored are at their default
// again (SIGCHLD among them), except SIGPIPE and SIGXFSZ, which are ignored: a dead reader and a
// full log are errors of a write, not the end. hold_signals() is done. umask is 0027: logs name
// clients, so others do not read them (pid file and Unix socket set their own mode). The limit of
// open files is raised as far as it may be. NOTIFY_SOCKET and WATCHDOG_* stay in the environment;
// whoever wants them takes them.
StartState clean_start_state(int first_to_close = 3);

} // namespace fsrv
