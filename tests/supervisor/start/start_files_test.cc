// What is prepared and checked before the server starts: log, pid file, folder, credentials.

#include "common/log.h"
#include "supervisor/paths.h"
#include "supervisor/start/access_log_file.h"
#include "supervisor/start/announce.h"
#include "supervisor/start/credentials.h"
#include "supervisor/start/pid_file.h"
#include "supervisor/start/served_root.h"
#include "tests/support/await.h"
#include "tests/support/files.h"
#include "tests/support/process.h"

#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <functional>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace fsrv {
namespace {

using test::read_file;
using test::write_file;

class StartFiles : public testing::Test {
  protected:
    std::string at(const std::string& name) const { return (dir_ / name).string(); }
    bool exists(const std::string& name) const {
        return std::filesystem::exists(std::filesystem::symlink_status(at(name)));
    }
    mode_t mode_of(const std::string& name) const {
        struct stat st {};
        EXPECT_EQ(stat(at(name).c_str(), &st), 0) << name;
        return st.st_mode & 07777;
    }
    // Runs `body` as a user without rights; the folder is one that it may enter.
    static int as_nobody(const std::function<int()>& body) {
        const pid_t child = fork();
        if (child == 0) {
            if (setgroups(0, nullptr) != 0 || setgid(65534) != 0 || setuid(65534) != 0) _exit(100);
            _exit(body());
        }
        const auto status = test::await_child(child);
        return status && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
    }
    test::TempDir dir_;
};

// --- paths

TEST(Paths, TheFolderOfAPath) {
    const std::pair<const char*, const char*> table[] = {
        {"a", "."}, {"a/b", "a"}, {"/a", "/"}, {"/a/b/c", "/a/b"}, {"./a", "."}, {"a/", "a"}};
    for (const auto& [path, folder] : table) EXPECT_EQ(folder_of(path), folder) << path;
}

TEST(Paths, ARelativePathGetsTheWorkingFolder) {
    EXPECT_EQ(absolute_path("/a/b"), "/a/b");
    EXPECT_EQ(absolute_path("a/b"), std::filesystem::current_path().string() + "/a/b");
}

TEST(Paths, ADeletedWorkingFolderIsAnError) {
    const pid_t child = fork();
    if (child == 0) {
        const auto dir = std::make_unique<test::TempDir>();
        if (chdir(dir->str().c_str()) != 0 || rmdir(dir->str().c_str()) != 0) _exit(2);
        const auto path = absolute_path("a");
        _exit(!path && path.error().code == ENOENT && absolute_path("/a") ? 0 : 1);
    }
    EXPECT_EQ(test::await_child(child), 0);
}

// --- access log

TEST_F(StartFiles, TheAccessLogIsAppendedToAndNotForOthersToRead) {
    umask(0027);
    write_file(at("old.log"), "first\n");
    for (const char* name : {"old.log", "new.log"}) {
        const auto log = AccessLogFile::open(at(name));
        ASSERT_TRUE(log) << log.error().message;
        EXPECT_TRUE(log->is_file());
        ASSERT_EQ(write(log->fd(), "line\n", 5), 5);
        const int flags = fcntl(log->fd(), F_GETFL);
        EXPECT_NE(flags & O_APPEND, 0);
        EXPECT_EQ(flags & O_NONBLOCK, 0) << "workers write with a thread";
        EXPECT_NE(fcntl(log->fd(), F_GETFD) & FD_CLOEXEC, 0);
    }
    EXPECT_EQ(read_file(at("old.log")), "first\nline\n");
    EXPECT_EQ(read_file(at("new.log")), "line\n");
    EXPECT_EQ(mode_of("new.log"), 0640U);
}

TEST_F(StartFiles, OffAndStandardOutputAreNoFiles) {
    const auto off = AccessLogFile::open("off");
    ASSERT_TRUE(off);
    EXPECT_EQ(off->fd(), -1);
    EXPECT_FALSE(off->is_file());
    const auto out = AccessLogFile::open("-");
    ASSERT_TRUE(out);
    EXPECT_GE(out->fd(), 3);
    EXPECT_FALSE(out->is_file());
    for (const char* target : {"-", "off", ""}) EXPECT_TRUE(AccessLogFile::check(target)) << target;
    EXPECT_FALSE(std::filesystem::exists("off"));
}

TEST_F(StartFiles, AnAccessLogThatCannotBeOpenedIsRefusedAndCheckSaysTheSame) {
    write_file(at("target"), "");
    ASSERT_EQ(symlink("target", at("link").c_str()), 0);
    ASSERT_EQ(mkfifo(at("fifo").c_str(), 0644), 0);
    const std::tuple<const char*, const char*, bool> table[] =
        {
            {"no/such.log", "ENOENT", true}, {"link", "ELOOP", true},
            {"target/x", "ENOTDIR", true},   {".", "EISDIR", true},
            {"fifo", "ENXIO", false}, // a reader may come before the start
        };
    for (const auto& [name, code, check_too] : table) {
        const auto log = AccessLogFile::open(at(name));
        ASSERT_FALSE(log) << name;
        EXPECT_EQ(log.error().exit_status, kExitUsage);
        EXPECT_NE(log.error().message.find(code), std::string::npos) << log.error().message;
        EXPECT_NE(log.error().message.find(name), std::string::npos) << log.error().message;
        const auto checked = AccessLogFile::check(at(name));
        EXPECT_EQ(checked.has_value(), !check_too) << name;
        if (check_too) {
            EXPECT_EQ(checked.error().message, log.error().message);
        }
    }
}

// Who may put names into the log's folder must not lead root to a file that is not theirs.
TEST_F(StartFiles, AnAccessLogInAFolderOfOthersIsNoWayToOtherFiles) {
    if (!test::am_root()) GTEST_SKIP() << "needs root";
    constexpr uid_t kSomebody = 65534;
    write_file(at("precious"), "");
    for (const char* folder : {"ours", "theirs", "open"}) {
        const std::string place = at(folder);
        std::filesystem::create_directory(place);
        ASSERT_EQ(link(at("precious").c_str(), (place + "/linked").c_str()), 0);
        write_file(place + "/plain", "");
        for (const auto& [fifo, owner] :
             {std::pair("/fifo", uid_t{0}), std::pair("/trap", kSomebody)}) {
            ASSERT_EQ(mkfifo((place + fifo).c_str(), 0644), 0);
            ASSERT_EQ(chown((place + fifo).c_str(), owner, 0), 0);
        }
    }
    ASSERT_EQ(chown(at("theirs").c_str(), kSomebody, 0), 0);
    ASSERT_EQ(chmod(at("open").c_str(), 01777), 0);
    struct Row {
        const char* name;
        const char* objection; // none: it may be written to
    };
    const Row rows[] = {{"ours/linked", nullptr},     {"ours/plain", nullptr},
                        {"ours/fifo", nullptr},       {"ours/trap", nullptr},
                        {"theirs/linked", "5 names"}, {"theirs/plain", nullptr},
                        {"theirs/fifo", nullptr},     {"theirs/trap", "a FIFO of user 65534"},
                        {"theirs/new", nullptr},      {"open/linked", "hard links"},
                        {"open/plain", nullptr},      {"open/trap", "a FIFO of user 65534"}};
    ASSERT_EQ(link(at("precious").c_str(), at("another").c_str()), 0);
    for (const auto& [name, objection] : rows) {
        SCOPED_TRACE(name);
        const UniqueFd reader(open(at(name).c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
        const auto checked = AccessLogFile::check(at(name));
        const auto log = AccessLogFile::open(at(name));
        const auto again = AccessLogFile::open_again(at(name));
        EXPECT_EQ(log.has_value(), objection == nullptr);
        EXPECT_EQ(checked.has_value(), objection == nullptr);
        EXPECT_EQ(again.has_value(), objection == nullptr);
        if (objection == nullptr || log) continue;
        EXPECT_NE(log.error().message.find(objection), std::string::npos) << log.error().message;
        EXPECT_EQ(checked.error().message, log.error().message);
        EXPECT_EQ(again.error(), log.error().message);
    }
}

TEST_F(StartFiles, CheckCreatesNothing) {
    EXPECT_TRUE(AccessLogFile::check(at("a.log")));
    EXPECT_TRUE(PidFile::prepare(at("fsrv.pid")));
    EXPECT_TRUE(std::filesystem::is_empty(dir_.path()));
}

TEST_F(StartFiles, ReopeningFollowsTheNameAndKeepsTheOldFileOnFailure) {
    auto log = AccessLogFile::open(at("a.log"));
    ASSERT_TRUE(log);
    std::filesystem::rename(at("a.log"), at("a.log.1"));
    auto fresh = AccessLogFile::open_again(log->path());
    ASSERT_TRUE(fresh);
    log->replace(std::move(*fresh));
    ASSERT_EQ(write(log->fd(), "new\n", 4), 4);
    EXPECT_EQ(read_file(at("a.log")), "new\n");
    EXPECT_EQ(read_file(at("a.log.1")), "");

    std::filesystem::rename(at("a.log"), at("a.log.2"));
    std::filesystem::create_directory(at("a.log"));
    const auto failed = AccessLogFile::open_again(log->path());
    ASSERT_FALSE(failed);
    EXPECT_NE(failed.error().find("EISDIR"), std::string::npos) << failed.error();
    ASSERT_EQ(write(log->fd(), "more\n", 5), 5);
    EXPECT_EQ(read_file(at("a.log.2")), "new\nmore\n");
}

TEST_F(StartFiles, ARelativeLogIsReopenedWhereItWas) {
    const pid_t child = fork();
    if (child == 0) {
        if (chdir(dir_.str().c_str()) != 0) _exit(2);
        auto log = AccessLogFile::open("rel.log");
        if (!log || chdir("/") != 0) _exit(3);
        unlink((dir_ / "rel.log").c_str());
        _exit(AccessLogFile::open_again(log->path()) && exists("rel.log") ? 0 : 1);
    }
    EXPECT_EQ(test::await_child(child), 0);
}

// --- pid file

TEST_F(StartFiles, ThePidFileComesWholeAndGoes) {
    umask(0077);
    {
        auto file = PidFile::prepare(at("fsrv.pid"));
        ASSERT_TRUE(file);
        ASSERT_TRUE(file->write(4711));
        EXPECT_EQ(read_file(at("fsrv.pid")), "4711\n");
        EXPECT_EQ(mode_of("fsrv.pid"), 0644U) << "whoever sends signals reads it";
        EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir_.path()), {}), 1)
            << "nothing else is left";
    }
    EXPECT_FALSE(exists("fsrv.pid"));
}

