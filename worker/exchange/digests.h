// Digests: what answers say of the digests of files (Repr-Digest). What is known is told; what is
// not is computed in the background, so that who asks next is told, and nobody waits for it.
//
// Computed by jobs of the pool, when a device has nothing else to do, a part of a file at a time;
// of few files at once, and none that may still change without its times changing. Thread: the
// loop's, but for add().
#pragma once

#include "worker/content/file_hash.h"
#include "worker/content/known_digests.h"
#include "worker/disk/file_closer.h"
#include "worker/disk/pool.h"
#include "worker/http/request.h"
#include "worker/http/resource.h"

#include <cstddef>
#include <memory>
#include <vector>

namespace fsrv::exchange {

using SharedFile = std::shared_ptr<const http::OpenFile>;

class Digests final {
  public:
    // `known` and the others outlive it.
    Digests(content::KnownDigests& known, disk::Pool& pool, disk::FileCloser& closer)
        : known_(known), pool_(pool), closer_(closer) {}
    Digests(const Digests&) = delete;
    Digests& operator=(const Digests&) = delete;
    ~Digests(); // no job is under way

    // Whether an answer that is made of what was found is to tell a digest of the identity.
    static bool is_wanted(const http::Resource& found, const http::Request& request);
    // What was found, if that is one file, whole.
    static SharedFile whole_file(const http::Resource& found);
    // Puts the digest into what was found, where it is known: that of `file`, or without one that
    // of no bytes. What is returned is not known, and to be begun. Any thread.
    SharedFile add(http::Resource& found, SharedFile file) const;
    // Unless it is being done already, the file is young, or there are too many.
    void begin(SharedFile file);

    // Begins no more, and gives up what it has begun.
    void stop();
    std::size_t under_way() const { return jobs_.size(); }

  private:
    struct Work;

    void submit(Work& work);
    void end(Work& work);

    content::KnownDigests& known_;
    disk::Pool& pool_;
    disk::FileCloser& closer_;
    std::vector<Work*> jobs_; // few; each ends its own life
    bool stopped_ = false;
};

} // namespace fsrv::exchange
