// Socket activation: what is believed of LISTEN_*, which sockets are fit, who gets which.

#include "supervisor/sockets/offered_sockets.h"

#include "common/limits.h"
#include "supervisor/sockets/listen_sockets.h"
#include "tests/support/await.h"
#include "tests/support/files.h"

#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace fsrv {
namespace {

// The exit status of `body` in a child: its descriptors and variables are its own.
int in_child(const std::function<int()>& body) {
    const pid_t pid = fork();
    if (pid == 0) {
        for (int fd = 3; fd < 64; ++fd) close(fd);
        _exit(body());
    }
    const auto status = test::await_child(pid);
    return status && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
}

void set(const char* pid, const char* count, const char* names) {
    const std::string own = std::to_string(getpid());
    if (pid != nullptr) setenv("LISTEN_PID", *pid == 'o' ? own.c_str() : pid, 1);
    if (count != nullptr) setenv("LISTEN_FDS", count, 1);
    if (names != nullptr) setenv("LISTEN_FDNAMES", names, 1);
}

bool variables_are_gone() {
    return getenv("LISTEN_PID") == nullptr && getenv("LISTEN_FDS") == nullptr &&
           getenv("LISTEN_FDNAMES") == nullptr;
}

TEST(TakeOffer, TakesThoseOfThisProcessWithTheirNames) {
    struct Row {
        const char* names;
        std::vector<std::string> expected;
    };
    const Row table[] = {
        {"http:http", {"http", "http"}}, {"http:", {"http", ""}},
        {"http", {"http", ""}},          {nullptr, {"", ""}},
        {"a:b:c:d", {"a", "b"}},         {":::", {"", ""}},
    };
    for (const Row& row : table) {
        EXPECT_EQ(in_child([&] {
                      for (int i = 0; i < 2; ++i) open("/dev/null", O_RDONLY);
                      set("own", "2", row.names);
                      const Offer offer = take_offer();
                      if (!offer.problem.empty() || offer.sockets.size() != 2) return 1;
                      for (std::size_t i = 0; i < 2; ++i) {
                          if (offer.sockets[i].fd.get() != 3 + static_cast<int>(i)) return 2;
                          if (offer.sockets[i].name != row.expected[i]) return 3;
                      }
                      return variables_are_gone() ? 0 : 4;
                  }),
                  0)
            << (row.names != nullptr ? row.names : "no names");
    }
}

TEST(TakeOffer, WhatIsNotMeantForUsIsIgnored) {
    struct Row {
        const char *pid, *count;
    };
    const Row table[] = {{nullptr, nullptr}, {nullptr, "1"}, {"own", nullptr}, {"1", "1"},
                         {"", "1"},          {"x", "1"},     {"own", "0"},     {"-1", "9999"}};
    for (const Row& row : table) {
        EXPECT_EQ(in_child([&] {
                      open("/dev/null", O_RDONLY);
                      set(row.pid, row.count, "name");
                      const Offer offer = take_offer();
                      if (!offer.problem.empty() || !offer.sockets.empty()) return 1;
                      return variables_are_gone() && fcntl(3, F_GETFD) >= 0 ? 0 : 2;
                  }),
                  0)
            << (row.pid != nullptr ? row.pid : "none");
    }
}

TEST(TakeOffer, ACountThatCannotBeTrueIsAProblem) {
    for (const char* count : {"2", "9999", "4096", "-1", "", "1x", "99999999999999999999"}) {
        EXPECT_EQ(in_child([&] {
                      open("/dev/null", O_RDONLY);
                      set("own", count, nullptr);
                      const Offer offer = take_offer();
                      return offer.sockets.empty() &&
                                     offer.problem.find("LISTEN_FDS") != std::string::npos
                                 ? 0
                                 : 1;
                  }),
                  0)
            << count;
    }
}

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

std::uint16_t port_of(int fd) {
    sockaddr_in address{};
    socklen_t length = sizeof address;
    getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
    return ntohs(address.sin_port);
}

// As a socket unit with ReusePort=yes makes them: blocking, without our options.
UniqueFd tcp_socket(std::uint16_t port, int type = SOCK_STREAM, bool listens = true) {
    UniqueFd fd(socket(AF_INET, type, 0));
    const int on = 1;
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    const sockaddr_in address = loopback(port);
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listens ? listen(fd.get(), 64) : 0, 0);
    return fd;
}