TEST_F(StartFiles, AStalePidFileIsReplacedAndALinkIsNotFollowed) {
    write_file(at("fsrv.pid"), "1\n");
    write_file(at("precious"), "precious");
    ASSERT_EQ(symlink("precious", at("link.pid").c_str()), 0);
    write_file(at("fsrv.pid.4711"), "of a dead one");
    for (const char* name : {"fsrv.pid", "link.pid"}) {
        auto file = PidFile::prepare(at(name));
        ASSERT_TRUE(file);
        ASSERT_TRUE(file->write(4711));
        EXPECT_EQ(read_file(at(name)), "4711\n");
    }
    EXPECT_EQ(read_file(at("precious")), "precious");
}

TEST_F(StartFiles, APidFileOfAnotherIsLeftAlone) {
    const std::function<void()> changes[] = {
        [&] { write_file(at("fsrv.pid"), "1\n"); },
        [&] { write_file(at("fsrv.pid"), ""); },
        [&] { write_file(at("fsrv.pid"), "4711"); },
        [&] { write_file(at("fsrv.pid"), std::string(100, '4')); },
        [&] {
            unlink(at("fsrv.pid").c_str());
            mkfifo(at("fsrv.pid").c_str(), 0644);
        },
        [&] {
            write_file(at("elsewhere"), "4711\n");
            unlink(at("fsrv.pid").c_str());
            ASSERT_EQ(symlink("elsewhere", at("fsrv.pid").c_str()), 0);
        },
    };
    for (const auto& change : changes) {
        {
            auto file = PidFile::prepare(at("fsrv.pid"));
            ASSERT_TRUE(file->write(4711));
            change();
        }
        EXPECT_TRUE(exists("fsrv.pid"));
        unlink(at("fsrv.pid").c_str());
    }
}

