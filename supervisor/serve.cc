#include "supervisor/serve.h"

#include "common/client_table.h"
#include "common/log.h"
#include "common/options.h"
#include "supervisor/ctl/control_client.h"
#include "supervisor/ctl/control_socket.h"
#include "supervisor/look_again.h"
#include "supervisor/process_ops.h"
#include "supervisor/sockets/admin_listener.h"
#include "supervisor/sockets/listen_sockets.h"
#include "supervisor/sockets/offered_sockets.h"
#include "supervisor/sockets/unix_listener.h"
#include "supervisor/start/announce.h"
#include "supervisor/start/configuration.h"
#include "supervisor/start/handover.h"
#include "supervisor/start/hash_password.h"
#include "supervisor/start/lasting_tls.h"
#include "supervisor/start/origin.h"
#include "supervisor/start/pid_file.h"
#include "supervisor/start/sign_url.h"
#include "supervisor/start/start_calls.h"
#include "supervisor/start/start_limits.h"
#include "supervisor/start/start_state.h"
#include "supervisor/start/start_warnings.h"
#include "supervisor/successor.h"
#include "supervisor/supervisor.h"
#include "supervisor/terminal.h"

#include <algorithm>
#include <climits>
#include <ctime>
#include <fmt/format.h>
#include <unistd.h>

