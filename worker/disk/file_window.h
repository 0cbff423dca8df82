// FileWindow: some bytes of a file in memory, for one system call: what the kernel takes out of
// there it copies once, where a read and a send copy twice. Only the kernel may look: where the
// file has become shorter it is told EFAULT, this process would get SIGBUS.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fsrv::disk {

class FileWindow final {
  public:
    // On `fd`, which is open for reading. The kernel waits for a disk when it looks at what is not
    // cached.
    FileWindow(int fd, std::uint64_t offset, std::size_t length);
    FileWindow(const FileWindow&) = delete;
    FileWindow& operator=(const FileWindow&) = delete;
    ~FileWindow();

    explicit operator bool() const { return data_ != nullptr; } // false: errno says why
    const char* data() const { return data_; }

  private:
    void* pages_ = nullptr;
    std::size_t size_ = 0; // of the pages
    const char* data_ = nullptr;
};

} // namespace fsrv::disk
