#include "supervisor/errand.h"

#include "common/heritage.h"
#include "common/log.h"
#include "common/passed_fd.h"
#include "supervisor/start/start_state.h"

#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace fsrv {
namespace {

// A datagram is a letter, and what belongs to it.
constexpr char kPlace = 'p'; // what it looks at next
constexpr char kError = 'e'; // that is all, and it went wrong
constexpr char kPart = 'a';  // of the text that is under way
constexpr char kText = 't';  // the last part of it
constexpr char kFd = 'f';    // with a descriptor
constexpr char kThatIsAll = 'z';
constexpr std::size_t kMaxPart = 32 * 1024; // bytes

bool send_one(int channel, char letter, std::string_view text, int fd = -1) {
    iovec parts[2] = {{&letter, 1}, {const_cast<char*>(text.data()), text.size()}};
    msghdr header{};
    header.msg_iov = parts;
    header.msg_iovlen = 2;
    PassedFd passed;
    if (fd >= 0) passed.put(header, fd);
    ssize_t sent = -1;
    do sent = sendmsg(channel, &header, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

void send_all(int channel, const Luggage& luggage) {
    if (!luggage.error.empty()) {
        send_one(channel, kError, std::string_view(luggage.error).substr(0, kMaxPart));
        return;
    }
    for (std::string_view text : luggage.texts) {
        for (; text.size() > kMaxPart; text.remove_prefix(kMaxPart))
            send_one(channel, kPart, text.substr(0, kMaxPart));
        send_one(channel, kText, text);
    }
    for (const UniqueFd& fd : luggage.fds) send_one(channel, kFd, {}, fd.get());
    send_one(channel, kThatIsAll, {});
}

// The channel, alone: where the errand hangs for good it shall hold no socket of ours open.
UniqueFd close_all_but(UniqueFd channel) {
    constexpr int kFirst = 3;
    if (channel.get() != kFirst && dup2(channel.get(), kFirst) == kFirst) channel.reset(kFirst);
    close_from(channel.get() + 1);
    return channel;
}

} // namespace

Result<std::unique_ptr<Errand>, std::string> Errand::start(ProcessOps& ops, const Body& body) {
    int ends[2] = {-1, -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return unexpected("no process to look: " + errno_text(errno));
    UniqueFd ours(ends[0]);
    if (fcntl(ours.get(), F_SETFL, O_NONBLOCK) != 0)
        return unexpected("no process to look: " + errno_text(errno));
    const pid_t parent = getpid();
    const auto pid = ops.spawn(UniqueFd(ends[1]), [&](UniqueFd channel) {
        ::prctl(PR_SET_NAME, "fsrv-errand"); // who looks at the processes sees that it is no worker
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) return kExitFailure;
        channel = close_all_but(std::move(channel));
        send_all(channel.get(), body([&](std::string_view place) {
                     send_one(channel.get(), kPlace, place.substr(0, kMaxPart));
                 }));
        return kExitOk;
    });
    if (!pid) return unexpected("no process to look: " + errno_text(pid.error().code));
    return std::unique_ptr<Errand>(new Errand(ops, *pid, std::move(ours)));
}

Errand::~Errand() {
    if (channel_ && !reaped_) ops_.kill(pid_, SIGKILL);
}

std::optional<Luggage> Errand::failed(std::string why) {
    if (!reaped_) ops_.kill(pid_, SIGKILL);
    channel_.reset();
    Luggage nothing;
    nothing.error = std::move(why);
    return nothing;
}

std::optional<Luggage> Errand::look(std::uint64_t now) {
    for (;;) {
        char bytes[1 + kMaxPart];
        iovec part{bytes, sizeof bytes};
        msghdr header{};
        header.msg_iov = &part;
        header.msg_iovlen = 1;
        PassedFd passed;
        passed.make_room(header);
        const ssize_t size = recvmsg(channel_.get(), &header, MSG_CMSG_CLOEXEC);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0 && errno == EAGAIN) break;
        if (size <= 0)
            return failed(place_.empty()
                              ? "the process that was to look has died"
                              : fmt::format("the process that looked at {} has died", place_));
        UniqueFd fd = PassedFd::take(header);
        const std::string_view text(bytes + 1, static_cast<std::size_t>(size) - 1);
        switch (bytes[0]) {
        case kPlace: place_ = text; break;
        case kError: return failed(std::string(text));
        case kPart:
        case kText:
            if (is_new_text_) luggage_.texts.emplace_back();
            luggage_.texts.back() += text;
            is_new_text_ = bytes[0] == kText;
            break;
        case kFd: luggage_.fds.push_back(std::move(fd)); break;
        case kThatIsAll: channel_.reset(); return std::move(luggage_);
        default: return failed("the process that looks talks nonsense");
        }
    }
    if (now < due_) return std::nullopt;
    return failed(fmt::format("{} does not answer within {} s: its file system may hang",
                              place_.empty() ? "the system" : place_, kErrandMs / 1000));
}

} // namespace fsrv
