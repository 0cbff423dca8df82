// The tree changes while paths are resolved, and the kernel refuses: what may never happen, and
// what must be said.

#include "common/limits.h"
#include "tests/worker/content/support.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <thread>

namespace fsrv::content {
namespace {

constexpr int kRounds = 5'000;

class Races : public testing::TestWithParam<ResolveForm> {
  protected:
    // Swaps two names for as long as it lives.
    class Swapper {
      public:
        Swapper(std::string one, std::string other)
            : thread_([this, one = std::move(one), other = std::move(other)] {
                  while (!stop_.load())
                      ::renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE);
              }) {}
        ~Swapper() {
            stop_ = true;
            thread_.join();
        }

      private:
        std::atomic<bool> stop_ = false;
        std::thread thread_;
    };

    // Asks again and again; the secret must never come, and nothing but these.
    void expect_never_secret(const std::string& origin, std::initializer_list<int> statuses,
                             int rounds = kRounds) {
        const LocalStore store(tree_.config(GetParam()), MimeTypes());
        for (int i = 0; i < rounds; ++i) {
            const Answer answer = ask(store, origin);
            ASSERT_EQ(answer.body.find("SECRET"), std::string::npos) << "round " << i;
            ASSERT_NE(std::find(statuses.begin(), statuses.end(), answer.status), statuses.end())
                << answer.status << " in round " << i;
        }
    }

