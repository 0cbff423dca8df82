// FollowedFile: a file, and what is appended to it, as it comes: ?follow.
//
// It is over when the path leads to the file no more (it was replaced, renamed or removed, or may
// not be read any more), after what the file has had by then; or when finish() says so. A file that
// becomes shorter is State::changed: what was sent of it may be true no more. So is one whose last
// bytes, as they were sent, stand no more before what is new: it was cut and has grown again since
// the last look. Whatever else is written in place is not seen.
//
// Of a local file the loop sees what is new by fstat(), a few times a second; of another one, whose
// server has to be asked, a thread of the pool looks, once a second.
#pragma once

#include "common/limits.h"
#include "worker/content/resolver.h"
#include "worker/http/body.h"
#include "worker/http/resource.h"
#include "worker/http/target.h"

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <sys/stat.h>
#include <utility>

namespace fsrv::content {

class FollowedFile final : public http::Growing {
  public:
    // `resolver` outlives it, and leads from `path` to the file.
    FollowedFile(std::shared_ptr<const http::OpenFile> file, const Resolver& resolver,
                 std::string path)
        : file_(std::move(file)), resolver_(resolver), path_(std::move(path)) {}

    std::uint64_t size() const override { return file_->size; }
    void begin_at(std::uint64_t first, std::uint64_t end) override;
    Made produce(std::span<char> room) override;
    bool may_have_more(std::uint64_t now_ms) override;
    void finish() override { is_to_finish_.store(true, std::memory_order_release); }

  private:
    bool look(); // false: it cannot be looked at
    Made read_on(std::span<char> room, std::uint64_t until);
    bool stands_as_sent() const;
    void keep_seam(std::span<const char> sent);
    bool has_gone() const;

    std::shared_ptr<const http::OpenFile> file_;
    const Resolver& resolver_;
    const std::string path_;
    std::atomic<bool> is_to_finish_ = false;
    struct stat now_ {};                         // at the last look
    std::uint64_t offset_ = 0;                   // of what comes next
    std::uint64_t wanted_end_ = kNoEnd;          // by the request
    std::optional<std::uint64_t> end_;           // since there will be no more
    std::array<char, limits::kFollowSeam> seam_; // bytes before offset_, as they were sent
    std::size_t seam_size_ = 0;
    std::uint64_t looked_far_ms_ = 0; // the loop, at the path or by a thread; 0: not yet
};

// Of what was found at Resource::path by `resolver`, and is `file`: it is followed. `headers`: what
// its rule adds to answers, beside what it says of caches, which are to keep none of this.
void follow(http::Resource& found, std::shared_ptr<const http::OpenFile> file,
            const http::Target::Follow& how, const Resolver& resolver, const std::string& headers);

} // namespace fsrv::content
