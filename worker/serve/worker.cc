#include "worker/serve/worker.h"

#include "common/check.h"
#include "common/control.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/pacing.h"
#include "worker/http/secret_query.h"
#include "worker/loop/first_threads.h"
#include "worker/loop/terminate_signal.h"

#include <algorithm>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace fsrv::serve {
namespace {

std::size_t usable_files(const Heritage& heritage) {
    const std::size_t reserved = limits::kReservedFds + heritage.sockets.size();
    const std::size_t allowed = heritage.budgets.open_files;
    return allowed > reserved ? allowed - reserved : 0;
}

std::size_t coded_bytes(const Heritage& heritage) {
    if (heritage.options->compress == Compression::off) return 0;
    return static_cast<std::size_t>(heritage.budgets.cache_bytes) / limits::kCodedShare;
}

exchange::FileCache::Bounds cache_bounds(const Heritage& heritage) {
    const Options& options = *heritage.options;
    if (options.io != IoMode::automatic) return {};
    return {.files = std::min<std::size_t>(options.cache_files, usable_files(heritage) / 2),
            .bytes =
                static_cast<std::size_t>(heritage.budgets.cache_bytes) - coded_bytes(heritage)};
}

std::size_t connection_limit(const Heritage& heritage) {
    if (heritage.options->max_connections > 0) return heritage.options->max_connections;
    const std::size_t files = usable_files(heritage) - cache_bounds(heritage).files;
    return std::max<std::size_t>(files / 2, 1); // a socket and a file each
}

std::uint64_t silence_of(const Options& options) {
    return std::max(static_cast<std::uint64_t>(options.stall_timeout.count()),
                    limits::kLeastSilenceMs);
}

std::uint64_t random_key() {
    std::uint64_t key = monotonic_ms(); // should the kernel have no entropy yet
    [[maybe_unused]] const ssize_t n = ::getrandom(&key, sizeof key, GRND_NONBLOCK);
    return key;
}

std::unique_ptr<log::LogWriter> log_writer(Heritage& heritage) {
    if (!heritage.access_log) return nullptr;
    const loop::NoThreadsEndIt otherwise;
    return std::make_unique<log::LogWriter>(std::move(heritage.access_log));
}

bool any_is_paced(std::span<const ListenSocket> sockets) {
    return std::any_of(sockets.begin(), sockets.end(),
                       [](const ListenSocket& socket) { return is_paced(socket.fd); });
}

std::optional<access::Site> site_of(const Options& options) {
    if (!options.rules.any()) return std::nullopt;
    return std::optional<access::Site>(std::in_place, options);
}

std::optional<exchange::ClientLimits> limits_of_clients(const Heritage& heritage,
                                                        const exchange::Iteration& iteration) {
    if (!heritage.clients || !heritage.options->limits_clients()) return std::nullopt;
    return std::optional<exchange::ClientLimits>(
        std::in_place, *heritage.clients, *heritage.options, iteration, *heritage.score,
        heritage.options->rules.have_rates(), random_key() | 1);
}

// States with an answer that is being sent.
constexpr std::array kAnswering{session::State::sending, session::State::throttled,
                                session::State::following, session::State::paused};

session::Connection& connection_of(session::Member& member) {
    return static_cast<session::Connection&>(member); // the door makes no others
}

} // namespace

