// From a request's target to what is answered: names, folders, hidden files, the API.

#include "common/limits.h"
#include "tests/worker/content/support.h"
#include "worker/content/disposition.h"

namespace fsrv::content {
namespace {

class Store : public testing::TestWithParam<ResolveForm> {
  protected:
    Store() {
        tree_.file("file.txt", "text");
        tree_.folder("dir/sub");
        tree_.file("dir/inner.bin", "inner");
        tree_.folder("with-index");
        tree_.file("with-index/index.html", "<p>index");
        tree_.file("with-index/other", "other");
    }
    LocalStore store() const { return LocalStore(tree_.config(GetParam()), MimeTypes()); }
    LocalStore store(StoreConfig config) const {
        config.form = GetParam();
        return LocalStore(std::move(config), MimeTypes());
    }

    Tree tree_;
};

INSTANTIATE_TEST_SUITE_P(BothForms, Store, kForms, form_name);

struct Row {
    std::string origin;
    int status;
    std::string detail; // of 200: what the body holds; of 301: the location
};

void expect_rows(const LocalStore& store, std::initializer_list<Row> rows) {
    for (const Row& row : rows) {
        const Answer answer = ask(store, row.origin);
        EXPECT_EQ(answer.status, row.status) << row.origin;
        if (row.status == 200) {
            EXPECT_NE(answer.body.find(row.detail), std::string::npos) << row.origin << "\n"
                                                                       << answer.body;
        } else {
            EXPECT_EQ(answer.location, row.detail) << row.origin;
        }
        EXPECT_EQ(answer.body.find("SECRET"), std::string::npos) << row.origin;
    }
}

TEST_P(Store, AnswersForFilesAndFolders) {
    expect_rows(store(), {
                             {"/file.txt", 200, "text"},
                             {"/file.txt/", 404, ""},
                             {"/file.txt/x", 404, ""},
                             {"/file.txt/.", 404, ""},
                             {"/dir", 301, "dir/"},
                             {"/dir?a=b&c", 301, "dir/?a=b&c"},
                             {"/dir?", 301, "dir/"},
                             {"/dir?\"<>^{}|\\`", 301, "dir/?%22%3C%3E%5E%7B%7D%7C%5C%60"},
                             {"/dir?a=%3C&b=[]':@/?~", 301, "dir/?a=%3C&b=[]':@/?~"},
                             {"/dir/", 200, "inner.bin"},
                             {"/dir/inner.bin", 200, "inner"},
                             {"/dir/sub", 301, "sub/"},
                             {"//dir", 301, "dir/"},
                             {"///dir//sub", 301, "sub/"},
                             {"/nothing", 404, ""},
                             {"/nothing/", 404, ""},
                             {"/with-index", 301, "with-index/"},
                             {"/with-index/", 200, "<p>index"},
                             {"/", 200, "file.txt"},
                             {"/?anything", 200, "file.txt"},
                         });
}

TEST_P(Store, ARedirectNeverLeavesTheHostNorItsLine) {
    const std::string names[] = {"evil.example",
                                 "\\evil.example",
                                 "a\r\nX-Evil: 1",
                                 "a b",
                                 "\xff\xfe",
                                 "a%2f",
                                 "@x",
                                 "a:b",
                                 "?",
                                 "#",
                                 "\t"};
    for (const std::string& name : names) {
        tree_.folder(name);
        for (const char* before : {"/", "//"}) {
            const Answer answer = ask(store(), before + http::encode_path(name) +
                                                   "?q=\r\n\"\xff"
                                                   "1");
            ASSERT_EQ(answer.status, 301) << name;
            EXPECT_EQ(answer.location, http::encode_segment(name) + "/?q=%0D%0A%22%FF1");
            EXPECT_EQ(answer.location.find_first_of("\r\n\\"), std::string::npos);
        }
    }
}

TEST_P(Store, FilesCarryValidatorsAndTheirType) {
    tree_.file("page.html", "<p>");
    test::set_mtime(tree_.at("page.html"));
    const auto target = http::parse_target("/page.html");
    ASSERT_TRUE(target);
    const auto found = store().find(*target, {});
    ASSERT_TRUE(found);
    EXPECT_EQ(found->content_type, "text/html; charset=utf-8");
    ASSERT_TRUE(found->validators);
    EXPECT_EQ(found->validators->etag.front(), '"') << "strong: the file is old";
    EXPECT_EQ(found->validators->last_modified, 1'700'000'000);
    EXPECT_EQ(found->body.size(), 3U);
    EXPECT_EQ(found->content_disposition, "");
    EXPECT_EQ(found->extra_fields, "");
}

TEST_P(Store, TheApiSendsFilesAsDownloads) {
    const std::string root = tree_.root();
    expect_rows(store(), {
                             {"/files?path=file.txt", 200, "text"},
                             {"/files?path=dir%2Finner.bin", 200, "inner"},
                             {"/files?path=dir/./sub/../inner.bin", 200, "inner"},
                             {"/files?path=" + root + "/dir/inner.bin", 200, "inner"},
                             {"/files?path=" + root + "//file.txt", 200, "text"},
                             {"/files?path=dir", 403, ""},
                             {"/files?path=dir/", 403, ""},
                             {"/files?path=with-index/", 403, ""},
                             {"/files?path=.", 403, ""},
                             {"/files?path=" + root, 403, ""},
                             {"/files?path=file.txt/", 404, ""},
                             {"/files?path=nothing", 404, ""},
                             {"/files?path=" + tree_.base() + "/outside/secret.txt", 404, ""},
                             {"/files?path=" + root + "x/secret", 404, ""},
                             {"/files?path=/etc/passwd", 404, ""},
                             {"/files?path=/", 404, ""},
                             {"/files", 400, ""},
                             {"/files?path=", 400, ""},
                         });
    EXPECT_EQ(ask(store(), "/files?path=dir/inner.bin").disposition,
              "attachment; filename=\"inner.bin\"");
    EXPECT_EQ(ask(store(), "/dir/inner.bin").disposition, "");
}

TEST_P(Store, TheApiTakesAbsolutePathsWhenEverythingIsServed) {
    const UniqueFd top(::open("/", O_PATH | O_DIRECTORY));
    const LocalStore everything =
        store({.root_fd = top.get(), .root_path = "/", .symlinks = Symlinks::inside});
    EXPECT_EQ(ask(everything, "/files?path=" + tree_.at("file.txt")).body, "text");
    EXPECT_EQ(ask(everything, "/files?path=" + tree_.at("file.txt").substr(1)).body, "text");
    EXPECT_EQ(ask(everything, tree_.at("file.txt")).body, "text");
    EXPECT_EQ(ask(everything, "/files?path=/").status, 403);
    EXPECT_EQ(ask(everything, "/files?path=/dev/null").status, 403);
    EXPECT_EQ(ask(everything, "/files?path=/proc/version").status, 404);
    const Answer listing = ask(everything, "/?format=json");
    EXPECT_EQ(listing.body.find("\"proc\""), std::string::npos) << "listed, but never served";
    EXPECT_NE(listing.body.find("\"etc\""), std::string::npos);
}

TEST_P(Store, TheApiTakesTheRootsNameAsItWasConfigured) {
    const UniqueFd root(::open(tree_.root().c_str(), O_PATH | O_DIRECTORY));
    const LocalStore current = store({.root_fd = root.get(),
                                      .root_path = tree_.root(),
                                      .root_name = "/srv/current",
                                      .symlinks = Symlinks::inside});
    EXPECT_EQ(ask(current, "/files?path=/srv/current/file.txt").body, "text");
    EXPECT_EQ(ask(current, "/files?path=" + tree_.at("file.txt")).body, "text");
    EXPECT_EQ(ask(current, "/files?path=/srv/currently/file.txt").status, 404);
    EXPECT_EQ(ask(current, "/files?path=/srv/current/../../etc/passwd").status, 404);
}

TEST_P(Store, HiddenNamesAreThereOnlyWhenAskedFor) {
    tree_.folder(".git");
    tree_.file(".git/config", "hidden");
    tree_.file(".env", "hidden");
    tree_.folder("dir/.x");
    tree_.file("dir/.x/y", "hidden");
    tree_.folder(".well-known");
    tree_.file(".well-known/acme", "known");
    tree_.file(".well-known/.x", "hidden");
    tree_.file("...", "hidden");
    tree_.file("x~", "plain");
    tree_.link(".git", "repository");
    tree_.link(".env", "dir/../settings");
    tree_.link("x~", ".link");
    StoreConfig shown = tree_.config();
    shown.hidden = true;
    const char* hidden[] = {"/.git/config",
                            "/%2egit/config",
                            "/.env",
                            "/dir/.x/y",
                            "/...",
                            "/.git",
                            "/.well-known/.x",
                            "/files?path=.env",
                            "/repository/config",
                            "/repository/",
                            "/settings",
                            "/files?path=settings",
                            "/.link"};
    for (const char* origin : hidden) {
        EXPECT_EQ(ask(store(), origin).status, 404) << origin;
        EXPECT_NE(ask(store(shown), origin).status, 404) << origin;
    }
    EXPECT_EQ(ask(store(), "/files?path=" + tree_.at(".git/config")).status, 404);
    EXPECT_EQ(ask(store(), "/.well-known/acme").body, "known");
    EXPECT_EQ(ask(store(), "/x~").body, "plain");
    EXPECT_EQ(ask(store(), "/?format=json").body.find("\".git\""), std::string::npos);
    EXPECT_NE(ask(store(), "/?format=json").body.find("\".well-known\""), std::string::npos);
    EXPECT_NE(ask(store(shown), "/?format=json").body.find("\".git\""), std::string::npos);
}

TEST_P(Store, ARootBelowAHiddenFolderIsNoReasonToHideIt) {
    tree_.folder(".hidden/tree");
    tree_.file(".hidden/tree/x", "shown");
    const UniqueFd root(::open(tree_.at(".hidden/tree").c_str(), O_PATH | O_DIRECTORY));
    const LocalStore store =
        this->store({.root_fd = root.get(), .root_path = tree_.at(".hidden/tree")});
    EXPECT_EQ(ask(store, "/files?path=" + tree_.at(".hidden/tree/x")).body, "shown");
}

TEST_P(Store, AnIndexThatIsNoFileIsRefusedAndNothingIsListed) {
    for (const char* name : {"folder", "fifo", "out", "absolute-out", "dangling", "loop", "closed"})
        tree_.folder(name);
    tree_.folder("folder/index.html");
    tree_.fifo("fifo/index.html");
    tree_.link("../../outside/secret.txt", "out/index.html");
    tree_.link(tree_.base() + "/outside/secret.txt", "absolute-out/index.html");
    tree_.link("nothing", "dangling/index.html");
    tree_.link("index.html", "loop/index.html");
    tree_.file("closed/index.html", "closed");
    ASSERT_EQ(::chmod(tree_.at("closed/index.html").c_str(), 0), 0);
    const AsNobody nobody;
    expect_rows(store(), {
                             {"/folder/", 403, ""},
                             {"/fifo/", 403, ""},
                             {"/out/", 404, ""},
                             {"/absolute-out/", 404, ""},
                             {"/dangling/", 404, ""},
                             {"/loop/", 404, ""},
                             {"/closed/", 403, ""},
                         });
}

TEST_P(Store, AnIndexMayBeALinkAndHaveAnyName) {
    tree_.folder("linked");
    tree_.link("../with-index/index.html", "linked/index.html");
    EXPECT_EQ(ask(store(), "/linked/").body, "<p>index");
    StoreConfig other = tree_.config();
    other.index = "other";
    EXPECT_EQ(ask(store(other), "/with-index/").body, "other");
    EXPECT_EQ(ask(store(other), "/with-index/").type, "application/octet-stream");
    other.index = "";
    EXPECT_NE(ask(store(other), "/with-index/").body.find("index.html"), std::string::npos)
        << "a listing";
}

TEST_P(Store, WithoutListingAFolderIsForbidden) {
    StoreConfig config = tree_.config();
    config.listing = false;
    expect_rows(store(config), {
                                   {"/", 403, ""},
                                   {"/dir/", 403, ""},
                                   {"/dir/?format=json", 403, ""},
                                   {"/dir", 301, "dir/"},
                                   {"/with-index/", 200, "<p>index"},
                                   {"/nothing/", 404, ""},
                               });
}

TEST_P(Store, AFolderThatMayNotBeReadIsForbidden) {
    tree_.folder("no-read");
    tree_.file("no-read/x", "reachable");
    tree_.folder("no-enter");
    ASSERT_EQ(::chmod(tree_.at("no-read").c_str(), 0311), 0);
    ASSERT_EQ(::chmod(tree_.at("no-enter").c_str(), 0444), 0);
    const AsNobody nobody;
    expect_rows(store(), {
                             {"/no-read/", 403, ""},
                             {"/no-read/x", 200, "reachable"},
                             {"/no-enter/", 403, ""},
                             {"/no-enter/x", 403, ""},
                         });
}

TEST_P(Store, NamesThatAreTooLongAreNotThere) {
    expect_rows(store(), {
                             {"/" + std::string(255, 'x'), 404, ""},
                             {"/" + std::string(256, 'x'), 404, ""},
                             {"/" + std::string(4096, 'x'), 404, ""},
                             {"/dir/" + std::string(8000, 'x') + "/", 404, ""},
                         });
    std::string deep;
    for (int i = 0; i < 2100; ++i) deep += "/a";
    EXPECT_EQ(ask(store(), deep).status, 404);
}

TEST_P(Store, OnlyTheExactNameIsTheName) {
    for (const char* origin :
         {"/FILE.TXT", "/file.txt.", "/file.txt%20", "/file.txt::$DATA", "/file", "/con"})
        EXPECT_EQ(ask(store(), origin).status, 404) << origin;
}

// What a cache asks before it answers from an open file. "Not sure" is always allowed, "still" must
// be true.
TEST_P(Store, KnowsWhetherAPathSurelyLeadsToTheSameFile) {
    tree_.folder("a/b");
    tree_.file("a/b/file", "old");
    tree_.link("a/b/file", "link");
    tree_.folder("c/b");
    tree_.file("c/b/file", "other");
    const LocalStore store = this->store();
    const auto same = [&](const char* origin, const http::Resource& found) {
        const auto& extent = std::get<http::FileExtent>(found.body.segments.at(0));
        EXPECT_EQ("/" + found.path, origin);
        return store.surely_still(found.path, *extent.file);
    };
    const auto find = [&](const char* origin) {
        return store.find(*http::parse_target(origin), {});
    };
    for (const char* origin : {"/a/b/file", "/link"}) {
        const auto found = find(origin);
        ASSERT_TRUE(found);
        EXPECT_EQ(same(origin, *found), GetParam() == ResolveForm::openat2)
            << "the walk never is sure";
        std::filesystem::rename(tree_.at("a"), tree_.at("moved"));
        EXPECT_FALSE(same(origin, *found)) << "gone";
        std::filesystem::rename(tree_.at("c"), tree_.at("a"));
        EXPECT_FALSE(same(origin, *found)) << "another file is there";
        std::filesystem::rename(tree_.at("a"), tree_.at("c"));
        std::filesystem::create_directory_symlink(tree_.base() + "/outside", tree_.at("a"));
        EXPECT_FALSE(same(origin, *found)) << "a link leads out";
        std::filesystem::remove(tree_.at("a"));
        std::filesystem::rename(tree_.at("moved"), tree_.at("a"));
        EXPECT_EQ(same(origin, *found), GetParam() == ResolveForm::openat2) << "back again";
    }
}

TEST(Disposition, QuotesEncodesAndReplaces) {
    struct Name {
        std::string name;
        std::string expected;
    };
    const Name rows[] = {
        {"file.tar", R"(attachment; filename="file.tar")"},
        {"two words; and=more, (really).txt",
         R"(attachment; filename="two words; and=more, (really).txt")"},
        {".profile", R"(attachment; filename=".profile")"},
        {"a\"b", R"(attachment; filename="a_b"; filename*=UTF-8''a%22b)"},
        {"a\\b", R"(attachment; filename="a_b"; filename*=UTF-8''a%5Cb)"},
        {"100%41", R"(attachment; filename="100_41"; filename*=UTF-8''100%2541)"},
        {"na\xc3\xafve \xe2\x82\xac.txt",
         R"(attachment; filename="na_ve _.txt"; filename*=UTF-8''na%C3%AFve%20%E2%82%AC.txt)"},
        {"\xf0\x9f\x98\x80", R"(attachment; filename="_"; filename*=UTF-8''%F0%9F%98%80)"},
        {"a\r\nSet-Cookie: x\x7f", R"(attachment; filename="a__Set-Cookie: x_")"},
        {"bad\xff\xfe.bin", R"(attachment; filename="bad__.bin")"},
        {"bad\xff\xc3\xa9", R"(attachment; filename="bad__"; filename*=UTF-8''bad_%C3%A9)"},
        {"cut\xe2\x82", R"(attachment; filename="cut__")"},
        {"it's*(x)\xc3\xa9",
         R"(attachment; filename="it's*(x)_"; filename*=UTF-8''it%27s%2A%28x%29%C3%A9)"},
    };
    for (const Name& row : rows) EXPECT_EQ(attachment(row.name), row.expected);
}

} // namespace
} // namespace fsrv::content