namespace fsrv {
namespace {

int fail(const StartError& error) {
    print_failure(error.message);
    return error.exit_status;
}

int fail(const StartError& error, ServiceManager& manager) {
    manager.failed(error.message, error.error);
    return fail(error);
}

std::vector<std::string> urls_of(const ListenSockets& sockets, bool speaks_tls) {
    std::vector<std::string> urls =
        urls_to_show(sockets.addresses(), machine_addresses(), speaks_tls ? "https" : "http");
    for (const std::string& name : sockets.unix_names()) urls.push_back("unix:" + name);
    return urls;
}

// Where a group is named it is for it, so that a proxy can be let in and nobody else.
UnixPlace unix_place(const Configuration& config) {
    const Options& options = config.options;
    UnixPlace place{.path = options.unix_path,
                    .mode = options.unix_mode.value_or(options.group.empty() ? 0666 : 0660)};
    if (config.credentials) place.group = config.credentials->gid;
    return place;
}

// All names and addresses that it can be reached by.
CertificateSubject subject_of(const ListenSockets& sockets, const Options& options) {
    CertificateSubject subject{.names = {"localhost"}, .addresses = {"127.0.0.1", "::1"}};
    char host[HOST_NAME_MAX + 1] = {};
    if (gethostname(host, sizeof host - 1) == 0) subject.names.emplace_back(host);
    for (const std::string& name : options.server_names)
        if (name != "*") subject.names.push_back(name);
    const auto add = [&](const Address& address) {
        subject.addresses.push_back(address_text(address));
    };
    bool all = false;
    for (const Address& address : sockets.addresses())
        address.is_any() ? void(all = true) : add(address);
    if (all) std::ranges::for_each(machine_addresses(), add);
    return subject;
}

std::uint64_t monotonic_us() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
           static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

int serve(const Origin& origin, const Terminal& terminal, Configuration config, PidFile pid_file,
          Offer offer, Inheritance inheritance, ServiceManager& manager, WorkerMain worker_main) {
    auto& predecessor = inheritance.predecessor;
    const bool is_upgrade = predecessor.has_value();
    const auto give_up = [&](const StartError& error) {
        if (predecessor) predecessor->tell_failed(error.message);
        return fail(error, manager);
    };
    if (!config.root.warning.empty()) log_warn("{}", config.root.warning);
    if (auto ok = pid_file.check_free(); !ok) return give_up(ok.error());
    if (!offer.problem.empty()) return give_up({kExitBind, std::move(offer.problem)});
    std::vector<OfferedSocket>& offered = predecessor ? inheritance.sockets : offer.sockets;
    const std::size_t count = offered.size();
    const Options& options = config.options;
    const unsigned slots = options.workers.most;
    auto sockets = ListenSockets::open({.hosts = options.host,
                                        .port = options.port,
                                        .redirect_port = options.redirect_port,
                                        .unix_socket = unix_place(config),
                                        .slots = slots,
                                        .offered = std::move(offered)});
    if (!sockets) return give_up(sockets.error());
    if (sockets->activated())
        log_info("accepting on {} sockets of the service manager; --host and --port bind none",
                 count);

    const std::string control_name = control_path(options, getenv("RUNTIME_DIRECTORY"));
    std::optional<ControlSocket> control;
    if (!control_name.empty()) {
        auto opened = inheritance.control
                          ? ControlSocket::adopt(std::move(inheritance.control), control_name)
                          : ControlSocket::open(control_name);
        if (!opened) return give_up(opened.error());
        control = std::move(*opened);
    }
    std::optional<AdminListener> admin;
    if (!options.admin.empty()) {
        auto listener = AdminListener::open(options.admin, std::move(inheritance.admin));
        if (!listener) return give_up(listener.error());
        admin = std::move(*listener);
        log_info("health, figures and status at {}", admin->url());
    }
    ClientTable clients;
    clients.inherit(std::move(inheritance.clients));
    LastingTls lasting(inheritance.tls);
    inheritance.tls.reset();
    lasting.set_subject([&](const Options& o) { return subject_of(*sockets, o); });
    const CompleteTls complete = [&](const Options& wanted, LoadedTls& tls) {
        return lasting.complete(wanted, tls, wall_now().seconds, monotonic_ms());
    };
    if (config.tls) {
        if (auto ok = complete(options, *config.tls); !ok)
            return give_up({kExitFailure, std::move(ok.error())});
    }
    for (const std::string& warning : config.warnings()) log_warn("{}", warning);
    for (const std::string& warning :
         start_warnings(options, geteuid() == 0, unix_place(config).mode))
        log_warn("{}", warning);
    // Every name is absolute or open by now; the folder we were started in can be unmounted.
    if (chdir("/") != 0) log_warn("chdir to /: {}", errno_text(errno));

    SystemProcessOps ops(terminal);
    Supervisor supervisor(
        {.config = std::move(config),
         .sockets = *sockets,
         .slots = slots,
         .admin = admin ? &*admin : nullptr,
         .worker_main = worker_main,
         .control = control ? &*control : nullptr,
         .load =
             [&](const Options& running) {
                 return load_again(ops, origin, running, slots, complete);
             },
         .open_log = [&](const std::string& path) { return open_log_again(ops, path); },
         .look_at_tls =
             [&](const Options& running, const std::string& known) {
                 return look_at_tls(ops, origin, running, known, complete);
             },
         .tickets = &lasting.tickets(),
         .clients = &clients,
         .predecessor = std::move(predecessor),
         .start_successor = [&]() -> Result<Successor, std::string> {
             auto handed = sockets->for_successor();
             if (admin)
                 for (const int fd : admin->fds())
                     handed.push_back({.fd = fd, .name = std::string(kAdminSocket)});
             const UniqueFd tls = lasting.for_successor();
             if (tls) handed.push_back({.fd = tls.get(), .name = std::string(kTlsParcel)});
             if (clients.fd() >= 0)
                 handed.push_back({.fd = clients.fd(), .name = std::string(kClientMemory)});
             return start_successor(
                 ops, origin, manager.environment(),
                 {.sockets = std::move(handed), .control = control ? control->fd() : -1});
         },
         .on_handing_over =
             [&](pid_t successor) { manager.send(fmt::format("MAINPID={}", successor)); },
         .in_child =
             [&] {
                 pid_file.let_go();
                 lasting.forget_made();
             },
         .before_taking_over = [&] { return pid_file.make(getpid()); },
         .on_started =
             [&](unsigned ready, unsigned wanted) {
                 if (auto ok = pid_file.write(getpid()); !ok) {
                     log_error("{}", ok.error());
                     if (!is_upgrade) return false; // else there is nobody left to serve instead
                 }
                 manager.ready(getpid(), {.ready = ready, .wanted = wanted});
                 const Configuration& current = supervisor.current().config;
                 const std::vector<std::string> urls = urls_of(*sockets, current.tls.has_value());
                 print_for_person(start_line({.root = current.root.path,
                                              .urls = urls,
                                              .ready = ready,
                                              .workers = wanted,
                                              .pid = getpid()}));
                 if (current.options.makes_certificate())
                     print_for_person("fsrv: SHA-256 fingerprint of its certificate: " +
                                      lasting.made_fingerprint());
                 return true;
             },
         .on_reloading =
             [&] {
                 manager.send(fmt::format("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=reloading",
                                          monotonic_us()));
             },
         .on_reloaded =
             [&](std::string_view status) {
                 manager.send(fmt::format("READY=1\nSTATUS={}", status));
             },
         .on_stopping =
             [&](std::uint64_t within_ms) {
                 pid_file.let_go();
                 manager.stopping(within_ms, ops.now_ms());
             },
         .on_turn = [&](const Health& health,
                        std::uint64_t now) { return manager.on_turn(health, now); }},
        ops);
    return supervisor.run();
}

} // namespace

int fsrv_main(int argc, const char* const* argv, WorkerMain worker_main, ShownName shown_name,
              LinkPath link_path) {
    open_standard_fds();
    Offer offer = take_offer();
    Inheritance inheritance = take_inheritance();
    const StartState before = clean_start_state(std::max(
        kFirstOfferedFd + static_cast<int>(offer.sockets.size()), inheritance.first_free_fd));
    log_init();
    if (!inheritance.problem.empty()) return fail({kExitUsage, std::move(inheritance.problem)});
    const auto give_up = [&](const StartError& error) {
        if (inheritance.predecessor) inheritance.predecessor->tell_failed(error.message);
        return fail(error);
    };
    const Origin origin = find_origin(argc, argv, environ);
    auto invocation = parse_invocation(argc, argv, environ);
    if (!invocation) return give_up({kExitUsage, std::move(invocation.error().message)});
    const Options& options = invocation->options;
    if (invocation->action != Action::serve) release_signals();
    if (invocation->action != Action::ctl)
        for (const std::string& warning : invocation->warnings) log_warn("{}", warning);
    switch (invocation->action) {
    case Action::dump_config:
    case Action::print_and_exit: return print_output(invocation->output);
    case Action::ctl:
        return run_ctl(invocation->command, control_path(options, getenv("RUNTIME_DIRECTORY")),
                       shown_name);
    case Action::sign: return run_sign(options, invocation->places, invocation->link, link_path);
    case Action::hash_password: return run_hash_password(invocation->command);
    case Action::check:
    case Action::serve: break;
    }
    log_set_level(options.log_level);
    if (invocation->action == Action::serve) {
        if (auto ok = check_calls(); !ok) return give_up(ok.error());
        warn_of_few_files();
        tell_of_control_group(options);
    }
    auto config = check_configuration(options);
    if (config && !inheritance.predecessor)
        if (auto ok = check_places(options, control_path(options, getenv("RUNTIME_DIRECTORY")));
            !ok)
            config = unexpected(std::move(ok.error()));
    auto pid_file = PidFile::prepare(options.pid_file);
    if (invocation->action == Action::check) {
        if (config)
            for (const std::string& warning : config->warnings()) log_warn("{}", warning);
        if (!config) return fail(placed(config.error(), invocation->places));
        if (!pid_file) return fail(placed(pid_file.error(), invocation->places));
        return print_output("fsrv: configuration is fine\n");
    }
    ServiceManager manager = ServiceManager::from_environment();
    if (config && pid_file) config = open_configuration(options);
    if (!config || !pid_file) {
        const StartError error =
            placed(config ? pid_file.error() : config.error(), invocation->places);
        manager.failed(error.message, error.error);
        return give_up(error);
    }
    return serve(origin, Terminal(before.ignored_hangup), std::move(*config), std::move(*pid_file),
                 std::move(offer), std::move(inheritance), manager, worker_main);
}

} // namespace fsrv