    Tree tree_;
};

INSTANTIATE_TEST_SUITE_P(BothForms, Races, kForms, form_name);

TEST_P(Races, AFileThatBecomesALinkOutIsNeverTheSecret) {
    tree_.file("f", "public");
    tree_.link("../outside/secret.txt", "g");
    const Swapper swapper(tree_.at("f"), tree_.at("g"));
    expect_never_secret("/f", {200, 404, 503});
}

TEST_P(Races, AFolderThatBecomesALinkOutIsNeverTheSecret) {
    tree_.folder("d");
    tree_.file("d/secret.txt", "public");
    tree_.link(tree_.base() + "/outside", "e");
    const Swapper swapper(tree_.at("d"), tree_.at("e"));
    expect_never_secret("/d/secret.txt", {200, 404, 503});
}

TEST_P(Races, AnAbsoluteLinkThatTurnsOutwardsIsNeverTheSecret) {
    tree_.folder("d");
    tree_.file("d/secret.txt", "public");
    tree_.link(tree_.at("d"), "in");
    tree_.link(tree_.base() + "/outside", "out");
    tree_.link(tree_.at("in/secret.txt"), "start");
    const Swapper swapper(tree_.at("in"), tree_.at("out"));
    expect_never_secret("/start", {200, 404, 503});
}

TEST_P(Races, AFileThatBecomesAFifoNeitherBlocksNorIsServed) {
    tree_.file("f", "public");
    tree_.fifo("g");
    const Swapper swapper(tree_.at("f"), tree_.at("g"));
    expect_never_secret("/f", {200, 403, 503});
}

TEST_P(Races, AFileThatBecomesAFolderIsOneOrTheOther) {
    tree_.file("f", "public");
    tree_.folder("g");
    const Swapper swapper(tree_.at("f"), tree_.at("g"));
    expect_never_secret("/f", {200, 301, 404, 503});
}

// ".." while the folder is moved out of the root: from there the same steps lead to what lies
// outside.
TEST_P(Races, AFolderThatIsMovedOutDuringItsDotDotIsNeverTheSecret) {
    tree_.folder("d/sub/deep");
    tree_.folder("d/outside");
    tree_.file("d/outside/secret.txt", "public");
    std::filesystem::create_directories(tree_.base() + "/aside/deep");
    const std::string up = "/../../outside/secret.txt";
    tree_.link("sub/deep" + up, "d/short");
    tree_.link("sub/deep/../deep/../deep/../deep/../deep/../deep/../deep/../deep/../deep" + up,
               "d/long");
    tree_.link(tree_.at("d/sub/deep" + up), "d/absolute");
    const Swapper swapper(tree_.at("d/sub/deep"), tree_.base() + "/aside/deep");
    for (const char* origin : {"/d/short", "/d/long", "/d/absolute"})
        expect_never_secret(origin, {200, 404, 503}, kRounds / 4);
}

TEST_P(Races, AListingOfAFolderThatChangesStaysADocument) {
    tree_.folder("d");
    tree_.folder("e");
    for (int i = 0; i < 20; ++i) tree_.file("d/" + std::to_string(i), "public");
    for (int i = 0; i < 20; ++i) tree_.link("../../outside/secret.txt", "e/" + std::to_string(i));
    tree_.file("e/only", "public");
    const LocalStore store(tree_.config(GetParam()), MimeTypes());
    const Swapper swapper(tree_.at("d"), tree_.at("e"));
    for (int i = 0; i < kRounds / 40; ++i) {
        const Answer answer = ask(store, "/d/");
        ASSERT_EQ(answer.status, 200);
        ASSERT_TRUE(answer.body.ends_with("</html>\n"));
    }
}

// Runs `act` in a thread whose system call `number` fails with `code`.
template <class Act>
void with_failing_call(unsigned number, unsigned code, Act act) {
    std::thread([&] {
        sock_filter filter[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | code),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        const sock_fprog program{.len = 4, .filter = filter};
        ASSERT_EQ(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        ASSERT_EQ(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
        act();
    }).join();
}

TEST(ResolveForm, WithoutOpenat2TheWalkTakesItsPlace) {
    Tree tree;
    tree.file("file", "plain");
    tree.link("../outside/secret.txt", "out");
    for (const unsigned code : {unsigned{ENOSYS}, unsigned{EPERM}}) {
        with_failing_call(SYS_openat2, code, [&] {
            EXPECT_EQ(Resolver(tree.fd(), tree.root(), Symlinks::inside).form(), ResolveForm::walk);
            const LocalStore store(tree.config(), MimeTypes());
            EXPECT_EQ(ask(store, "/file").body, "plain");
            EXPECT_EQ(ask(store, "/out").status, 404);
        });
    }
    with_failing_call(SYS_openat2, EACCES, [&] {
        EXPECT_EQ(Resolver(tree.fd(), tree.root(), Symlinks::inside).form(), ResolveForm::openat2);
    });
}

TEST(StoreFaults, AFailedSystemCallIsAnAnswer) {
    struct Row {
        unsigned call;
        unsigned code;
        ResolveForm form;
        int file, folder; // status of GET /file and of GET /dir/
    };
    using enum ResolveForm;
    const Row rows[] = {
        {SYS_openat2, EMFILE, openat2, 503, 503},
        {SYS_openat2, ENFILE, openat2, 503, 503},
        {SYS_openat2, ENOMEM, openat2, 503, 503},
        {SYS_openat2, EIO, openat2, 500, 500},
        {SYS_openat2, EAGAIN, openat2, 503, 503},
        {SYS_openat2, EINTR, openat2, 503, 503},
        {SYS_openat2, EACCES, openat2, 403, 403},
        {SYS_openat2, ENXIO, openat2, 404, 404},
        {SYS_openat, EMFILE, walk, 503, 503},
        {SYS_openat, EIO, walk, 500, 500},
        {SYS_openat, EMFILE, openat2, 200, 503},
        {SYS_openat, EACCES, openat2, 200, 403}, // the folder's own open
        {SYS_getdents64, EIO, openat2, 200, 500},
        {SYS_getdents64, EIO, walk, 200, 500},
    };
    Tree tree;
    tree.file("file", "plain");
    tree.folder("dir");
    for (const Row& row : rows) {
        const LocalStore store(tree.config(row.form), MimeTypes());
        with_failing_call(row.call, row.code, [&] {
            EXPECT_EQ(ask(store, "/file").status, row.file)
                << row.call << ' ' << ::strerrorname_np(static_cast<int>(row.code));
            EXPECT_EQ(ask(store, "/dir/").status, row.folder)
                << row.call << ' ' << ::strerrorname_np(static_cast<int>(row.code));
        });
    }
}

} // namespace
} // namespace fsrv::content
