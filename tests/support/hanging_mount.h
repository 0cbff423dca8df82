// A file system that stops answering when it is told to, as a disk or a server of files does that
// has died: mounted over /dev/fuse and spoken without a library, by a thread, in the mount
// namespace of own_mounts.h. When its descriptor closes, the kernel ends all that wait for it.
#pragma once

#include "common/unique_fd.h"
#include "tests/support/await.h"

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace fsrv::test {

// What is odd about such a file system, besides.
struct MountManner {
    std::uint32_t longest_read = 0; // a read gives at most as much (direct_io); 0: all of it
    bool dated_now = false;         // each look at a file tells that it was modified just then
    std::map<std::string, std::string> second_names = {}; // of files, which no list shows
    std::map<std::string, int> failures = {}; // names that are listed, and the errno of looking
};

class HangingMount final {
  public:
    // What the kernel asks of a file system.
    enum class Ask { look_up, read, anything };

    // Why there can be none here; nothing when there can.
    static std::optional<std::string> obstacle();

    // One folder with these files, each with so many bytes of pattern(); on `where`, a folder.
    // Nothing that it told may be believed later: every look at a file asks again.
    HangingMount(const std::filesystem::path& where,
                 const std::map<std::string, std::uint64_t>& files, MountManner manner = {});
    ~HangingMount();
    HangingMount(const HangingMount&) = delete;
    HangingMount& operator=(const HangingMount&) = delete;

    // From now on who asks that of a file whose name begins so waits.
    void hold(Ask what, std::string name = "");
    // So many names are asked for and wait.
    bool await_held(Ask what, std::size_t names, const Deadline& deadline = Deadline()) const;
    std::size_t held(Ask what) const;
    // All that wait are answered, and nobody waits any more.
    void release();
    // All that wait fail, now and later, and it is no longer mounted.
    void end();

  private:
    struct Question {
        std::uint32_t opcode = 0;
        std::uint64_t unique = 0;
        std::uint64_t node = 0;
        std::string text; // what follows the head
    };
    void serve();
    void take(Question question);
    void answer(const Question& question);
    void reply(std::uint64_t unique, int error, std::string_view bytes);
    std::string name_of(const Question& question) const;
    std::set<std::string> names_held(Ask what) const;
    std::string attributes(std::uint64_t node) const;
    void list(const Question& question);
    void read(const Question& question);

    std::filesystem::path where_;
    MountManner manner_;
    std::vector<std::pair<std::string, std::uint64_t>> files_; // node 2 and up
    UniqueFd device_;
    UniqueFd stop_;
    std::thread thread_;
    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    std::vector<std::pair<Ask, std::string>> rules_;
    std::vector<Question> waiting_;
};

} // namespace fsrv::test
