#include "tests/support/hanging_mount.h"

#include "tests/support/files.h"
#include "tests/support/own_mounts.h"
#include "tests/support/process.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

namespace fsrv::test {
namespace {

constexpr std::size_t kLongestQuestion = 256 * 1024; // above what INIT agrees on
constexpr std::uint64_t kTime = 1'700'000'000;

template <class T>
std::string_view bytes_of(const T& value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
}

template <class T>
T start_of(std::string_view bytes) {
    T value{};
    std::memcpy(&value, bytes.data(), std::min(sizeof value, bytes.size()));
    return value;
}

bool asks(std::uint32_t opcode, HangingMount::Ask what) {
    switch (what) {
    case HangingMount::Ask::look_up: return opcode == FUSE_LOOKUP;
    case HangingMount::Ask::read: return opcode == FUSE_READ;
    case HangingMount::Ask::anything: return opcode != FUSE_INIT;
    }
    return false;
}

} // namespace

std::optional<std::string> HangingMount::obstacle() {
    if (!am_root()) return "needs root to mount";
    if (!UniqueFd(::open("/dev/fuse", O_RDWR | O_CLOEXEC))) return "needs /dev/fuse";
    if (!leave_the_systems_mounts()) return "needs a mount namespace of its own";
    return std::nullopt;
}

HangingMount::HangingMount(const std::filesystem::path& where,
                           const std::map<std::string, std::uint64_t>& files, MountManner manner)
    : where_(where),
      manner_(std::move(manner)),
      files_(files.begin(), files.end()),
      device_(::open("/dev/fuse", O_RDWR | O_CLOEXEC)),
      stop_(::eventfd(0, EFD_CLOEXEC)) {
    const std::string options =
        "fd=" + std::to_string(device_.get()) + ",rootmode=40000,user_id=0,group_id=0,allow_other";
    if (!leave_the_systems_mounts() ||
        ::mount("fsrv-test", where.c_str(), "fuse", MS_NOSUID | MS_NODEV, options.c_str()) != 0) {
        std::perror("mount");
        std::abort();
    }
    thread_ = std::thread([this] { serve(); });
}

HangingMount::~HangingMount() {
    end();
}

void HangingMount::end() {
    if (!thread_.joinable()) return;
    const std::uint64_t one = 1;
    if (::write(stop_.get(), &one, sizeof one) != sizeof one) std::abort();
    thread_.join();
    device_.reset();
    ::umount2(where_.c_str(), MNT_DETACH);
}

void HangingMount::hold(Ask what, std::string name) {
    const std::lock_guard lock(mutex_);
    rules_.emplace_back(what, std::move(name));
}

std::set<std::string> HangingMount::names_held(Ask what) const {
    std::set<std::string> names;
    for (const Question& question : waiting_)
        if (asks(question.opcode, what)) names.insert(name_of(question));
    return names;
}

std::size_t HangingMount::held(Ask what) const {
    const std::lock_guard lock(mutex_);
    return names_held(what).size();
}

bool HangingMount::await_held(Ask what, std::size_t names, const Deadline& deadline) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::milliseconds(deadline.poll_ms()),
                             [&] { return names_held(what).size() >= names; });
}

void HangingMount::release() {
    const std::lock_guard lock(mutex_);
    rules_.clear();
    for (const Question& question : std::exchange(waiting_, {})) answer(question);
    changed_.notify_all();
}

void HangingMount::serve() {
    std::vector<char> buffer(kLongestQuestion);
    for (;;) {
        pollfd entries[] = {{.fd = device_.get(), .events = POLLIN, .revents = 0},
                            {.fd = stop_.get(), .events = POLLIN, .revents = 0}};
        if (::poll(entries, 2, -1) < 0) continue;
        if (entries[1].revents != 0) return;
        const ssize_t n = ::read(device_.get(), buffer.data(), buffer.size());
        if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT)) continue;
        if (n < static_cast<ssize_t>(sizeof(fuse_in_header))) return; // unmounted
        const std::string_view all(buffer.data(), static_cast<std::size_t>(n));
        const auto head = start_of<fuse_in_header>(all);
        take({.opcode = head.opcode,
              .unique = head.unique,
              .node = head.nodeid,
              .text = std::string(all.substr(sizeof head))});
    }
}

void HangingMount::take(Question question) {
    const std::lock_guard lock(mutex_);
    // Who waits is being killed, and a dead server of files lets it die.
    if (question.opcode == FUSE_INTERRUPT) {
        const auto whom = start_of<fuse_interrupt_in>(question.text).unique;
        const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                        [&](const Question& q) { return q.unique == whom; });
        if (found == waiting_.end()) return;
        reply(found->unique, EINTR, {});
        waiting_.erase(found);
        changed_.notify_all();
        return;
    }
    if (question.opcode == FUSE_FORGET || question.opcode == FUSE_BATCH_FORGET) return; // no reply
    const std::string name = name_of(question);
    const bool waits = std::any_of(rules_.begin(), rules_.end(), [&](const auto& rule) {
        return asks(question.opcode, rule.first) && name.starts_with(rule.second);
    });
    if (waits) {
        waiting_.push_back(std::move(question));
        changed_.notify_all();
    } else {
        answer(question);
    }
}

