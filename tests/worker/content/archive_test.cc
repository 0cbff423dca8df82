// Archives of folders: what is in them, with which validators, and that each byte can be had for
// itself. What other programs read of them is tests/integration/archive_test.cc.
#include "common/limits.h"
#include "tests/worker/content/support.h"
#include "worker/content/archive_tar.h"

#include <algorithm>
#include <cstring>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <vector>

namespace fsrv::content {
namespace {

constexpr std::uint64_t kPlenty = std::uint64_t{1} << 40;

// Names to contents, in the order of the archive; folders have none.
using Members = std::vector<std::pair<std::string, std::string>>;

std::string up_to_nul(std::string_view field) {
    return std::string(field.substr(0, field.find('\0')));
}

Members members_of_tar(const std::string& tar) {
    Members members;
    std::string path;
    for (std::size_t at = 0; at + kTarEnd < tar.size();) {
        const std::string_view header = std::string_view(tar).substr(at, kTarBlock);
        at += kTarBlock;
        const std::size_t size = std::stoull(up_to_nul(header.substr(124, 12)), nullptr, 8);
        std::string bytes = tar.substr(at, size);
        at += size + tar_padding(size);
        if (header[156] == 'x') {
            const auto found = bytes.find(" path=");
            if (found != bytes.npos)
                path = bytes.substr(found + 6, bytes.find('\n', found) - found - 6);
            continue;
        }
        const std::string prefix = up_to_nul(header.substr(345, 155));
        const std::string name =
            (prefix.empty() ? "" : prefix + "/") + up_to_nul(header.substr(0, 100));
        members.emplace_back(path.empty() ? name : path, std::move(bytes));
        path.clear();
    }
    return members;
}

std::vector<std::string> names_of(const Members& members) {
    std::vector<std::string> names;
    for (const auto& [name, bytes] : members) names.push_back(name);
    return names;
}

class Archives : public testing::TestWithParam<ResolveForm> {
  protected:
    Archives() {
        tree_.folder("dir/sub/empty");
        tree_.file("dir/b.txt", "B");
        tree_.file("dir/a.txt", "A");
        test::write_pattern(tree_.at("dir/big"), 100'000);
        tree_.file("dir/sub/c", "C");
        for (const char* name : {"dir/a.txt", "dir/b.txt", "dir/big", "dir/sub/c", "dir/sub/empty"})
            test::set_mtime(tree_.at(name));
    }
    StoreConfig config() const {
        StoreConfig config = tree_.config(GetParam());
        config.archive_limit = kPlenty;
        return config;
    }
    LocalStore store() const { return LocalStore(config(), MimeTypes()); }
    Members tar(const std::string& folder = "/dir/") const {
        return members_of_tar(ask(store(), folder + "?archive=tar").body);
    }
    std::string tag(const char* form = "tar") const {
        return ask(store(), std::string("/dir/?archive=") + form).etag;
    }

    Tree tree_;
};

INSTANTIATE_TEST_SUITE_P(BothForms, Archives, kForms, form_name);

TEST_P(Archives, HasWhatIsInTheFolderInTheOrderOfNames) {
    const Members expected = {{"dir/", ""},          {"dir/a.txt", "A"},
                              {"dir/b.txt", "B"},    {"dir/big", test::pattern(0, 100'000)},
                              {"dir/sub/", ""},      {"dir/sub/c", "C"},
                              {"dir/sub/empty/", ""}};
    EXPECT_TRUE(tar() == expected);
    EXPECT_EQ(names_of(tar("/")).front(), "files/");
    const Answer answer = ask(store(), "/dir/?archive=tar");
    EXPECT_EQ(answer.type, "application/x-tar");
    EXPECT_EQ(answer.disposition, "attachment; filename=\"dir.tar\"");
    EXPECT_EQ(ask(store(), "/dir/?archive=zip").type, "application/zip");
    EXPECT_EQ(ask(store(), "/dir/sub/?archive=zip").disposition,
              "attachment; filename=\"sub.zip\"");
}

TEST_P(Archives, HasNothingThatAListingWouldNotShow) {
    tree_.file("dir/.hidden", "SECRET");
    tree_.folder("dir/.git");
    tree_.file("dir/.git/config", "SECRET");
    tree_.link(".hidden", "dir/link-to-hidden");
    tree_.link("../../outside/secret.txt", "dir/out");
    tree_.link("../../outside/sub", "dir/out-folder");
    tree_.link("/etc/passwd", "dir/passwd");
    tree_.link("nowhere", "dir/dangling");
    tree_.link("a.txt", "dir/link");
    tree_.link("sub", "dir/link-to-folder");
    tree_.fifo("dir/fifo");
    tree_.socket("dir/socket");
    for (const char* form : {"tar", "zip"}) {
        const std::string body = ask(store(), std::string("/dir/?archive=") + form).body;
        EXPECT_EQ(body.find("SECRET"), body.npos);
        EXPECT_EQ(body.find("hidden"), body.npos);
        EXPECT_EQ(body.find("passwd"), body.npos);
    }
    const Members members = tar();
    EXPECT_EQ(names_of(members),
              (std::vector<std::string>{"dir/", "dir/a.txt", "dir/b.txt", "dir/big", "dir/link",
                                        "dir/link-to-folder/", "dir/link-to-folder/c",
                                        "dir/link-to-folder/empty/", "dir/sub/", "dir/sub/c",
                                        "dir/sub/empty/"}));
    EXPECT_EQ(members[4].second, "A");
    tree_.folder("-");
    tree_.file("-/x", "reserved");
    for (const std::string& name : names_of(tar("/"))) EXPECT_FALSE(name.starts_with("files/-"));
}

TEST_P(Archives, NamesInTheLastMemberWhatCannotBeRead) {
    tree_.file("dir/locked", "x");
    tree_.folder("dir/shut");
    tree_.file("dir/NOT-INCLUDED.txt", "taken");
    tree_.link("..", "dir/sub/back");
    ASSERT_EQ(::chmod(tree_.at("dir/locked").c_str(), 0), 0);
    ASSERT_EQ(::chmod(tree_.at("dir/shut").c_str(), 0), 0);
    std::optional<AsNobody> nobody;
    if (::geteuid() == 0) nobody.emplace();
    const Members members = tar();
    nobody.reset();
    ASSERT_EQ(members.back().first, "dir/NOT-INCLUDED-2.txt");
    const std::string& note = members.back().second;
    EXPECT_NE(note.find("\ndir/locked\n"), note.npos) << note;
    EXPECT_NE(note.find("\ndir/shut/\n"), note.npos);
    EXPECT_NE(note.find("\ndir/sub/back/ (a link to a folder above it)\n"), note.npos);
    const auto names = names_of(members);
    EXPECT_EQ(std::count(names.begin(), names.end(), "dir/locked"), 0);
    EXPECT_EQ(std::count(names.begin(), names.end(), "dir/shut/"), 1);
    EXPECT_EQ(std::count(names.begin(), names.end(), "dir/sub/back/"), 0);
    ::chmod(tree_.at("dir/shut").c_str(), 0700);
}

TEST_P(Archives, TheTagTellsNamesSizesAndTimes) {
    const std::string before = tag();
    EXPECT_TRUE(before.starts_with("\"")) << before;
    EXPECT_EQ(tag(), before) << "of another store";
    EXPECT_NE(tag("zip"), before);
    EXPECT_TRUE(tag("tar.gz").starts_with("W/"));
    // What is not in it does not count.
    tree_.file("dir/.hidden", "x");
    EXPECT_EQ(tag(), before);
    const auto changes_it = [&](const char* why) {
        const std::string after = tag();
        EXPECT_NE(after, before) << why;
        EXPECT_FALSE(after.empty());
    };
    test::set_mtime(tree_.at("dir/sub/c"), 1'700'000'000, 123'456'790);
    changes_it("another time");
    test::set_mtime(tree_.at("dir/sub/c"));
    EXPECT_EQ(tag(), before);
    tree_.file("dir/sub/c", "CC");
    test::set_mtime(tree_.at("dir/sub/c"));
    changes_it("another size");
    tree_.file("dir/sub/c", "C");
    test::set_mtime(tree_.at("dir/sub/c"));
    std::filesystem::rename(tree_.at("dir/sub/c"), tree_.at("dir/sub/d"));
    changes_it("another name");
    std::filesystem::rename(tree_.at("dir/sub/d"), tree_.at("dir/sub/c"));
    ASSERT_EQ(::chmod(tree_.at("dir/a.txt").c_str(), 0755), 0);
    changes_it("a program");
    ASSERT_EQ(::chmod(tree_.at("dir/a.txt").c_str(), 0644), 0);
    EXPECT_EQ(tag(), before);
    tree_.file("dir/young", "x");
    EXPECT_TRUE(tag().starts_with("W/"));
}

TEST_P(Archives, ARemovalMovesLastModified) {
    const auto modified = [&] {
        const auto target = http::parse_target("/dir/?archive=tar");
        const auto found = store().find(*target, {});
        return found->validators->last_modified.value_or(0);
    };
    test::set_mtime(tree_.at("dir/sub"));
    test::set_mtime(tree_.at("dir"));
    EXPECT_EQ(modified(), 1'700'000'000);
    std::filesystem::remove(tree_.at("dir/sub/c"));
    EXPECT_GT(modified(), 1'700'000'000);
}

TEST_P(Archives, AnyByteCanBeHadForItself) {
    for (int i = 0; i < 300; ++i) {
        const std::string name = "dir/sub/f" + std::to_string(i);
        test::write_pattern(tree_.at(name), static_cast<std::uint64_t>(i) * 37,
                            static_cast<unsigned>(i) + 1);
        test::set_mtime(tree_.at(name));
    }
    std::mt19937_64 random(7);
    for (const char* form : {"tar", "zip"}) {
        const LocalStore shared = store();
        const auto target = http::parse_target(std::string("/dir/?archive=") + form);
        const auto found = shared.find(*target, {});
        ASSERT_TRUE(found);
        const std::string whole = read_body(found->body);
        ASSERT_EQ(whole.size(), found->body.size());
        for (int i = 0; i < 200; ++i) {
            // Of a zip's CRCs another one knows nothing.
            const LocalStore other = store();
            const auto again = (i % 20 == 0 ? other : shared).find(*target, {});
            ASSERT_TRUE(again);
            const std::uint64_t offset = random() % whole.size();
            const std::uint64_t length =
                1 + random() % std::min<std::uint64_t>(whole.size() - offset, 150'000);
            http::Body body;
            body.append_slice(again->body, offset, length);
            ASSERT_TRUE(read_body(body) == whole.substr(offset, length)) << form << offset;
        }
    }
}

TEST_P(Archives, WhatIsNoLongerWhatItWasIsNotHad) {
    const LocalStore shared = store();
    struct Change {
        const char* name;
        void (*make)(const std::string&);
    };
    const Change changes[] = {
        {"removed", [](const std::string& path) { std::filesystem::remove(path); }},
        {"rewritten", [](const std::string& path) { test::write_at(path, 0, "x"); }},
        {"grown", [](const std::string& path) { test::append_file(path, "x"); }},
        {"replaced",
         [](const std::string& path) {
             test::write_file(path + ".new", "N");
             test::set_mtime(path + ".new");
             std::filesystem::rename(path + ".new", path);
         }},
        {"a link",
         [](const std::string& path) {
             std::filesystem::remove(path);
             std::filesystem::create_symlink("/etc/passwd", path);
         }},
    };
    for (const char* form : {"tar", "zip"}) {
        for (const Change& change : changes) {
            for (const char* name : {"dir/a.txt", "dir/big"}) {
                SCOPED_TRACE(std::string(form) + " " + change.name + " " + name);
                tree_.file("dir/a.txt", "A");
                test::write_pattern(tree_.at("dir/big"), 100'000);
                for (const char* each : {"dir/a.txt", "dir/big"}) test::set_mtime(tree_.at(each));
                const auto target = http::parse_target(std::string("/dir/?archive=") + form);
                const auto found = shared.find(*target, {});
                ASSERT_TRUE(found);
                change.make(tree_.at(name));
                EXPECT_LT(read_body(found->body).size(), found->body.size());
                std::filesystem::remove(tree_.at(name));
            }
        }
    }
}

TEST_P(Archives, WhoAsksForTheSameSharesIt) {
    const LocalStore shared = store();
    const auto target = http::parse_target("/dir/?archive=zip");
    const auto parts = [&] {
        const auto found = shared.find(*target, {});
        return std::get<http::PartsExtent>(found->body.segments.front()).parts;
    };
    const auto first = parts();
    EXPECT_EQ(parts(), first);
    test::set_mtime(tree_.at("dir/b.txt"), 1'700'000'001);
    EXPECT_NE(parts(), first);
}

TEST_P(Archives, IsBounded) {
    const auto status = [&](StoreConfig config, const char* origin = "/dir/?archive=tar") {
        return ask(LocalStore(std::move(config), MimeTypes()), origin).status;
    };
    EXPECT_EQ(status(config()), 200);
    const std::uint64_t bytes = 100'003;
    for (const auto& [limit, answer] :
         {std::pair{bytes, 200}, {bytes - 1, 403}, {std::uint64_t{0}, 403}}) {
        StoreConfig bounded = config();
        bounded.archive_limit = limit;
        EXPECT_EQ(status(bounded), answer) << limit;
    }
    for (const auto& [entries, answer] : {std::pair{std::size_t{7}, 200}, {6, 403}}) {
        StoreConfig bounded = config();
        bounded.max_archive_entries = entries;
        EXPECT_EQ(status(bounded), answer) << entries;
    }
    StoreConfig bounded = config();
    bounded.max_archive_list_bytes = 500;
    EXPECT_EQ(status(bounded), 503);
    std::string deep = "dir/sub";
    for (std::size_t i = 0; i < limits::kMaxArchiveDepth; ++i) deep += "/d";
    tree_.folder(deep);
    EXPECT_EQ(status(config()), 403);
}

TEST_P(Archives, IsOnlyOfFoldersThatAreListed) {
    const auto status = [&](const char* origin) { return ask(store(), origin).status; };
    EXPECT_EQ(status("/dir/a.txt?archive=tar"), 404);
    EXPECT_EQ(status("/dir?archive=tar"), 301);
    EXPECT_EQ(ask(store(), "/dir?archive=tar").location, "dir/?archive=tar");
    EXPECT_EQ(status("/none/?archive=tar"), 404);
    EXPECT_EQ(status("/dir/?archive=rar"), 400);
    StoreConfig unlisted = config();
    unlisted.listing = false;
    EXPECT_EQ(ask(LocalStore(unlisted, MimeTypes()), "/dir/?archive=tar").status, 403);
    // An index is what a folder shows, and all that it tells.
    tree_.file("dir/index.html", "index");
    EXPECT_EQ(ask(store(), "/dir/").body, "index");
    const auto names = names_of(tar());
    EXPECT_EQ(names, (std::vector<std::string>{"dir/", "dir/index.html"}));
}

TEST_P(Archives, AListingHasButtonsForThem) {
    const auto shows = [&](std::uint64_t limit) {
        StoreConfig bounded = config();
        bounded.archive_limit = limit;
        return ask(LocalStore(bounded, MimeTypes()), "/dir/").body.find("name=\"archive\"") !=
               std::string::npos;
    };
    EXPECT_TRUE(shows(kPlenty));
    EXPECT_FALSE(shows(0));
}

TEST_P(Archives, IsGivenUpWhenNobodyWaits) {
    const std::atomic<bool> cancelled = true;
    EXPECT_EQ(ask(store(), "/dir/?archive=tar", Ask{.cancelled = &cancelled}).status, 503);
}

} // namespace
} // namespace fsrv::content
