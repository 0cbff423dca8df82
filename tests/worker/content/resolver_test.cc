// Every row through the kernel's way and through the walk that stands in for it: the answers are
// the same.

#include "common/limits.h"
#include "tests/worker/content/support.h"
#include "worker/content/errno_status.h"
#include "worker/content/pseudo_fs.h"
#include "worker/content/resolver.h"

#include <cerrno>
#include <sys/inotify.h>
#include <sys/sysmacros.h>

namespace fsrv::content {
namespace {

std::string content_of(int fd) {
    std::string text(64, '\0');
    const ssize_t got = ::pread(fd, text.data(), text.size(), 0);
    text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return text;
}

// "file: <content>", "folder", "special" or the name of the errno.
std::string outcome(const Resolver& resolver, const std::string& path, Reach reach) {
    auto entry = resolver.open(path, reach);
    while (!entry && entry.error().code == kOtherDevice) {
        EXPECT_TRUE(reach.wants);
        EXPECT_NE(reach.wanted, reach.device);
        reach.go_there();
        entry = resolver.open(path, reach);
    }
    if (!entry) return ::strerrorname_np(entry.error().code);
    switch (entry->kind) {
    case EntryKind::file: return "file: " + content_of(entry->fd.get());
    case EntryKind::folder: return "folder";
    case EntryKind::special: break;
    }
    return "special";
}

// The same whether anybody may be asked or one device after the other; and of what is in memory, if
// that is enough.
std::string outcome(const Resolver& resolver, const std::string& path) {
    std::string anywhere = outcome(resolver, path, {});
    EXPECT_EQ(outcome(resolver, path, {.anywhere = false, .device = resolver.root_device()}),
              anywhere)
        << path;
    const std::string in_memory = outcome(resolver, path, {.in_memory = true});
    if (in_memory != "EREMOTEIO") {
        EXPECT_EQ(in_memory, anywhere) << path;
    }
    return anywhere;
}

class ResolverForms : public testing::TestWithParam<ResolveForm> {
  protected:
    ResolverForms() {
        tree_.folder("dir/deep");
        tree_.file("file", "plain");
        tree_.file("dir/inner", "inner");
        tree_.file("dir/deep/leaf", "leaf");
    }
    Resolver resolver(Symlinks symlinks, bool hidden = true) const {
        return {tree_.fd(), tree_.root(), symlinks, GetParam(), hidden};
    }

