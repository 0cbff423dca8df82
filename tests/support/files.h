// Folders and files for tests. Contents follow from an offset and a seed, so that any slice of any
// size can be made and checked without keeping the file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>

namespace fsrv::test {

// A new folder, readable by everybody, removed with all that is in it at the end of its life.
class TempDir final {
  public:
    TempDir();
    ~TempDir();
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;

    const std::filesystem::path& path() const { return path_; }
    std::filesystem::path operator/(std::string_view name) const { return path_ / name; }
    std::string str() const { return path_.string(); }

  private:
    std::filesystem::path path_;
};

// `length` bytes of the pattern from `offset` on.
std::string pattern(std::uint64_t offset, std::uint64_t length, std::uint64_t seed = 1);
// The first offset in `bytes` where it is not the pattern that starts at `offset`; nothing when it
// is.
std::optional<std::size_t> pattern_mismatch(std::string_view bytes, std::uint64_t offset,
                                            std::uint64_t seed = 1);
// True when `bytes` are exactly that slice. (A comparison that prints two megabytes when it fails
// helps nobody.)
bool is_pattern(std::string_view bytes, std::uint64_t offset, std::uint64_t length,
                std::uint64_t seed = 1);

// All of these abort the test program when the file system refuses.
void write_file(const std::filesystem::path& path, std::string_view bytes);
void append_file(const std::filesystem::path& path, std::string_view bytes);
void write_at(const std::filesystem::path& path, std::uint64_t offset,
              std::string_view bytes); // in place
void write_pattern(const std::filesystem::path& path, std::uint64_t size, std::uint64_t seed = 1);
void make_sparse(const std::filesystem::path& path, std::uint64_t size); // holes read as zeros

// Sets a file's time; the default lies long enough ago for a strong ETag.
void set_mtime(const std::filesystem::path& path, std::int64_t unix_seconds = 1'700'000'000,
               long nanoseconds = 123'456'789);

} // namespace fsrv::test
