// LentFiles: files of a body that were lent or mapped and have been left, to be looked at once
// more: what is lent shows a change in place for as long as it is queued (body_reader.h), so a file
// is looked at when so much was sent behind it that its client has read it, and when the body ends.
// Bounded: each keeps a descriptor. Thread: the loop's.
#pragma once

#include "common/limits.h"
#include "worker/disk/file_closer.h"
#include "worker/http/body.h"

#include <cstdint>
#include <deque>
#include <memory>

namespace fsrv::exchange {

// Descriptors of all bodies of a worker that wait to be looked at.
class LentPlaces final {
  public:
    explicit LentPlaces(std::size_t most) : most_(most) {}
    bool take() { return taken_ < most_ && ++taken_ > 0; } // false: there is none
    void give_back(std::size_t places) { taken_ -= places; }
    std::size_t taken() const { return taken_; }

  private:
    std::size_t most_;
    std::size_t taken_ = 0;
};

class LentFiles final {
  public:
    LentFiles(LentPlaces* places, disk::FileCloser* closer) : places_(places), closer_(closer) {}
    LentFiles(const LentFiles&) = delete;
    LentFiles& operator=(const LentFiles&) = delete;
    ~LentFiles();

    // Whether one more may be lent; takes the place for it, until it is looked at.
    bool make_room(const std::shared_ptr<const http::OpenFile>& file);
    // Some of it was lent, as much as makes `due` bytes of the body to be sent until nothing of it
    // can be queued any more. After make_room().
    void lent(const http::OpenFile& file, std::uint64_t due);
    // Looks at those that are due, `sent` bytes of the body being on their way, but for the one
    // that is still being read. False: one has changed.
    bool are_unchanged(std::uint64_t sent, const http::OpenFile* being_read);
    bool are_all_unchanged() const; // at the end
    std::size_t count() const { return files_.size(); }

  private:
    struct Lent {
        std::shared_ptr<const http::OpenFile> file;
        std::uint64_t due = 0;
    };
    void let_go(std::shared_ptr<const http::OpenFile> file);

    LentPlaces* places_; // none: no other bound
    disk::FileCloser* closer_;
    std::deque<Lent> files_; // in the order of the body
};

} // namespace fsrv::exchange