TEST_F(StartFiles, APidFileThatCannotBeWrittenIsRefused) {
    std::filesystem::create_directory(at("folder"));
    for (const char* name : {"no/fsrv.pid", "folder"}) {
        const auto file = PidFile::prepare(at(name));
        ASSERT_FALSE(file) << name;
        EXPECT_EQ(file.error().exit_status, kExitUsage);
        EXPECT_NE(file.error().message.find(name), std::string::npos) << file.error().message;
    }
    std::filesystem::create_directory(at("gone"));
    auto file = PidFile::prepare(at("gone/fsrv.pid"));
    ASSERT_TRUE(file);
    std::filesystem::remove(at("gone"));
    EXPECT_FALSE(file->write(4711));
}

// Locks are seen by other processes, and are those of the process that made them.
TEST_F(StartFiles, APidFileOfALivingServerIsNotForAnother) {
    const auto asked_by_another = [&] {
        const pid_t child = fork();
        if (child == 0) {
            // Its own child asks, to which the server is no parent.
            const pid_t grandchild = fork();
            if (grandchild == 0) {
                const auto answer = PidFile::prepare(at("fsrv.pid"))->check_free();
                _exit(answer ? 0 : answer.error().exit_status);
            }
            int status = 0;
            _exit(waitpid(grandchild, &status, 0) == grandchild ? WEXITSTATUS(status) : 100);
        }
        const auto status = test::await_child(child);
        return status && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
    };
    EXPECT_EQ(asked_by_another(), 0) << "there is none";
    write_file(at("fsrv.pid"), fmt::format("{}\n", getpid()));
    EXPECT_EQ(asked_by_another(), 0) << "of a dead one, whose number somebody else has";
    auto file = PidFile::prepare(at("fsrv.pid"));
    ASSERT_TRUE(file->write(getpid()));
    EXPECT_EQ(asked_by_another(), kExitUsage);
    const pid_t successor = fork();
    if (successor == 0) _exit(PidFile::prepare(at("fsrv.pid"))->check_free() ? 0 : 1);
    EXPECT_EQ(test::await_child(successor), 0) << "it is to replace us";
    file->let_go();
    EXPECT_EQ(asked_by_another(), 0) << "we stop";
    EXPECT_TRUE(exists("fsrv.pid"));
}

