#include "common/cgroup.h"

#include "common/limits.h"
#include "common/unique_fd.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <string_view>
#include <unistd.h>
#include <vector>

namespace fsrv {
namespace {

// Version 1 says "no limit" by the largest multiple of a page; no machine has so much.
constexpr std::uint64_t kNoLimit = 1ULL << 60;
constexpr std::size_t kMaxText = 256 * 1024; // bytes; of mountinfo on a host of many containers
constexpr unsigned kMaxLevels = 64;

std::string read_text(int root, const std::string& path) {
    const std::size_t begin = std::min(path.find_first_not_of('/'), path.size());
    const UniqueFd fd(openat(root, path.c_str() + begin, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    std::string text;
    char bytes[4096];
    ssize_t size = 0;
    while (fd && text.size() < kMaxText && (size = read(fd.get(), bytes, sizeof bytes)) > 0)
        text.append(bytes, static_cast<std::size_t>(size));
    return text;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (;;) {
        const std::size_t end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

bool has(std::string_view list, std::string_view word) {
    const auto words = split(list, ',');
    return std::find(words.begin(), words.end(), word) != words.end();
}

// "\040" in mountinfo is a space.
std::string unescaped(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned code = 0;
        const bool is_octal =
            text[i] == '\\' && i + 4 <= text.size() &&
            std::from_chars(text.data() + i + 1, text.data() + i + 4, code, 8).ptr ==
                text.data() + i + 4;
        result += is_octal ? static_cast<char>(code) : text[i];
        if (is_octal) i += 3;
    }
    return result;
}

struct Hierarchy {
    std::string mount_point;
    std::string root;        // that part of it is mounted
    std::string controllers; // of version 1; empty: version 2
    std::string own;         // where this process is in it
};

// "36 25 0:32 /docker/ab /sys/fs/cgroup/memory rw,nosuid master:1 - cgroup cgroup rw,memory"
std::vector<Hierarchy> hierarchies(std::string_view mountinfo, std::string_view own) {
    std::vector<Hierarchy> all;
    for (const std::string_view line : split(mountinfo, '\n')) {
        const auto fields = split(line, ' ');
        const auto dash = std::find(fields.begin(), fields.end(), "-");
        if (fields.size() < 10 || fields.end() - dash < 4) continue;
        const bool is_second = dash[1] == "cgroup2";
        if (!is_second && dash[1] != "cgroup") continue;
        all.push_back({.mount_point = unescaped(fields[4]),
                       .root = unescaped(fields[3]),
                       .controllers = std::string(is_second ? std::string_view() : dash[3]),
                       .own = {}});
    }
    // "0::/user.slice" of version 2, "5:cpu,cpuacct:/docker/ab" of version 1
    for (const std::string_view line : split(own, '\n')) {
        const std::size_t first = line.find(':');
        const std::size_t second = line.find(':', first + 1);
        if (first == std::string_view::npos || second == std::string_view::npos) continue;
        const std::string_view names = line.substr(first + 1, second - first - 1);
        for (Hierarchy& hierarchy : all) {
            const auto words = split(names, ',');
            const bool is_it = names.empty() ? hierarchy.controllers.empty()
                                             : std::any_of(words.begin(), words.end(), [&](auto w) {
                                                   return has(hierarchy.controllers, w);
                                               });
            if (is_it) hierarchy.own = line.substr(second + 1);
        }
    }
    return all;
}

// The folders whose limits are in force, from the own one up, as far as they can be seen. Where the
// path is of another namespace than the mount, that is the mount point alone.
std::vector<std::string> levels(const Hierarchy& hierarchy) {
    std::string_view path = hierarchy.own;
    const std::string_view root = hierarchy.root == "/" ? std::string_view() : hierarchy.root;
    const bool is_inside = path.starts_with(root) &&
                           (path.size() == root.size() || path[root.size()] == '/') &&
                           path.find("/..") == std::string_view::npos;
    path = is_inside ? path.substr(root.size()) : std::string_view();
    std::vector<std::string> all;
    while (path.size() > 1 && all.size() < kMaxLevels) {
        all.push_back(hierarchy.mount_point + std::string(path));
        path = path.substr(0, path.rfind('/'));
    }
    all.push_back(hierarchy.mount_point);
    return all;
}

// The first number of a file; none for "max", "-1" and no file.
std::optional<std::uint64_t> number_in(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || number >= kNoLimit) return std::nullopt;
    return number;
}

template <class T>
bool keep_least(std::optional<T>& least, std::optional<T> another) {
    if (!another || (least && *least <= *another)) return false;
    least = another;
    return true;
}

std::optional<double> cpus_of(int root, const std::string& folder, bool is_second) {
    std::optional<std::uint64_t> quota, period;
    if (is_second) { // "150000 100000", "max 100000"
        const std::string text = read_text(root, folder + "/cpu.max");
        quota = number_in(text);
        period =
            number_in(std::string_view(text).substr(std::min(text.find(' ') + 1, text.size())));
    } else {
        quota = number_in(read_text(root, folder + "/cpu.cfs_quota_us"));
        period = number_in(read_text(root, folder + "/cpu.cfs_period_us"));
    }
    if (!quota || !period || *quota == 0 || *period == 0) return std::nullopt;
    return static_cast<double>(*quota) / static_cast<double>(*period);
}

} // namespace

CgroupLimits read_cgroup_limits(int root) {
    CgroupLimits limits;
    for (const Hierarchy& hierarchy :
         hierarchies(read_text(root, "proc/self/mountinfo"), read_text(root, "proc/self/cgroup"))) {
        const bool is_second = hierarchy.controllers.empty();
        for (const std::string& folder : levels(hierarchy)) {
            if (is_second || has(hierarchy.controllers, "cpu"))
                keep_least(limits.cpus, cpus_of(root, folder, is_second));
            if (is_second) {
                keep_least(limits.memory, number_in(read_text(root, folder + "/memory.max")));
                keep_least(limits.memory, number_in(read_text(root, folder + "/memory.high")));
            } else if (has(hierarchy.controllers, "memory")) {
                keep_least(limits.memory,
                           number_in(read_text(root, folder + "/memory.limit_in_bytes")));
            }
            if (is_second || has(hierarchy.controllers, "pids"))
                if (keep_least(limits.tasks, number_in(read_text(root, folder + "/pids.max"))))
                    limits.tasks_file = folder + "/pids.max";
        }
    }
    return limits;
}

CgroupLimits own_cgroup_limits() {
    const UniqueFd root(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    return root ? read_cgroup_limits(root.get()) : CgroupLimits();
}

std::string CgroupLimits::text() const {
    std::string all;
    const auto add = [&](const std::string& part) {
        if (!all.empty()) all += ", ";
        all += part;
    };
    if (cpus) add(fmt::format("{:.4g} CPUs", *cpus));
    if (memory) add(fmt::format("{} MiB of memory", *memory / (1024 * 1024)));
    if (tasks) add(fmt::format("{} tasks", *tasks));
    return all;
}

unsigned usable_cpus() {
    cpu_set_t set;
    // The set has room for 1024. What the system does not tell so, it may in /sys.
    const long by_affinity = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set)
                             : errno == EINVAL                           ? 1024
                                               : sysconf(_SC_NPROCESSORS_ONLN);
    const double quota = own_cgroup_limits().cpus.value_or(limits::kMaxWorkers);
    const double cpus = std::min(static_cast<double>(by_affinity), std::ceil(quota));
    return static_cast<unsigned>(std::clamp(cpus, 1.0, double{limits::kMaxWorkers}));
}

} // namespace fsrv