Worker::Worker(Heritage heritage, const content::LocalStore& store, Surroundings surroundings)
    : heritage_(std::move(heritage)),
      store_(store),
      plan_config_{.max_ranges = options().max_ranges, .boundary_key = random_key()},
      ending_{.announced = heritage_.stop_announced},
      pool_({.threads = options().threads,
             .silence_ms = silence_of(options()),
             .on_change = [this](dev_t device, bool ill) { tell_of_device(device, ill); }}),
      chunks_(heritage_.budgets.big_chunks),
      lent_places_(usable_files(heritage_) / limits::kLentShare),
      tls_(std::move(surroundings.tls)),
      names_(options().server_names, iteration_),
      mounts_(std::move(surroundings.mounts)),
      cache_(store, cache_bounds(heritage_), {.low = random_key(), .high = random_key()}),
      codings_({.kept_bytes = coded_bytes(heritage_), .threads = options().threads}),
      digests_(store.known_digests(), pool_, closer_),
      log_(log_writer(heritage_)),
      client_limits_(limits_of_clients(heritage_, iteration_)),
      connections_(connection_limit(heritage_)),
      followers_(std::max<std::size_t>(connections_.most() / limits::kFollowShare, 1), iteration_),
      inquiries_(static_cast<std::size_t>(options().max_header_size), closer_),
      site_(site_of(options())),
      exchanges_{.options = options(),
                 .iteration = iteration_,
                 .ending = ending_,
                 .names = names_,
                 .cache = cache_,
                 .lookups = {.store = store_,
                             .mounts = mounts_,
                             .pool = pool_,
                             .cache = cache_,
                             .plan_config = plan_config_,
                             .io = options().io,
                             .server_header = options().server_header,
                             .codings = &codings_,
                             .digests = &digests_},
                 .gate = nullptr,
                 .generation = heritage_.generation,
                 .rules_since = heritage_.rules_since,
                 .bodies = {.iteration = iteration_,
                            .chunks = chunks_,
                            .page_cache = page_cache_,
                            .pool = pool_,
                            .closer = &closer_,
                            .score = score(),
                            .io = options().io,
                            .lent_places = &lent_places_},
                 .score = score(),
                 .log_lines = log::LogLines(options().log_format),
                 .log = log_.get(),
                 .client_limits = client_limits_ ? &*client_limits_ : nullptr,
                 .followers = &followers_},
      sessions_{.options = options(),
                .exchanges = exchanges_,
                .poller = poller_,
                .connections = connections_,
                .turns = turns_,
                .inquiries = inquiries_,
                .lender = lender_,
                .tls = tls_.get(),
                .swift_places = swift_places_,
                .http2_out = http2_out_,
                .split_heads = split_heads_,
                .scratch = scratch_,
                .listing_room = std::min<std::uint64_t>(limits::kListingRoomBytes,
                                                        heritage_.budgets.listing_bytes / 4),
                .most_queued_bytes = surroundings.most_queued_bytes,
                .paced = any_is_paced(heritage_.sockets)},
      door_(sessions_, heritage_.sockets, heritage_.slot),
      transfer_board_(score()) {
    if (!site_) return;
    gate_.emplace(*site_, *heritage_.access, options().jwt_audience, pool_,
                  exchange::FailureBudget{.clients = heritage_.clients,
                                          .per_minute = options().auth_failures,
                                          .iteration = iteration_});
    exchanges_.gate = &*gate_;
}

int Worker::run() {
    if (const auto ready = pool_.keep_ready(store_.root_device()); !ready) {
        log_debug("slot={} no thread for --threads {}: {}", heritage_.slot, options().threads,
                  errno_text(ready.error().code));
        return kExitTasks;
    }
    loop_.update_time();
    iteration_.begin(loop_.now_ms());
    start_handles();
    door_.serve_slot(heritage_.slot, true);
    door_.serve_slot(kSharedSlot, true);
    // Nobody there to hear it: the server was stopped again at once.
    if (!send_control(heritage_.control.get(), {.kind = ControlKind::ready})) drain_within_grace();
    while (!finished_) iterate();
    for (const CloseReason reason :
         {CloseReason::file_changed, CloseReason::too_slow, CloseReason::internal}) {
        if (const auto count = score().value(Metric::closed, to_label(reason)); count > 0) {
            log_info("slot={} closed {} connections: {}", heritage_.slot, count, name_of(reason));
        }
    }
    if (log_ && !log_->stop(1000)) {
        log_error("slot={} the access log does not take its last lines; they are lost",
                  heritage_.slot);
        ::_exit(kExitOk); // the thread hangs in a write: nothing may be destroyed under it
    }
    report_log_trouble();
    return kExitOk;
}

void Worker::iterate() {
    turns_.give();
    loop_.wait(poller_, turns_.empty());
    iteration_.begin(loop_.now_ms());
    loop_.dispatch(poller_);
    connections_.destroy_buried();
    on_iteration_end();
}

void Worker::start_handles() {
    timer_.emplace(loop_).start(0, limits::kTickMs, [this] { on_timer(); });
    if (client_limits_) throttle_timer_.emplace(loop_);
    control_.emplace(loop_, heritage_.control.get())
        .start({.readable = true}, [this](loop::Readiness) { on_control(); });
    if (mounts_.fd() >= 0 && mount_changes_.emplace(loop_, mounts_.fd()))
        mount_changes_->start({.exceptional = true},
                              [this](loop::Readiness) { mounts_.refresh(); });
    terminate_.emplace(loop_, loop::terminate_event_fd())
        .start({.readable = true}, [this](loop::Readiness) {
            terminate_->stop();
            drain_within_grace();
        });
    const bool watched = poller_.watch_edges(pool_.wake_fd(), pool_waker_) && loop_.join(poller_);
    FSRV_CHECK(watched, "the loop cannot be polled");
}

void Worker::close_handles() {
    timer_.reset();
    throttle_timer_.reset();
    control_.reset();
    terminate_.reset();
    mount_changes_.reset();
}