std::string HangingMount::name_of(const Question& question) const {
    if (question.opcode == FUSE_LOOKUP) return question.text.c_str();
    return question.node < 2 ? "." : files_[question.node - 2].first;
}

void HangingMount::answer(const Question& question) {
    switch (question.opcode) {
    case FUSE_INIT: {
        fuse_init_out out{};
        out.major = FUSE_KERNEL_VERSION;
        out.minor = FUSE_KERNEL_MINOR_VERSION;
        out.max_readahead = 128 * 1024;
        out.flags = FUSE_ASYNC_READ | FUSE_PARALLEL_DIROPS; // else look-ups in a folder queue
        out.max_background = 1000;
        out.congestion_threshold = 1000;
        out.max_write = 4096;
        return reply(question.unique, 0, bytes_of(out));
    }
    case FUSE_LOOKUP: {
        const std::string asked = name_of(question);
        const auto failure = manner_.failures.find(asked);
        if (failure != manner_.failures.end()) return reply(question.unique, failure->second, {});
        const auto second = manner_.second_names.find(asked);
        const std::string& name = second == manner_.second_names.end() ? asked : second->second;
        const auto found = std::find_if(files_.begin(), files_.end(),
                                        [&](const auto& file) { return file.first == name; });
        if (found == files_.end()) return reply(question.unique, ENOENT, {});
        fuse_entry_out out{};
        out.nodeid = static_cast<std::uint64_t>(found - files_.begin()) + 2;
        std::memcpy(&out.attr, attributes(out.nodeid).data(), sizeof out.attr);
        return reply(question.unique, 0, bytes_of(out));
    }
    case FUSE_GETATTR: {
        fuse_attr_out out{};
        std::memcpy(&out.attr, attributes(question.node).data(), sizeof out.attr);
        return reply(question.unique, 0, bytes_of(out));
    }
    case FUSE_OPEN: {
        fuse_open_out out{};
        if (manner_.longest_read > 0) out.open_flags = FOPEN_DIRECT_IO;
        return reply(question.unique, 0, bytes_of(out));
    }
    case FUSE_OPENDIR: return reply(question.unique, 0, bytes_of(fuse_open_out{}));
    case FUSE_READ: return read(question);
    case FUSE_READDIR: return list(question);
    case FUSE_STATFS: return reply(question.unique, 0, bytes_of(fuse_statfs_out{}));
    case FUSE_FLUSH:
    case FUSE_RELEASE:
    case FUSE_RELEASEDIR: return reply(question.unique, 0, {});
    default: return reply(question.unique, ENOSYS, {});
    }
}

std::string HangingMount::attributes(std::uint64_t node) const {
    fuse_attr a{};
    a.ino = node;
    a.mode = node == 1 ? S_IFDIR | 0755 : S_IFREG | 0644;
    a.nlink = 1;
    a.size = node == 1 ? 0 : files_[node - 2].second;
    a.atime = a.mtime = a.ctime = kTime;
    if (manner_.dated_now) {
        timespec now{};
        ::clock_gettime(CLOCK_REALTIME, &now);
        a.mtime = static_cast<std::uint64_t>(now.tv_sec);
        a.mtimensec = static_cast<std::uint32_t>(now.tv_nsec);
    }
    a.blksize = 4096;
    return std::string(bytes_of(a));
}

void HangingMount::read(const Question& question) {
    const auto in = start_of<fuse_read_in>(question.text);
    const std::uint64_t size = files_[question.node - 2].second;
    std::uint64_t length =
        in.offset < size ? std::min<std::uint64_t>(in.size, size - in.offset) : 0;
    if (manner_.longest_read > 0) length = std::min<std::uint64_t>(length, manner_.longest_read);
    reply(question.unique, 0, pattern(in.offset, length));
}

void HangingMount::list(const Question& question) {
    const auto in = start_of<fuse_read_in>(question.text);
    std::string out;
    for (std::uint64_t i = in.offset; i < files_.size(); ++i) {
        const std::string& name = files_[i].first;
        fuse_dirent entry{};
        entry.ino = i + 2;
        entry.off = i + 1;
        entry.namelen = static_cast<std::uint32_t>(name.size());
        entry.type = S_IFREG >> 12;
        const std::size_t length = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + name.size());
        if (out.size() + length > in.size) break;
        const std::size_t end = out.size() + length;
        out.append(bytes_of(entry).substr(0, FUSE_NAME_OFFSET)).append(name).resize(end);
    }
    reply(question.unique, 0, out);
}

void HangingMount::reply(std::uint64_t unique, int error, std::string_view bytes) {
    fuse_out_header head{};
    head.len = static_cast<std::uint32_t>(sizeof head + bytes.size());
    head.error = -error;
    head.unique = unique;
    iovec parts[] = {{.iov_base = &head, .iov_len = sizeof head},
                     {.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()}};
    // ENOENT: nobody waits for it any more.
    if (::writev(device_.get(), parts, 2) < 0 && errno != ENOENT) std::perror("fuse reply");
}

} // namespace fsrv::test
