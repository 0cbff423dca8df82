#include "supervisor/serve.h"

#include "common/log.h"
#include "common/options.h"
#include "supervisor/access_log_file.h"
#include "supervisor/announce.h"
#include "supervisor/credentials.h"
#include "supervisor/listen_sockets.h"
#include "supervisor/notify.h"
#include "supervisor/offered_sockets.h"
#include "supervisor/pid_file.h"
#include "supervisor/process_ops.h"
#include "supervisor/served_root.h"
#include "supervisor/start_state.h"
#include "supervisor/supervisor.h"

#include <fmt/format.h>
#include <unistd.h>

namespace fsrv {
namespace {

int fail(const StartError& error) {
    print_for_person("fsrv: " + error.message);
    return error.exit_status;
}

int fail(const StartError& error, ServiceManager& manager) {
    manager.failed(error.message, error.error);
    return fail(error);
}

// A reader that has gone (`fsrv --help | head -1`) is not an error; one that could not be reached
// at all is.
int print(std::string_view text) {
    while (!text.empty()) {
        const ssize_t size = write(STDOUT_FILENO, text.data(), text.size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0 && errno == EPIPE) return kExitOk;
        if (size <= 0)
            return fail({kExitFailure,
                         fmt::format("cannot write to standard output: {}", errno_text(errno))});
        text.remove_prefix(static_cast<std::size_t>(size));
    }
    return kExitOk;
}

// All that can be known to be wrong before anything is bound, created or started.
struct Prepared {
    ServedRoot root;
    std::optional<Credentials> credentials;
    PidFile pid_file;
};

Result<Prepared, StartError> prepare(const Options& options) {
    auto root = open_root(options.root);
    if (!root) return unexpected(std::move(root.error()));
    auto credentials = look_up_credentials(options.user, options.group);
    if (!credentials) return unexpected(std::move(credentials.error()));
    if (auto ok = UnixListener::check_path(options.unix_path); !ok)
        return unexpected(std::move(ok.error()));
    if (auto ok = AccessLogFile::check(options.access_log); !ok)
        return unexpected(std::move(ok.error()));
    auto pid_file = PidFile::prepare(options.pid_file);
    if (!pid_file) return unexpected(std::move(pid_file.error()));
    return Prepared{std::move(*root), std::move(*credentials), std::move(*pid_file)};
}

std::vector<std::string> urls_of(const ListenSockets& sockets) {
    std::vector<std::string> urls = urls_to_show(sockets.addresses(), machine_addresses());
    for (const std::string& name : sockets.unix_names()) urls.push_back("unix:" + name);
    return urls;
}

int serve(const Options& options, Prepared prepared, Offer offer, ServiceManager& manager,
          WorkerMain worker_main) {
    if (!prepared.root.warning.empty()) log_warn("{}", prepared.root.warning);
    auto access_log = AccessLogFile::open(options.access_log);
    if (!access_log) return fail(access_log.error(), manager);
    if (!offer.problem.empty()) return fail({kExitBind, std::move(offer.problem)}, manager);
    if (!offer.sockets.empty())
        log_info("accepting on {} sockets of the service manager; --host and --port bind none",
                 offer.sockets.size());
    auto sockets = ListenSockets::open({.hosts = options.host,
                                        .port = options.port,
                                        .unix_path = options.unix_path,
                                        .slots = options.workers,
                                        .offered = std::move(offer.sockets)});
    if (!sockets) return fail(sockets.error(), manager);
    // Every name is absolute or open by now; the folder we were started in can be unmounted.
    if (chdir("/") != 0) log_warn("chdir to /: {}", errno_text(errno));

    SystemProcessOps ops;
    Supervisor supervisor(
        {.options = options,
         .sockets = *sockets,
         .access_log = *access_log,
         .root_fd = prepared.root.fd.get(),
         .root_path = prepared.root.path,
         .credentials = prepared.credentials,
         .worker_main = worker_main,
         .on_started =
             [&](unsigned ready) {
                 if (auto ok = prepared.pid_file.write(getpid()); !ok) {
                     log_error("{}", ok.error());
                     return false;
                 }
                 manager.ready(getpid(), {.ready = ready, .wanted = options.workers});
                 const std::vector<std::string> urls = urls_of(*sockets);
                 print_for_person(start_line({.root = prepared.root.path,
                                              .urls = urls,
                                              .ready = ready,
                                              .workers = options.workers,
                                              .pid = getpid()}));
                 return true;
             },
         .on_stopping = [&](std::uint64_t within_ms) { manager.stopping(within_ms, ops.now_ms()); },
         .on_turn = [&](const Health& health,
                        std::uint64_t now) { return manager.on_turn(health, now); }},
        ops);
    return supervisor.run();
}

} // namespace

int fsrv_main(int argc, const char* const* argv, WorkerMain worker_main) {
    open_standard_fds();
    Offer offer = take_offer();
    clean_start_state(kFirstOfferedFd + static_cast<int>(offer.sockets.size()));
    log_init();
    auto invocation = parse_invocation(argc, argv, environ);
    if (!invocation) return fail({kExitUsage, std::move(invocation.error().message)});
    const Options& options = invocation->options;
    switch (invocation->action) {
    case Action::dump_config:
    case Action::print_and_exit: return print(invocation->output);
    case Action::check:
    case Action::serve: break;
    }
    log_set_level(options.log_level);
    auto prepared = prepare(options);
    if (invocation->action == Action::check) {
        if (!prepared) return fail(prepared.error());
        return print("fsrv: configuration is fine\n");
    }
    ServiceManager manager = ServiceManager::from_environment();
    if (!prepared) return fail(prepared.error(), manager);
    return serve(options, std::move(*prepared), std::move(offer), manager, worker_main);
}

} // namespace fsrv