void Worker::on_control() {
    for (unsigned i = 0; i < 16; ++i) {
        Received received = receive_control(heritage_.control.get());
        switch (received.status) {
        case ReceiveStatus::nothing: return;
        case ReceiveStatus::malformed: break;
        case ReceiveStatus::closed:
            log_warn("slot={} the supervisor is gone: finishing what is under way", heritage_.slot);
            control_->stop();
            drain_within_grace();
            return;
        case ReceiveStatus::message: {
            const auto slot = static_cast<unsigned>(received.message.value);
            switch (received.message.kind) {
            case ControlKind::serve: door_.serve_slot(slot, true); break;
            case ControlKind::unserve: door_.serve_slot(slot, false); break;
            case ControlKind::drain: drain(received.message.value); break;
            case ControlKind::retire: retire(received.message.value); break;
            case ControlKind::log_file:
                if (log_ && received.fd) log_->replace(std::move(received.fd));
                break;
            case ControlKind::ready:
            case ControlKind::leaving: break;
            }
        }
        }
    }
}

void Worker::on_timer() {
    const std::uint64_t now = now_ms();
    pool_.tick();
    store_.drop_old_listings();
    cache_.tidy(now);
    publish_figures();
    door_.tick();
    followers_.look();
    connections_.sweep(deadlines(), now);
    if (now - ticked_ms_ >= limits::kTickMs) {
        ticked_ms_ = now;
        for (const session::State state : kAnswering)
            connections_.for_each(
                state, [now](session::Member& member) { connection_of(member).on_tick(now); });
    }
    if (ending_.draining && drain_deadline_ms_ != 0 && now >= drain_deadline_ms_) cut_the_rest();
    if (now - log_report_ms_ >= limits::kTroubleReportMs || log_trouble_.lines() == 0)
        report_log_trouble();
    const std::uint64_t wanted_ms =
        connections_.count() > 0 || ending_.draining ? limits::kSweepMs : limits::kTickMs;
    timer_->repeat_every(wanted_ms);
    timer_due_ms_ = now + wanted_ms;
}

session::Deadlines Worker::deadlines() const {
    const Options& o = options();
    const auto ms = [](Millis time) { return static_cast<std::uint64_t>(time.count()); };
    session::Deadlines deadlines;
    deadlines[session::State::accepted] =
        ending_.of_server() ? std::min(ms(o.header_timeout), limits::kDrainFreshMs)
                            : ms(o.header_timeout);
    deadlines[session::State::handshaking] = deadlines[session::State::accepted];
    deadlines[session::State::idle] = ms(o.idle_timeout);
    deadlines[session::State::reading_head] = ms(o.header_timeout);
    deadlines[session::State::preparing] = limits::kLookUpMs;
    deadlines[session::State::sending] = ms(o.stall_timeout);
    deadlines[session::State::throttled] = session::Deadlines::kNever;
    deadlines[session::State::following] = session::Deadlines::kNever;
    deadlines[session::State::paused] = ms(o.pause_timeout);
    deadlines[session::State::skipping_body] = ms(o.header_timeout);
    deadlines[session::State::lingering] = limits::kLingerMs;
    deadlines[session::State::closing] = session::Deadlines::kNever;
    return deadlines;
}

// The heartbeat, and what is a state rather than an event. Lists have their length at hand.
void Worker::publish_figures() {
    const std::uint64_t real_now = monotonic_ms();
    ScoreSlot& figures = score();
    figures.tick_ms.store(real_now, std::memory_order_relaxed);
    if (timer_due_ms_ != 0) {
        const std::uint64_t late = real_now > timer_due_ms_ ? real_now - timer_due_ms_ : 0;
        figures.observe(Metric::loop_lag, late);
        const std::uint64_t faded = figures.lag_ms.load(std::memory_order_relaxed) * 7 / 8;
        figures.lag_ms.store(std::max(late, faded), std::memory_order_relaxed);
    }
    figures.set(Metric::connections, connections_.count());
    figures.set(Metric::connection_limit, connections_.most());
    figures.set(Metric::active_downloads, connections_.count(session::State::sending) +
                                              connections_.count(session::State::throttled));
    figures.set(Metric::throttled_downloads, connections_.count(session::State::throttled));
    figures.set(Metric::followed_downloads, followers_.count());
    figures.set(Metric::active_requests, connections_.count(session::State::preparing) +
                                             connections_.count(session::State::sending));
    figures.set(Metric::paused_downloads, connections_.count(session::State::paused));
    figures.set(Metric::pool_jobs, pool_.jobs());
    figures.set(Metric::ill_devices, pool_.ill_devices());
    if (!transfer_board_.due(real_now)) return;
    for (const session::State state : kAnswering)
        connections_.for_each(state, [this](session::Member& member) {
            transfer_board_.consider(connection_of(member), now_ms());
        });
    transfer_board_.show(real_now);
}

