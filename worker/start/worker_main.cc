#include "worker/start/worker_main.h"

#include "common/access.h"
#include "common/limits.h"
#include "common/log.h"
#include "worker/admin/admin_main.h"
#include "worker/content/store.h"
#include "worker/loop/terminate_signal.h"
#include "worker/serve/worker.h"
#include "worker/start/privileges.h"
#include "worker/start/sandbox.h"
#include "worker/wire/queue_bound.h"

#include <cstdlib>
#include <ctime>
#include <fcntl.h>
#include <unistd.h>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define FSRV_CHECKS_LEAKS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FSRV_CHECKS_LEAKS 1
#endif
#endif
#ifdef FSRV_CHECKS_LEAKS
#include <sanitizer/lsan_interface.h>
#endif

namespace fsrv {
namespace {

std::span<const Account> accounts_of(const Heritage& heritage) {
    if (heritage.access == nullptr) return {};
    return heritage.access->accounts;
}

bool lends_rights(const Heritage& heritage) {
    return !accounts_of(heritage).empty();
}

// All that lies outside the root has been read, and there is no thread yet.
bool lock_in(const Heritage& heritage) {
    const Options& options = *heritage.options;
    std::vector<int> listeners(heritage.admin_sockets.begin(), heritage.admin_sockets.end());
    for (const ListenSocket& socket : heritage.sockets) listeners.push_back(socket.fd);
    const SharedFds shared{.listeners = listeners,
                           .control = heritage.control.get(),
                           .accounts = accounts_of(heritage)};
    const auto sandbox =
        heritage.admin ? enter_sandbox(options.sandbox, kNoFiles, Symlinks::never, shared)
                       : enter_sandbox(options.sandbox, heritage.root_fd, options.symlinks, shared);
    if (!sandbox) {
        log_error("slot={} --sandbox on: {}", heritage.slot, sandbox.error());
        return false;
    }
    log_debug("slot={} sandbox: {}", heritage.slot, sandbox->text());
    if (!sandbox->missing.empty() && heritage.slot == 0 && !heritage.admin)
        log_info("--sandbox auto, without a part: {}", sandbox->missing);
    return true;
}

// The supervisor has looked with its own rights.
void warn_of_closed_root(const Heritage& heritage) {
    if (heritage.slot != 0 || may_access(heritage.root_fd, ".", X_OK)) return;
    log_warn(
        "user {} cannot serve \"{}\": {}; give it the right to enter it (chmod a+rx), or choose "
        "another --user",
        ::geteuid(), heritage.root_path, errno_text(errno));
}

int serve_until_drained(Heritage heritage) {
    const Options& options = *heritage.options;
    if (heritage.admin) {
        if (!lock_in(heritage)) return kExitUsage;
        return admin::admin_main(std::move(heritage), loop::terminate_event_fd());
    }
    warn_of_closed_root(heritage);
    content::MimeTypes mime;
    mime.load();
    const content::LocalStore store(
        {.root_fd = heritage.root_fd,
         .root_path = heritage.root_path,
         .root_name = options.root.starts_with('/') ? options.root : "",
         .listing = options.listing,
         .index = options.index,
         .hidden = options.hidden,
         .symlinks = options.symlinks,
         .in_place_writes = options.in_place_writes,
         .compress = options.compress == Compression::automatic,
         .precompressed = options.precompressed,
         .has_policy = options.rules.any(),
         .archive_limit = options.archive_limit,
         .max_listing_bytes = static_cast<std::size_t>(heritage.budgets.listing_bytes)},
        std::move(mime));
    serve::Surroundings surroundings{.mounts =
                                         content::Mounts(heritage.root_path, store.root_device()),
                                     .most_queued_bytes = wire::most_queued_bytes()};
    if (heritage.tls) {
        auto tls =
            wire::TlsContext::make({.material = *heritage.tls,
                                    .http2 = options.http2,
                                    .needs_certificate = !options.rules.name_certificates()});
        if (!tls) {
            log_error("slot={} TLS: {}", heritage.slot, tls.error());
            return kExitUsage;
        }
        surroundings.tls = *std::move(tls);
    }
    ::tzset(); // gmtime_r() wants to see /etc/localtime
    if (!lock_in(heritage)) return kExitUsage;
    serve::Worker worker(std::move(heritage), store, std::move(surroundings));
    return worker.run();
}

} // namespace

int worker_main(Heritage heritage) {
    const auto grace_seconds =
        static_cast<unsigned>((heritage.options->grace.count() + 999) / 1000);
    if (!loop::catch_terminate_signal(grace_seconds + limits::kAlarmMarginSeconds)) {
        log_error("slot={} cannot catch SIGTERM (eventfd2, rt_sigaction): {}", heritage.slot,
                  errno_text(errno));
        return kExitFailure;
    }
    if (const auto dropped = drop_privileges(heritage.credentials, lends_rights(heritage));
        !dropped) {
        log_error("slot={} cannot give up privileges: {}", heritage.slot, dropped.error());
        return kExitUsage;
    }
    if (!follow_into_death(heritage.supervisor_pid)) return kExitFailure;
    const int status = serve_until_drained(std::move(heritage));
#ifdef FSRV_CHECKS_LEAKS
    if (status != kExitOk) return status;
    if (__lsan_do_recoverable_leak_check() != 0) return kExitFailure; // _exit() would skip it
#endif
    return status;
}

} // namespace fsrv