    Tree tree_;
};

INSTANTIATE_TEST_SUITE_P(BothForms, ResolverForms, kForms, form_name);

TEST_P(ResolverForms, FindsWhatIsInMemoryWithoutAskingAnybody) {
    // A name that was looked at is in memory, as is that it is not there.
    const Resolver own = resolver(Symlinks::inside);
    const bool able = own.form() == ResolveForm::openat2;
    for (const char* path : {"file", "dir/deep/leaf", "dir", "none"}) {
        const std::string before = outcome(own, path);
        Reach reach{.in_memory = true};
        EXPECT_EQ(outcome(own, path, reach), able ? before : "EREMOTEIO") << path;
        static_cast<void>(own.open(path, reach));
        EXPECT_EQ(reach.wants_thread, !able) << path;
    }
    tree_.link("file", "link");
    const Resolver judging = resolver(Symlinks::inside, false);
    EXPECT_EQ(outcome(judging, "link"), "file: plain");
    EXPECT_EQ(outcome(judging, "link", {.in_memory = true}), "EREMOTEIO") << "links are judged";
}

TEST_P(ResolverForms, OpensFilesAndFoldersByTheirNames) {
    for (const Symlinks mode : {Symlinks::inside, Symlinks::never, Symlinks::follow}) {
        const Resolver resolver = this->resolver(mode);
        EXPECT_EQ(outcome(resolver, ""), "folder");
        EXPECT_EQ(outcome(resolver, "file"), "file: plain");
        EXPECT_EQ(outcome(resolver, "dir"), "folder");
        EXPECT_EQ(outcome(resolver, "dir/inner"), "file: inner");
        EXPECT_EQ(outcome(resolver, "dir/deep/leaf"), "file: leaf");
        EXPECT_EQ(outcome(resolver, "nothing"), "ENOENT");
        EXPECT_EQ(outcome(resolver, "nothing/below"), "ENOENT");
        EXPECT_EQ(outcome(resolver, "file/below"), "ENOTDIR");
        EXPECT_EQ(outcome(resolver, "FILE"), "ENOENT");
    }
}

TEST_P(ResolverForms, FollowsLinksAsFarAsTheModeSays) {
    struct Row {
        std::string target;
        std::string path; // of the link, or through it
        std::string inside, never, follow;
    };
    const std::string root = tree_.root();
    const std::string out = tree_.base() + "/outside";
    const Row rows[] = {
        {"file", "l", "file: plain", "ELOOP", "file: plain"},
        {"dir/../file", "l", "file: plain", "ELOOP", "file: plain"},
        {"dir", "l/inner", "file: inner", "ELOOP", "file: inner"},
        {"dir/", "l/inner", "file: inner", "ELOOP", "file: inner"},
        {"dir/./deep/../inner", "l", "file: inner", "ELOOP", "file: inner"},
        {"dir/deep/..", "l/inner", "file: inner", "ELOOP", "file: inner"},
        {".", "l/file", "file: plain", "ELOOP", "file: plain"},
        {"file/", "l", "ENOTDIR", "ELOOP", "ENOTDIR"},
        {"file/.", "l", "ENOTDIR", "ELOOP", "ENOTDIR"},
        {"file/..", "l", "ENOTDIR", "ELOOP", "ENOTDIR"},
        {"nothing", "l", "ENOENT", "ELOOP", "ENOENT"},
        {"l", "l", "ELOOP", "ELOOP", "ELOOP"},
        // out of the root
        {"../outside/secret.txt", "l", "EXDEV", "ELOOP", "file: SECRET"},
        {"../outside", "l/secret.txt", "EXDEV", "ELOOP", "file: SECRET"},
        {"dir/../../outside/secret.txt", "l", "EXDEV", "ELOOP", "file: SECRET"},
        {"..", "l/outside/secret.txt", "EXDEV", "ELOOP", "file: SECRET"},
        {"../root/file", "l", "EXDEV", "ELOOP", "file: plain"}, // out and in again is out
        {out + "/secret.txt", "l", "EXDEV", "ELOOP", "file: SECRET"},
        {out, "l/sub/secret.txt", "EXDEV", "ELOOP", "file: SECRET"},
        {"/", "l/etc", "EXDEV", "ELOOP", "folder"},
        // absolute, but inside
        {root + "/file", "l", "file: plain", "ELOOP", "file: plain"},
        {root + "/dir", "l/deep/leaf", "file: leaf", "ELOOP", "file: leaf"},
        {root, "l/file", "file: plain", "ELOOP", "file: plain"},
        {root + "/", "l", "folder", "ELOOP", "folder"},
        {"//" + root + "//dir/./inner", "l", "file: inner", "ELOOP", "file: inner"},
        {root + "/dir/../file", "l", "file: plain", "ELOOP", "file: plain"},
        {root + "/file/", "l", "ENOTDIR", "ELOOP", "ENOTDIR"},
        {root + "/nothing", "l", "ENOENT", "ELOOP", "ENOENT"},
        {root + "/../outside/secret.txt", "l", "EXDEV", "ELOOP", "file: SECRET"},
        {root + "/l", "l", "ELOOP", "ELOOP", "ELOOP"},
        // a sibling whose name begins like the root's
        {root + "-evil/secret.txt", "l", "EXDEV", "ELOOP", "file: SECRET"},
    };
    std::filesystem::create_directories(root + "-evil");
    test::write_file(root + "-evil/secret.txt", "SECRET");
    for (const Row& row : rows) {
        tree_.link(row.target, "l");
        EXPECT_EQ(outcome(resolver(Symlinks::inside), row.path), row.inside)
            << "inside: l -> " << row.target;
        EXPECT_EQ(outcome(resolver(Symlinks::never), row.path), row.never)
            << "never: l -> " << row.target;
        EXPECT_EQ(outcome(resolver(Symlinks::follow), row.path), row.follow)
            << "follow: l -> " << row.target;
        std::filesystem::remove(tree_.at("l"));
    }
}

TEST_P(ResolverForms, FollowsLinksThatMixBothKinds) {
    tree_.link(tree_.at("b/deep"), "a"); // absolute, through a relative one
    tree_.link("dir", "b");
    tree_.link("../a/leaf", "dir/up"); // relative, through the absolute one
    tree_.link(tree_.base() + "/outside", "dir/out");
    tree_.link(tree_.at("dir/out/secret.txt"), "hidden-way-out");
    EXPECT_EQ(outcome(resolver(Symlinks::inside), "a/leaf"), "file: leaf");
    EXPECT_EQ(outcome(resolver(Symlinks::inside), "dir/up"), "file: leaf");
    EXPECT_EQ(outcome(resolver(Symlinks::inside), "hidden-way-out"), "EXDEV");
    EXPECT_EQ(outcome(resolver(Symlinks::follow), "hidden-way-out"), "file: SECRET");
}

TEST_P(ResolverForms, TakesFortyLinksAndNotOneMore) {
    for (const bool absolute : {false, true}) {
        const std::string prefix = absolute ? tree_.root() + "/" : "";
        tree_.file("l0", "end");
        for (unsigned i = 1; i <= limits::kMaxSymlinks + 1; ++i)
            tree_.link(prefix + "l" + std::to_string(i - 1), "l" + std::to_string(i));
        const std::string last = "l" + std::to_string(limits::kMaxSymlinks);
        EXPECT_EQ(outcome(resolver(Symlinks::inside), last), "file: end") << absolute;
        EXPECT_EQ(
            outcome(resolver(Symlinks::inside), "l" + std::to_string(limits::kMaxSymlinks + 1)),
            "ELOOP")
            << absolute;
        for (unsigned i = 0; i <= limits::kMaxSymlinks + 1; ++i)
            std::filesystem::remove(tree_.at("l" + std::to_string(i)));
    }
}

TEST_P(ResolverForms, GivesUpOnLinksThatClimbForEver) {
    std::string zigzag;
    while (zigzag.size() + 8 < 4000) zigzag += "dir/../";
    tree_.link(tree_.root() + "/" + zigzag + "x1", "x0");
    for (unsigned i = 1; i < limits::kMaxSymlinks; ++i)
        tree_.link(zigzag + "x" + std::to_string(i + 1), "x" + std::to_string(i));
    EXPECT_EQ(outcome(resolver(Symlinks::inside), "x0"), "ELOOP");
}

TEST_P(ResolverForms, ReachesOddNamesByTheirExactBytes) {
    const std::string names[] = {std::string(255, 'n'),
                                 "\xff\xfe",
                                 "a\nb",
                                 "a\tb",
                                 " x",
                                 "x ",
                                 "%41",
                                 "a\\b",
                                 "-rf",
                                 "*",
                                 "?",
                                 "#",
                                 "a:b",
                                 "...",
                                 "~",
                                 "\xe2\x80\xae"
                                 "x",
                                 "\xc3\xa9"};
    for (const std::string& name : names) {
        tree_.file(name, "odd");
        EXPECT_EQ(outcome(resolver(Symlinks::inside), name), "file: odd") << name;
    }
    EXPECT_EQ(outcome(resolver(Symlinks::inside), "e\xcc\x81"),
              "ENOENT"); // the other normal form is another name
    EXPECT_EQ(outcome(resolver(Symlinks::inside), std::string(256, 'n')), "ENAMETOOLONG");
}

TEST_P(ResolverForms, TakesPathsUpToTheKernelsLimit) {
    const std::string step(255, 'd');
    std::string path;
    UniqueFd here(::openat(tree_.fd(), ".", O_RDONLY | O_DIRECTORY));
    for (int i = 0; i < 15; ++i) {
        ASSERT_EQ(::mkdirat(here.get(), step.c_str(), 0755), 0);
        here.reset(::openat(here.get(), step.c_str(), O_RDONLY | O_DIRECTORY));
        path += step + "/";
    }
    const UniqueFd file(::openat(here.get(), step.c_str(), O_CREAT | O_WRONLY, 0644));
    ASSERT_EQ(::write(file.get(), "far", 3), 3);
    path += step;
    ASSERT_EQ(path.size(), 4095U);
    EXPECT_EQ(outcome(resolver(Symlinks::inside), path), "file: far");
    EXPECT_EQ(outcome(resolver(Symlinks::inside), path + "x"), "ENAMETOOLONG");
    std::string deep;
    for (int i = 0; i < 4000; ++i) deep += "a/";
    EXPECT_EQ(outcome(resolver(Symlinks::inside), deep + "a"), "ENAMETOOLONG");
    EXPECT_EQ(outcome(resolver(Symlinks::inside), "dir/" + std::string(3000, 'x')), "ENAMETOOLONG");
}

TEST_P(ResolverForms, NeverOpensAFifoSocketOrDevice) {
    tree_.fifo("fifo");
    tree_.socket("socket");
    tree_.link("fifo", "to-fifo");
    std::vector<std::string> specials = {"fifo", "socket", "to-fifo"};
    if (::mknod(tree_.at("null").c_str(), S_IFCHR | 0666, makedev(1, 3)) == 0) {
        specials.emplace_back("null");
    } else {
        EXPECT_EQ(errno, EPERM); // not root; the device below is looked at in any case
    }
    const UniqueFd watch(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    for (const std::string& name : specials)
        ASSERT_GE(::inotify_add_watch(watch.get(), tree_.at(name).c_str(), IN_OPEN), 0);
    for (const std::string& name : specials)
        EXPECT_EQ(outcome(resolver(Symlinks::inside), name), "special") << name;
    char events[4096];
    EXPECT_EQ(::read(watch.get(), events, sizeof events), -1) << "somebody opened one";
    EXPECT_EQ(errno, EAGAIN);

    const UniqueFd top(::open("/", O_PATH | O_DIRECTORY));
    EXPECT_EQ(outcome(Resolver(top.get(), "/", Symlinks::inside, GetParam()), "dev/null"),
              "special");
}

TEST_P(ResolverForms, PermissionsOfTheFileAndItsFoldersCount) {
    tree_.file("mine", "mine");
    tree_.folder("closed");
    tree_.file("closed/x", "x");
    tree_.link("mine", "to-mine");
    tree_.link(tree_.at("closed/x"), "to-closed");
    ASSERT_EQ(::chmod(tree_.at("mine").c_str(), 0), 0);
    ASSERT_EQ(::chmod(tree_.at("closed").c_str(), 0), 0);
    {
        const AsNobody nobody;
        EXPECT_EQ(outcome(resolver(Symlinks::inside), "file"), "file: plain");
        EXPECT_EQ(outcome(resolver(Symlinks::inside), "mine"), "EACCES");
        EXPECT_EQ(outcome(resolver(Symlinks::inside), "to-mine"), "EACCES");
        EXPECT_EQ(outcome(resolver(Symlinks::inside), "closed"), "folder");
        EXPECT_EQ(outcome(resolver(Symlinks::inside), "closed/x"), "EACCES");
        EXPECT_EQ(outcome(resolver(Symlinks::inside), "to-closed"), "EACCES");
    }
    ASSERT_EQ(::chmod(tree_.at("closed").c_str(), 0755), 0);
}

TEST_P(ResolverForms, AnOpenFileOutlivesItsNameAndItsPermission) {
    Reach anywhere;
    const auto entry = resolver(Symlinks::inside).open("dir/inner", anywhere);
    ASSERT_TRUE(entry);
    ASSERT_EQ(::chmod(tree_.at("dir/inner").c_str(), 0), 0);
    std::filesystem::remove_all(tree_.at("dir"));
    EXPECT_EQ(content_of(entry->fd.get()), "inner");
}

TEST_P(ResolverForms, NothingOfAPseudoFileSystemIsThere) {
    const UniqueFd top(::open("/", O_PATH | O_DIRECTORY));
    const UniqueFd proc(::open("/proc", O_PATH | O_DIRECTORY));
    ASSERT_TRUE(on_pseudo_fs(proc.get())) << "/proc is not mounted";
    for (const Symlinks mode : {Symlinks::inside, Symlinks::never, Symlinks::follow}) {
        const Resolver everything(top.get(), "/", mode, GetParam());
        EXPECT_EQ(outcome(everything, "proc/version"), "ENOENT");
        EXPECT_EQ(outcome(everything, "proc"), "ENOENT");
        EXPECT_EQ(outcome(everything, "sys/kernel"), "ENOENT");
        const Resolver only(proc.get(), "/proc", mode, GetParam());
        EXPECT_EQ(outcome(only, "version"), "ENOENT");
        EXPECT_EQ(outcome(only, ""), "ENOENT");
    }
    tree_.link("/proc/version", "version");
    EXPECT_EQ(outcome(resolver(Symlinks::follow), "version"), "ENOENT");
    EXPECT_EQ(outcome(resolver(Symlinks::inside), "version"), "EXDEV");
}

TEST_P(ResolverForms, MagicLinksAreNotFollowed) {
    const UniqueFd open_file(::open((tree_.base() + "/outside/secret.txt").c_str(), O_RDONLY));
    const std::string magic = "/proc/self/fd/" + std::to_string(open_file.get());
    tree_.link(magic, "magic");
    tree_.link("/proc/self/cwd", "cwd");
    EXPECT_EQ(outcome(resolver(Symlinks::follow), "magic"), "ELOOP");
    EXPECT_EQ(outcome(resolver(Symlinks::follow), "cwd"), "ELOOP");
    const UniqueFd top(::open("/", O_PATH | O_DIRECTORY));
    const Resolver everything(top.get(), "/", Symlinks::inside, GetParam());
    EXPECT_EQ(outcome(everything, magic.substr(1)), "ELOOP");
    EXPECT_EQ(outcome(everything, "proc/self/root/etc/passwd"), "ELOOP");
}

TEST_P(ResolverForms, TheWholeFileSystemCanBeTheRoot) {
    tree_.link(tree_.at("file"), "absolute");
    const UniqueFd top(::open("/", O_PATH | O_DIRECTORY));
    const Resolver everything(top.get(), "/", Symlinks::inside, GetParam());
    EXPECT_EQ(outcome(everything, tree_.at("file").substr(1)), "file: plain");
    EXPECT_EQ(outcome(everything, tree_.at("absolute").substr(1)), "file: plain");
}

TEST_P(ResolverForms, ARootThatWasRemovedHasNothing) {
    const Resolver resolver = this->resolver(Symlinks::inside);
    std::filesystem::remove_all(tree_.root());
    tree_.folder("");
    tree_.file("file", "another tree");
    EXPECT_EQ(outcome(resolver, "file"), "ENOENT") << "the descriptor is the root, not the name";
}

TEST(BelowRoot, ComparesWholeComponents) {
    struct Row {
        std::string_view absolute, root;
        std::optional<std::string_view> below;
    };
    const Row rows[] = {
        {"srv/data/x", "/srv/data", "x"},
        {"/srv/data/x/y", "/srv/data", "x/y"},
        {"srv/data", "/srv/data", ""},
        {"srv/data/", "/srv/data", ""},
        {"srv/database/x", "/srv/data", std::nullopt},
        {"srv/dat", "/srv/data", std::nullopt},
        {"srv", "/srv/data", std::nullopt},
        {"", "/srv/data", std::nullopt},
        {"//srv/./data///x", "/srv/data/", "x"},
        {"srv/../srv/data/x", "/srv/data", std::nullopt},
        {"anything/at/all", "/", "anything/at/all"},
        {"", "/", ""},
    };
    for (const Row& row : rows)
        EXPECT_EQ(below_root(row.absolute, row.root), row.below)
            << row.absolute << " in " << row.root;
}

TEST(ErrnoStatus, IsTheTableOfTheProduct) {
    struct Row {
        int code;
        int status;
    };
    const Row rows[] = {{ENOENT, 404}, {ENOTDIR, 404},      {ELOOP, 404},  {EXDEV, 404},
                        {ENXIO, 404},  {ENAMETOOLONG, 404}, {ENODEV, 404}, {ESTALE, 404},
                        {EACCES, 403}, {EPERM, 403},        {EMFILE, 503}, {ENFILE, 503},
                        {ENOMEM, 503}, {EAGAIN, 503},       {EINTR, 503},  {EIO, 500},
                        {EINVAL, 500}, {EOVERFLOW, 500}};
    for (const Row& row : rows)
        EXPECT_EQ(miss_of(Errno{row.code}).status, row.status) << ::strerrorname_np(row.code);
}

// Where hidden names are not served, a link by one of them is not there; what counts is where it
// leads in the end.
TEST_P(ResolverForms, LinksByHiddenNamesAreNotThere) {
    tree_.folder(".git");
    tree_.folder(".well-known");
    tree_.file(".git/config", "secret");
    tree_.file(".env", "secret");
    tree_.file("dir/.env", "secret");
    tree_.file(".well-known/acme", "known");
    tree_.folder("../outside/.kept");
    tree_.file("../outside/.kept/file", "outside");
    const std::pair<const char*, std::string> links[] = {
        {"to-env", ".env"},
        {"to-git", ".git"},
        {"chain", "to-env"},
        {"dir/up", "../.env"},
        {"dir/beside", ".env"},
        {"absolute-env", tree_.at(".env")},
        {"absolute-git", tree_.at(".git")},
        {"absolute-chain", tree_.at("to-git")},
        {"to-file", "file"},
        {"to-dir", "dir"},
        {"absolute-dir", tree_.at("dir")},
        {"known", ".well-known/acme"},
        {"round", ".git/../file"},
        {"out", tree_.base() + "/outside/.kept/file"},
        {"../outside/absolute", tree_.at(".env")},
        {"../outside/relative", "../root/.env"},
        {"../outside/file", "../root/file"},
        {"back-absolute", tree_.base() + "/outside/absolute"},
        {"back-relative", "../outside/relative"},
        {"back-file", tree_.base() + "/outside/file"},
        {"down-again", tree_.base() + "/root/../root/.git"},
    };
    for (const auto& [name, target] : links) tree_.link(target, name);
    struct Row {
        const char* path;
        const char* inside; // and with Symlinks::follow
        const char* follow;
    };
    const Row rows[] = {
        {"to-env", "ENOENT", "ENOENT"},
        {"to-git", "ENOENT", "ENOENT"},
        {"to-git/config", "ENOENT", "ENOENT"},
        {"chain", "ENOENT", "ENOENT"},
        {"dir/up", "ENOENT", "ENOENT"},
        {"dir/beside", "ENOENT", "ENOENT"},
        {"to-dir/.env", "ENOENT", "ENOENT"},
        {"absolute-env", "ENOENT", "ENOENT"},
        {"absolute-git/config", "ENOENT", "ENOENT"},
        {"absolute-chain/config", "ENOENT", "ENOENT"},
        {"to-file", "file: plain", "file: plain"},
        {"to-dir", "folder", "folder"},
        {"to-dir/inner", "file: inner", "file: inner"},
        {"absolute-dir/deep/leaf", "file: leaf", "file: leaf"},
        {"known", "file: known", "file: known"},
        {"round", "file: plain", "file: plain"},
        {"to-nothing", "ENOENT", "ENOENT"},
        {"out", "EXDEV", "file: outside"}, // hidden where others decide what is
        {"back-absolute", "EXDEV", "ENOENT"},
        {"back-relative", "EXDEV", "ENOENT"},
        {"back-file", "EXDEV", "file: plain"},
        {"down-again/config", "EXDEV", "ENOENT"},
    };
    const Resolver inside = resolver(Symlinks::inside, false);
    const Resolver follow = resolver(Symlinks::follow, false);
    const Resolver never = resolver(Symlinks::never, false);
    for (const Row& row : rows) {
        SCOPED_TRACE(row.path);
        EXPECT_EQ(outcome(inside, row.path), row.inside);
        EXPECT_EQ(outcome(follow, row.path), row.follow);
        Reach reach;
        const auto seen = inside.look(row.path, reach);
        EXPECT_EQ(seen.has_value(), std::string_view(row.inside).front() == 'f');
    }
    EXPECT_EQ(outcome(never, "to-file"), "ELOOP");
    EXPECT_EQ(outcome(never, "dir/inner"), "file: inner");
    EXPECT_EQ(outcome(resolver(Symlinks::inside), "to-git/config"), "file: secret")
        << "--hidden on";
    EXPECT_EQ(outcome(resolver(Symlinks::follow), "down-again/config"), "file: secret");
}

// Names that look like short ones, on a file system that has none.
TEST_P(ResolverForms, TildesAreNoHarm) {
    for (const char* name : {"GIT~1", "backup~2.txt", "notes.txt~", "~", "a~1b"})
        tree_.file(name, "plain");
    const Resolver resolver = this->resolver(Symlinks::inside, false);
    for (const char* name : {"GIT~1", "backup~2.txt", "notes.txt~", "~", "a~1b"})
        EXPECT_EQ(outcome(resolver, name), "file: plain") << name;
    EXPECT_EQ(outcome(resolver, "HTPASS~1"), "ENOENT");
}

} // namespace
} // namespace fsrv::content