void Worker::tell_of_device(dev_t device, bool ill) const {
    const std::string name = fmt::format("{}:{}", gnu_dev_major(device), gnu_dev_minor(device));
    if (ill)
        log_warn(
            "slot={} device {} has not answered for {} ms: 503 for what is on it, until it does",
            heritage_.slot, name, silence_of(options()));
    else
        log_info("slot={} device {} answers again", heritage_.slot, name);
}

void Worker::report_log_trouble() {
    if (!log_) return;
    const log::LogTrouble trouble = log_->take_trouble();
    log_trouble_.add(trouble);
    score().count(Metric::lost_log_lines, trouble.lines());
    const bool due = log_report_ms_ == 0 || now_ms() - log_report_ms_ >= limits::kTroubleReportMs;
    if (log_trouble_.lines() == 0 || !due) return;
    log_warn("slot={} the access log lost {}", heritage_.slot, log_trouble_.text());
    log_trouble_ = {};
    log_report_ms_ = now_ms();
}

// Rations that are due are given at the time that their throttle says, which is another one often.
void Worker::wake_throttled() {
    exchange::Throttle* const throttle = client_limits_ ? client_limits_->throttle() : nullptr;
    if (!throttle || throttle->next_due_ms() == throttle_due_ms_ || !throttle_timer_) return;
    throttle_due_ms_ = throttle->next_due_ms();
    if (throttle_due_ms_ == exchange::Throttle::kNever) {
        throttle_timer_->stop();
        return;
    }
    const std::uint64_t wait_ms = throttle_due_ms_ > now_ms() ? throttle_due_ms_ - now_ms() : 0;
    throttle_timer_->start(wait_ms, 0, [this, throttle] {
        throttle_due_ms_ = exchange::Throttle::kNever;
        throttle->give();
    });
}

void Worker::on_iteration_end() {
    if (client_limits_) wake_throttled();
    if (log_) log_->flush();
    finish_if_drained();
}

// --grace 0 is at once; drain(0) would be without a limit.
void Worker::drain_within_grace() {
    drain(static_cast<std::uint64_t>(std::max<Millis::rep>(options().grace.count(), 1)));
}

void Worker::drain(std::uint64_t within_ms) {
    // Who is in the queue came before the end: take them in, then let the kernel refuse the next.
    if (!ending_.draining) door_.let_all_in();
    ending_.retiring = false;
    leave(within_ms);
}

void Worker::retire(std::uint64_t within_ms) {
    ending_.retiring = ending_.retiring || !ending_.draining;
    leave(within_ms);
}

void Worker::leave(std::uint64_t within_ms) {
    loop_.update_time();
    iteration_.begin(loop_.now_ms());
    const std::uint64_t deadline = within_ms == 0 ? 0 : now_ms() + within_ms;
    if (ending_.draining) { // a second word may only shorten it
        if (deadline != 0 && (drain_deadline_ms_ == 0 || deadline < drain_deadline_ms_))
            drain_deadline_ms_ = deadline;
        return;
    }
    ending_.draining = true;
    drain_deadline_ms_ = deadline;
    door_.shut();
    digests_.stop();
    // Somebody else may have asked for it (SIGTERM to this process): the neighbours take over.
    send_control(heritage_.control.get(), {.kind = ControlKind::leaving});
    connections_.let_idle_leave(CloseReason::drained);
    followers_.finish();
    timer_->start(0, limits::kSweepMs, [this] { on_timer(); });
}

void Worker::cut_the_rest() {
    for (unsigned s = 0; s < session::kStates; ++s) {
        const auto state = static_cast<session::State>(s);
        if (state == session::State::closing) continue;
        connections_.for_each(state, [&](session::Member& member) {
            const session::Connection& c = connection_of(member);
            c.for_each_answer([&](const exchange::Answer& answer) {
                if (answer.record.fields().request_line.empty()) return;
                log_info("slot={} conn={} client={} state={} cut, the grace is over: {}",
                         heritage_.slot, c.id(), answer.client.text(), name_of(state),
                         http::without_secrets(answer.record.fields().request_line));
            });
            member.close(CloseReason::grace_over);
        });
    }
    // What is still pending is with the pool, and a dead disk may never give it back.
    if (now_ms() < drain_deadline_ms_ + limits::kLastCallbacksMs) return;
    log_warn("slot={} {} reads never came back; exiting without them", heritage_.slot,
             pool_.jobs());
    if (log_) log_->stop(500);
    ::_exit(kExitOk);
}

// Jobs that nobody waits for any more get the time that late callbacks have.
void Worker::finish_if_drained() {
    if (!ending_.draining || finished_ || connections_.count() > 0) return;
    if (!pool_.is_idle()) {
        if (drain_deadline_ms_ == 0 || drain_deadline_ms_ > now_ms()) drain_deadline_ms_ = now_ms();
        return;
    }
    finished_ = true;
    close_handles();
}

} // namespace fsrv::serve