UniqueFd unix_socket(const std::string& path, bool abstract = false) {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + (abstract ? 1 : 0), path.data(), path.size());
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), length), 0);
    EXPECT_EQ(listen(fd.get(), 64), 0);
    return fd;
}

std::vector<OfferedSocket> offer(std::vector<UniqueFd> fds) {
    std::vector<OfferedSocket> sockets;
    for (UniqueFd& fd : fds) sockets.push_back({.fd = std::move(fd), .name = "http"});
    return sockets;
}

template <class... Fds>
std::vector<UniqueFd> list(Fds... fds) {
    std::vector<UniqueFd> all;
    (all.push_back(std::move(fds)), ...);
    return all;
}

Result<ListenSockets, StartError> open_offered(std::vector<UniqueFd> fds, unsigned slots) {
    return ListenSockets::open(
        {.hosts = {}, .port = 8080, .slots = slots, .offered = offer(std::move(fds))});
}

int option(int fd, int level, int name) {
    int value = -1;
    socklen_t length = sizeof value;
    EXPECT_EQ(getsockopt(fd, level, name, &value, &length), 0);
    return value;
}

TEST(Adopt, AnAdoptedSocketIsAsOneOfOurOwn) {
    UniqueFd fd = tcp_socket(0);
    const std::uint16_t port = port_of(fd.get());
    const auto adopted = adopt({.fd = std::move(fd), .name = "http"});
    ASSERT_TRUE(adopted) << adopted.error().message;
    const int socket = adopted->fd.get();
    EXPECT_EQ(adopted->address.port(), port);
    EXPECT_TRUE(adopted->path.empty());
    EXPECT_NE(fcntl(socket, F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(fcntl(socket, F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_EQ(option(socket, IPPROTO_TCP, TCP_NODELAY), 1);
    EXPECT_EQ(option(socket, SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(option(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT), limits::kNotSentLowat);
    EXPECT_GT(option(socket, IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);
}

TEST(Adopt, AUnixSocketHasItsName) {
    const test::TempDir dir;
    const std::string path = (dir / "http.sock").string();
    const auto adopted = adopt({.fd = unix_socket(path), .name = {}});
    ASSERT_TRUE(adopted) << adopted.error().message;
    EXPECT_EQ(adopted->path, path);
    const std::string name = "fsrv-offered-" + std::to_string(getpid());
    const auto abstract = adopt({.fd = unix_socket(name, true), .name = {}});
    ASSERT_TRUE(abstract) << abstract.error().message;
    EXPECT_EQ(abstract->path.substr(0, name.size() + 1), "@" + name);
}

TEST(Adopt, WhatCannotBeServedIsRefusedWithAReason) {
    int ends[2], pair[2];
    ASSERT_EQ(pipe(ends), 0);
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    const UniqueFd other_end(pair[1]), writer(ends[1]);
    struct Row {
        UniqueFd fd;
        const char* reason;
    };
    Row table[] = {
        {UniqueFd(ends[0]), "no socket"},
        {UniqueFd(open("/dev/null", O_RDONLY)), "no socket"},
        {tcp_socket(0, SOCK_DGRAM, false), "ListenStream="},
        {tcp_socket(0, SOCK_STREAM, false), "does not listen"},
        {UniqueFd(pair[0]), "does not listen"},
        {UniqueFd(socket(AF_NETLINK, SOCK_RAW, 0)), "neither IPv4 nor IPv6"},
    };
    for (Row& row : table) {
        const std::string number = std::to_string(row.fd.get());
        const auto adopted = adopt({.fd = std::move(row.fd), .name = "odd"});
        ASSERT_FALSE(adopted) << row.reason;
        EXPECT_EQ(adopted.error().exit_status, kExitBind);
        for (const std::string& part : {std::string(row.reason), number, std::string("\"odd\"")})
            EXPECT_NE(adopted.error().message.find(part), std::string::npos)
                << adopted.error().message;
    }
}

TEST(Adopt, EverySlotHasASocketOrSharesAll) {
    struct Row {
        std::size_t count;
        unsigned slots;
        std::vector<unsigned> expected;
    };
    const Row table[] = {
        {1, 1, {0}},       {4, 4, {0, 1, 2, 3}},  {5, 2, {0, 1, 0, 1, 0}},
        {3, 1, {0, 0, 0}}, {1, 4, {kSharedSlot}}, {3, 4, {kSharedSlot, kSharedSlot, kSharedSlot}},
    };
    for (const Row& row : table) {
        std::vector<unsigned> got;
        for (std::size_t i = 0; i < row.count; ++i)
            got.push_back(slot_for(i, row.count, row.slots));
        EXPECT_EQ(got, row.expected) << row.count << " sockets, " << row.slots << " slots";
    }
}

TEST(OfferedSockets, AreAllServedByAddressAndNothingElseIsBound) {
    const test::TempDir dir;
    UniqueFd first = tcp_socket(0), single = tcp_socket(0);
    const std::uint16_t port = port_of(first.get()), other_port = port_of(single.get());
    const auto sockets = open_offered(list(std::move(first), tcp_socket(port), std::move(single),
                                           tcp_socket(port), unix_socket((dir / "s").string())),
                                      2);
    ASSERT_TRUE(sockets) << sockets.error().message;
    std::map<std::uint16_t, std::vector<unsigned>> slots_by_port;
    for (const ListenSocket& socket : sockets->sockets()) {
        if (socket.unix_socket)
            EXPECT_EQ(socket.slot, kSharedSlot);
        else
            slots_by_port[port_of(socket.fd)].push_back(socket.slot);
    }
    EXPECT_EQ(slots_by_port, (std::map<std::uint16_t, std::vector<unsigned>>{
                                 {port, {0, 1, 0}}, {other_port, {kSharedSlot}}}));
    EXPECT_EQ(sockets->sockets().size(), 5U);
    ASSERT_EQ(sockets->addresses().size(), 2U);
    EXPECT_EQ(sockets->port(), port);
    ASSERT_EQ(sockets->unix_names().size(), 1U);
    EXPECT_EQ(sockets->unix_names()[0], (dir / "s").string());
}

// PID 1 holds them: the queue waits for the next server.
TEST(OfferedSockets, ListenOnAfterTheServerHasStopped) {
    const test::TempDir dir;
    const UniqueFd managers = tcp_socket(0), managers_unix = unix_socket((dir / "s").string());
    const std::uint16_t port = port_of(managers.get());
    auto sockets =
        open_offered(list(UniqueFd(dup(managers.get())), UniqueFd(dup(managers_unix.get()))), 1);
    ASSERT_TRUE(sockets);
    sockets->stop_listening();
    EXPECT_TRUE(sockets->sockets().empty());
    EXPECT_EQ(option(managers.get(), SOL_SOCKET, SO_ACCEPTCONN), 1);
    EXPECT_EQ(option(managers_unix.get(), SOL_SOCKET, SO_ACCEPTCONN), 1);
    EXPECT_EQ(access((dir / "s").c_str(), F_OK), 0) << "the file is the service manager's";
    const UniqueFd client(socket(AF_INET, SOCK_STREAM, 0));
    const sockaddr_in address = loopback(port);
    ASSERT_EQ(connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
              0);
    ASSERT_EQ(send(client.get(), "?", 1, MSG_NOSIGNAL), 1); // it is shown with its first byte
    ASSERT_TRUE(test::await_fd(managers.get(), POLLIN));
    EXPECT_TRUE(UniqueFd(accept(managers.get(), nullptr, nullptr)));
}

TEST(OfferedSockets, AWildcardThatTakesBothFamiliesIsShownAsBoth) {
    const int status = in_child([] {
        if (unshare(CLONE_NEWNET) != 0) return 77; // never listen on a real network
        UniqueFd fd(socket(AF_INET6, SOCK_STREAM, 0));
        const int off = 0;
        setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
        sockaddr_in6 address{};
        address.sin6_family = AF_INET6;
        if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
            listen(fd.get(), 1) != 0)
            return 1;
        const auto sockets = open_offered(list(std::move(fd)), 1);
        if (!sockets || sockets->addresses().size() != 2) return 2;
        const Address& second = sockets->addresses()[1];
        return second.family() == AF_INET && second.port() == sockets->port() ? 0 : 3;
    });
    if (status == 77) GTEST_SKIP() << "may not have a network of its own";
    EXPECT_EQ(status, 0);
}

// --- a predecessor's

// As after an exec: copies, under their names.
std::vector<OfferedSocket> copies(const ListenSockets& sockets) {
    std::vector<OfferedSocket> all;
    for (const ListenSockets::Handed& handed : sockets.for_successor())
        all.push_back({.fd = UniqueFd(dup(handed.fd)), .name = handed.name});
    return all;
}

const std::vector<std::string> kLoopback{"127.0.0.1"};

struct Wanted {
    std::uint16_t port = 0;
    unsigned slots = 1;
    std::string unix_path = {};
    std::uint16_t redirect_port = 0;
};

Result<ListenSockets, StartError> start(const Wanted& wanted,
                                        std::vector<OfferedSocket> inherited = {}) {
    return ListenSockets::open({.hosts = kLoopback,
                                .port = wanted.port,
                                .redirect_port = wanted.redirect_port,
                                .unix_socket = {.path = wanted.unix_path},
                                .slots = wanted.slots,
                                .offered = std::move(inherited)});
}

std::vector<ino_t> inodes(const ListenSockets& sockets) {
    std::vector<ino_t> all;
    for (const ListenSocket& socket : sockets.sockets()) {
        struct stat st {};
        fstat(socket.fd, &st);
        all.push_back(st.st_ino);
    }
    return all;
}

bool connects(std::uint16_t port) {
    const UniqueFd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = loopback(port);
    return connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

TEST(InheritedSockets, TakeThePlaceOfWhatWouldBeBoundWhateverTheNumberOfSlots) {
    struct Row {
        unsigned before, after;
        bool any_port;
        std::vector<unsigned> slots;
    };
    const Row table[] = {
        {2, 2, false, {0, 1}},
        {2, 2, true, {0, 1}},
        {3, 1, false, {0, 0, 0}},
        // No socket besides: it would close on its clients, should the new server not stay.
        {2, 3, false, {kSharedSlot, kSharedSlot}},
        {1, 2, false, {kSharedSlot}},
    };
    for (const Row& row : table) {
        SCOPED_TRACE(std::to_string(row.before) + " to " + std::to_string(row.after));
        const auto first = start({.slots = row.before});
        ASSERT_TRUE(first);
        const std::uint16_t port = row.any_port ? std::uint16_t{0} : first->port();
        const auto second = start({.port = port, .slots = row.after}, copies(*first));
        ASSERT_TRUE(second) << second.error().message;
        EXPECT_FALSE(second->activated());
        EXPECT_EQ(second->port(), first->port());
        std::vector<unsigned> slots;
        for (const ListenSocket& socket : second->sockets()) {
            EXPECT_EQ(port_of(socket.fd), first->port());
            slots.push_back(socket.slot);
        }
        EXPECT_EQ(slots, row.slots);
        const std::vector<ino_t> before = inodes(*first), after = inodes(*second);
        for (std::size_t i = 0; i < before.size(); ++i) EXPECT_EQ(after.at(i), before.at(i));
    }
}

// Of all that redirect; each to the port of the others.
std::vector<std::uint16_t> redirecting(const ListenSockets& sockets) {
    std::vector<std::uint16_t> ports;
    for (const ListenSocket& socket : sockets.sockets()) {
        if (socket.redirects_to == 0) {
            EXPECT_TRUE(socket.unix_socket || port_of(socket.fd) == sockets.port());
        } else {
            EXPECT_EQ(socket.redirects_to, sockets.port());
            ports.push_back(port_of(socket.fd));
        }
    }
    return ports;
}

TEST(InheritedSockets, OfTheRedirectPortRedirectOn) {
    const std::uint16_t clear = start({})->port();
    const auto first = start({.slots = 2, .redirect_port = clear});
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_EQ(redirecting(*first), (std::vector<std::uint16_t>{clear, clear}));
    EXPECT_EQ(first->addresses().size(), 1U) << "it is no place to be shown";
    const auto second =
        start({.port = first->port(), .slots = 2, .redirect_port = clear}, copies(*first));
    ASSERT_TRUE(second) << second.error().message;
    EXPECT_EQ(inodes(*second), inodes(*first));
    EXPECT_EQ(redirecting(*second), (std::vector<std::uint16_t>{clear, clear}));
    const auto third = start({.port = first->port(), .slots = 2}, copies(*first));
    ASSERT_TRUE(third) << third.error().message;
    EXPECT_EQ(third->sockets().size(), 2U) << "it is not wanted any more";
    const auto taken = start({.redirect_port = clear});
    ASSERT_FALSE(taken);
    EXPECT_NE(taken.error().message.find("choose another one with --redirect-port"),
              std::string::npos)
        << taken.error().message;
}

TEST(InheritedSockets, GiveWayToAnotherPort) {
    const auto first = start({.slots = 2});
    const std::uint16_t other = start({})->port();
    const auto second = start({.port = other, .slots = 2}, copies(*first));
    ASSERT_TRUE(second) << second.error().message;
    EXPECT_EQ(second->port(), other);
    EXPECT_EQ(second->sockets().size(), 2U);
    EXPECT_TRUE(connects(other));
}

TEST(InheritedSockets, AreNamedWhereTheyAreInTheWay) {
    const auto first = start({});
    const std::vector<std::string> all{"0.0.0.0"};
    for (const bool inherits : {true, false}) {
        const auto second = ListenSockets::open(
            {.hosts = all,
             .port = first->port(),
             .offered = inherits ? copies(*first) : std::vector<OfferedSocket>{}});
        ASSERT_FALSE(second);
        EXPECT_EQ(second.error().message.find("this takes a restart") != std::string::npos,
                  inherits)
            << second.error().message;
    }
}

TEST(InheritedSockets, AreNotEndedByTheSuccessorWhileTheyAreShared) {
    const test::TempDir dir;
    const std::string path = (dir / "s").string();
    const auto first = start({.slots = 2, .unix_path = path});
    ASSERT_TRUE(first) << first.error().message;
    const Wanted same{.port = first->port(), .slots = 2, .unix_path = path};
    {
        const auto fails_later = start(same, copies(*first));
        ASSERT_TRUE(fails_later) << fails_later.error().message;
        EXPECT_EQ(fails_later->sockets().size(), 3U);
    }
    auto stops = start(same, copies(*first));
    stops->stop_listening();
    for (const ListenSocket& socket : first->sockets())
        EXPECT_EQ(option(socket.fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
    EXPECT_EQ(access(path.c_str(), F_OK), 0);
    EXPECT_TRUE(connects(first->port()));
}

TEST(InheritedSockets, AreTheSuccessorsAloneOnceThePredecessorHasGone) {
    const test::TempDir dir;
    const std::string path = (dir / "s").string();
    auto first = start({.slots = 2, .unix_path = path});
    ASSERT_TRUE(first) << first.error().message;
    const std::uint16_t port = first->port();
    auto second = start({.port = port, .slots = 2, .unix_path = path}, copies(*first));
    ASSERT_TRUE(second) << second.error().message;
    first->set_shared(true);
    first->stop_listening();
    EXPECT_TRUE(connects(port)) << "the predecessor leaves them be";
    EXPECT_EQ(access(path.c_str(), F_OK), 0);
    second->set_shared(false);
    second->stop_listening();
    EXPECT_FALSE(connects(port));
    EXPECT_NE(access(path.c_str(), F_OK), 0);
}

TEST(InheritedSockets, AUnixSocketWhoseFileIsGoneIsMadeAnew) {
    const test::TempDir dir;
    const std::string path = (dir / "s").string();
    const auto first = start({.unix_path = path});
    std::filesystem::remove(path);
    const auto second = start({.port = first->port(), .unix_path = path}, copies(*first));
    ASSERT_TRUE(second) << second.error().message;
    EXPECT_EQ(access(path.c_str(), F_OK), 0);
    EXPECT_NE(inodes(*second).back(), inodes(*first).back());
}

TEST(InheritedSockets, ThoseOfTheServiceManagerKeepTheirNames) {
    const auto first = open_offered(list(tcp_socket(0), tcp_socket(0)), 2);
    ASSERT_TRUE(first);
    for (const ListenSockets::Handed& handed : first->for_successor())
        EXPECT_EQ(handed.name, "http");
    const auto second = start({.port = 8080, .slots = 2}, copies(*first));
    ASSERT_TRUE(second) << second.error().message;
    EXPECT_TRUE(second->activated());
    EXPECT_EQ(inodes(*second), inodes(*first));
}

TEST(OfferedSockets, OneUnfitAmongThemIsTheEndOfTheStart) {
    const auto sockets = open_offered(list(tcp_socket(0), tcp_socket(0, SOCK_DGRAM, false)), 1);
    ASSERT_FALSE(sockets);
    EXPECT_EQ(sockets.error().exit_status, kExitBind);
}

} // namespace
} // namespace fsrv
