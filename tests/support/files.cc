#include "tests/support/files.h"

#include "common/unique_fd.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace fsrv::test {

namespace fs = std::filesystem;

namespace {

void must(bool good, const char* what, const fs::path& path) {
    if (good) return;
    std::perror((std::string(what) + " " + path.string()).c_str());
    std::abort();
}

std::uint64_t mix(std::uint64_t word) {
    word += 0x9e3779b97f4a7c15ULL;
    word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9ULL;
    word = (word ^ (word >> 27)) * 0x94d049bb133111ebULL;
    return word ^ (word >> 31);
}

char pattern_byte(std::uint64_t offset, std::uint64_t seed) {
    const std::uint64_t word = mix(offset / 8 + (seed << 48));
    return static_cast<char>(static_cast<unsigned char>(word >> (8 * (offset % 8))));
}

UniqueFd open_for(const fs::path& path, int flags) {
    UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, 0644));
    must(static_cast<bool>(fd), "open", path);
    return fd;
}

void write_all(int fd, std::string_view bytes, const fs::path& path) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd, bytes.data(), bytes.size());
        must(n > 0, "write", path);
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
}

} // namespace

TempDir::TempDir() {
    const char* base = std::getenv("TMPDIR");
    std::string name = std::string(base != nullptr ? base : "/tmp") + "/fsrv-test-XXXXXX";
    must(::mkdtemp(name.data()) != nullptr, "mkdtemp", name);
    must(::chmod(name.c_str(), 0755) == 0, "chmod", name);
    path_ = fs::canonical(name);
}

TempDir::~TempDir() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

std::string pattern(std::uint64_t offset, std::uint64_t length, std::uint64_t seed) {
    std::string bytes(length, '\0');
    for (std::uint64_t i = 0; i < length;) {
        if ((offset + i) % 8 == 0 && length - i >= 8) {
            const std::uint64_t word = mix((offset + i) / 8 + (seed << 48));
            for (unsigned k = 0; k < 8; ++k)
                bytes[i + k] = static_cast<char>(static_cast<unsigned char>(word >> (8 * k)));
            i += 8;
        } else {
            bytes[i] = pattern_byte(offset + i, seed);
            ++i;
        }
    }
    return bytes;
}

std::optional<std::size_t> pattern_mismatch(std::string_view bytes, std::uint64_t offset,
                                            std::uint64_t seed) {
    constexpr std::size_t kStep = 1 << 16;
    for (std::size_t done = 0; done < bytes.size(); done += kStep) {
        const std::string_view part = bytes.substr(done, kStep);
        const std::string expected = pattern(offset + done, part.size(), seed);
        if (part == expected) continue;
        const auto at = std::mismatch(part.begin(), part.end(), expected.begin()).first;
        return done + static_cast<std::size_t>(at - part.begin());
    }
    return std::nullopt;
}

bool is_pattern(std::string_view bytes, std::uint64_t offset, std::uint64_t length,
                std::uint64_t seed) {
    return bytes.size() == length && !pattern_mismatch(bytes, offset, seed);
}

void write_file(const fs::path& path, std::string_view bytes) {
    const UniqueFd fd = open_for(path, O_WRONLY | O_CREAT | O_TRUNC);
    write_all(fd.get(), bytes, path);
}

void append_file(const fs::path& path, std::string_view bytes) {
    const UniqueFd fd = open_for(path, O_WRONLY | O_APPEND);
    write_all(fd.get(), bytes, path);
}

void write_at(const fs::path& path, std::uint64_t offset, std::string_view bytes) {
    const UniqueFd fd = open_for(path, O_WRONLY | O_CREAT);
    must(::lseek(fd.get(), static_cast<off_t>(offset), SEEK_SET) >= 0, "lseek", path);
    write_all(fd.get(), bytes, path);
}

void write_pattern(const fs::path& path, std::uint64_t size, std::uint64_t seed) {
    constexpr std::uint64_t kStep = 1 << 20;
    const UniqueFd fd = open_for(path, O_WRONLY | O_CREAT | O_TRUNC);
    for (std::uint64_t done = 0; done < size; done += kStep)
        write_all(fd.get(), pattern(done, std::min(kStep, size - done), seed), path);
    set_mtime(path);
}

void make_sparse(const fs::path& path, std::uint64_t size) {
    const UniqueFd fd = open_for(path, O_WRONLY | O_CREAT | O_TRUNC);
    must(::ftruncate(fd.get(), static_cast<off_t>(size)) == 0, "ftruncate", path);
}

void set_mtime(const fs::path& path, std::int64_t unix_seconds, long nanoseconds) {
    const timespec times[2] = {{.tv_sec = unix_seconds, .tv_nsec = nanoseconds},
                               {.tv_sec = unix_seconds, .tv_nsec = nanoseconds}};
    must(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0, "utimensat", path);
}

} // namespace fsrv::test
