// FolderReader: what of a folder is shown to those who ask, one entry after the other: in a
// listing, in an archive. The only code that decides it, is_shown() says by what rules: files and
// folders, links to them where the resolver allows it; hidden names, special files, links that
// would not be followed and pseudo file systems are not there. What vanishes meanwhile is left out.
// Blocking; any thread.
#pragma once

#include "common/result.h"
#include "worker/content/folder_stream.h"
#include "worker/content/policy.h"
#include "worker/content/resolver.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <sys/stat.h>

namespace fsrv::content {

// What may be seen of a folder.
struct Sight {
    bool hidden = false;
    const Policy* policy = nullptr;    // none: everything; outlives the reader
    std::optional<std::string> led_to; // the folder's path without links, where there were some
    Permissions permissions = Permissions::worker; // by whose rights what is there can be read
    const Account* account = nullptr;              // of `user`
};

struct ShownEntry {
    std::string_view name; // as on disk, any bytes; until the next call
    struct stat status {}; // links resolved; means nothing unless `known`
    bool folder = false;
    bool known = true;    // else the disk did not tell (EIO, ESTALE …)
    bool foreign = false; // a link, or on another device than the folder
};

// What to do with a name before anybody is asked about it.
enum class Glance : std::uint8_t {
    look,
    skip, // it is not wanted
    stop, // now; it is the next one then
};
class Glancer {
  public:
    // `folder`: what the name is, as far as the folder itself says; none: it does not, or it is a
    // link.
    virtual Glance glance(std::string_view name, std::optional<bool> folder) = 0;

  protected:
    ~Glancer() = default;
};

class FolderReader final {
  public:
    // `folder_fd`: O_PATH will do. `path`: of the folder, below the root; outlives the reader.
    static Result<FolderReader, Errno> open(int folder_fd, const std::string& path,
                                            const Resolver& resolver, Sight sight);

    // Nothing: there are no more. Errors: of reading the folder; ECANCELED: the glancer has said
    // stop; kOtherDevice: `reach` says which. After these two the next call goes on with that name.
    Result<std::optional<ShownEntry>, Errno> next(Reach& reach, Glancer* glancer = nullptr);
    // The entry of that name, if next() would tell of it.
    Result<std::optional<ShownEntry>, Errno> find(const std::string& name, Reach& reach) const;

    int fd() const { return ::dirfd(stream_.get()); }

  private:
    FolderReader(FolderStream stream, const std::string& path, const Resolver& resolver,
                 Sight sight)
        : stream_(std::move(stream)),
          path_(&path),
          resolver_(&resolver),
          sight_(std::move(sight)) {}
    Result<std::optional<ShownEntry>, Errno> judge(const char* name, unsigned char type,
                                                   Reach& reach) const;
    bool is_hidden(std::string_view name) const;
    bool is_shown(std::string_view name, mode_t mode) const;

    FolderStream stream_;
    const dirent* item_ = nullptr; // the next one, if it was read already
    const std::string* path_;
    const Resolver* resolver_;
    Sight sight_;
    dev_t device_ = 0;
    bool local_ = false;
};

} // namespace fsrv::content