TEST_F(StartFiles, WithoutAPidFileNothingIsWritten) {
    auto file = PidFile::prepare("");
    ASSERT_TRUE(file);
    EXPECT_TRUE(file->write(4711));
}

// --- root

TEST_F(StartFiles, TheRootIsOpenedAndItsNameResolved) {
    std::filesystem::create_directory(at("real"));
    std::filesystem::create_directory_symlink("real", at("link"));
    const auto root = open_root(at("link"));
    ASSERT_TRUE(root) << root.error().message;
    EXPECT_EQ(root->path, at("real"));
    EXPECT_EQ(root->warning, "");
    EXPECT_NE(fcntl(root->fd.get(), F_GETFL) & O_PATH, 0);
    EXPECT_NE(fcntl(root->fd.get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(StartFiles, ARootThatCannotBeServedIsRefusedWithAdvice) {
    write_file(at("file"), "");
    const std::pair<const char*, const char*> table[] = {{"missing", "fsrv DIR"},
                                                         {"file", "serve the folder"}};
    for (const auto& [name, advice] : table) {
        const auto root = open_root(at(name));
        ASSERT_FALSE(root);
        EXPECT_EQ(root.error().exit_status, kExitUsage);
        EXPECT_NE(root.error().message.find(name), std::string::npos) << root.error().message;
        EXPECT_NE(root.error().message.find(advice), std::string::npos) << root.error().message;
    }
}

TEST_F(StartFiles, ARootThatWeMayNotEnterIsRefused) {
    if (!test::am_root()) GTEST_SKIP() << "wants root, to become somebody without rights";
    std::filesystem::create_directory(at("closed"));
    ASSERT_EQ(chmod(at("closed").c_str(), 0700), 0);
    const int status = as_nobody([&] {
        const auto root = open_root(at("closed"));
        return !root && root.error().message.find("chmod") != std::string::npos ? 0 : 1;
    });
    EXPECT_EQ(status, 0);
}

TEST(ServedRoot, StrangeRootsAreWarnedOf) {
    for (const char* path : {"/", "/proc", "/proc/self", "/sys"}) {
        const auto root = open_root(path);
        ASSERT_TRUE(root) << path;
        EXPECT_NE(root->warning, "") << path;
    }
    EXPECT_EQ(open_root("/usr")->warning, "");
}

// --- credentials

TEST(Credentials, WithoutAskingNobodyChanges) {
    EXPECT_EQ(look_up_credentials("", "")->has_value(), false);
}

TEST(Credentials, NamesAndNumbersAreLookedUp) {
    if (!test::am_root()) GTEST_SKIP() << "only root may become somebody else";
    struct Row {
        const char *user, *group;
        uid_t uid;
        gid_t gid;
        const char* name;
    };
    const Row table[] = {
        {"nobody", "", 65534, 65534, "nobody"}, {"65534", "", 65534, 65534, "nobody"},
        {"nobody", "root", 65534, 0, "nobody"}, {"nobody", "0", 65534, 0, "nobody"},
        {"54321", "54322", 54321, 54322, ""},
    };
    for (const Row& row : table) {
        const auto found = look_up_credentials(row.user, row.group);
        ASSERT_TRUE(found && *found) << row.user << ' ' << row.group;
        EXPECT_EQ((*found)->uid, row.uid);
        EXPECT_EQ((*found)->gid, row.gid);
        EXPECT_EQ((*found)->user_name, row.name);
    }
    EXPECT_EQ(look_up_credentials("root", "")->has_value(), false) << "we are root already";
}

TEST(Credentials, UnknownOnesAreRefusedWithTheirName) {
    const std::tuple<const char*, const char*, const char*> table[] = {
        {"nobody-by-that-name", "", "nobody-by-that-name"},
        {"nobody", "no-such-group", "no-such-group"},
        {"54321", "", "--group"},
        {"4294967295", "0", "4294967295"},
        {"-1", "0", "-1"},
        {"99999999999", "0", "99999999999"},
        {"1x", "0", "1x"},
    };
    for (const auto& [user, group, named] : table) {
        const auto found = look_up_credentials(user, group);
        ASSERT_FALSE(found) << user;
        EXPECT_EQ(found.error().exit_status, kExitUsage);
        EXPECT_NE(found.error().message.find(named), std::string::npos) << found.error().message;
    }
}

TEST_F(StartFiles, OnlyRootBecomesSomebodyElse) {
    if (!test::am_root()) GTEST_SKIP() << "wants root, to become somebody without rights";
    const int status = as_nobody([] {
        const auto same = look_up_credentials("nobody", "");
        const auto same_group = look_up_credentials("", "65534");
        const auto other = look_up_credentials("root", "");
        const auto other_group = look_up_credentials("", "root");
        if (!same || *same || !same_group || *same_group) return 1;
        if (other || other_group) return 2;
        return other.error().exit_status == kExitUsage &&
                       other_group.error().exit_status == kExitUsage
                   ? 0
                   : 3;
    });
    EXPECT_EQ(status, 0);
}

TEST(Credentials, RootWithAnotherGroupWouldStillBeRoot) {
    if (!test::am_root()) GTEST_SKIP() << "wants root";
    const auto found = look_up_credentials("", "nogroup");
    ASSERT_FALSE(found);
    EXPECT_NE(found.error().message.find("--user"), std::string::npos);
}

// --- the start line

TEST(StartLine, SaysWhatIsServedWhereByHowMany) {
    const std::vector<std::string> urls{"http://localhost:8080/", "unix:/run/fsrv/s"};
    const std::pair<Announcement, const char*> table[] = {
        {{.root = "/srv/files", .urls = urls, .ready = 2, .workers = 2, .pid = 4711},
         "fsrv " FSRV_VERSION
         " serves /srv/files at http://localhost:8080/ unix:/run/fsrv/s with 2 workers (pid 4711)"},
        {{.root = "/srv/files", .urls = urls, .ready = 1, .workers = 1, .pid = 1},
         "fsrv " FSRV_VERSION
         " serves /srv/files at http://localhost:8080/ unix:/run/fsrv/s with 1 worker (pid 1)"},
        {{.root = "/srv/my files", .urls = urls, .ready = 3, .workers = 4, .pid = 1},
         "fsrv " FSRV_VERSION " serves /srv/my files at http://localhost:8080/ unix:/run/fsrv/s "
         "with 3 of 4 workers (pid 1)"},
    };
    for (const auto& [announcement, line] : table) EXPECT_EQ(start_line(announcement), line);
}

TEST(StartLine, AFoldersNameCannotForgeALine) {
    const std::vector<std::string> urls{"http://localhost:8080/"};
    const std::string line = start_line(
        {.root = "/a\nfsrv serves /b\x1b[2J", .urls = urls, .ready = 1, .workers = 1, .pid = 1});
    EXPECT_EQ(line.find('\n'), std::string::npos) << line;
    EXPECT_EQ(line.find('\x1b'), std::string::npos) << line;
}

} // namespace
} // namespace fsrv
