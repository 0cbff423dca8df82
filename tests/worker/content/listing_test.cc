// Listings: which entries, in which order, as HTML that no name can break out of and as JSON that
// is JSON.

#include "tests/support/texts.h"
#include "tests/worker/content/json.h"
#include "tests/worker/content/support.h"
#include "worker/http/page.h"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <memory>
#include <thread>
#include <vector>

namespace fsrv::content {
namespace {

using test::texts_between;

// The links of the rows, without the one to the parent.
std::vector<std::string> hrefs(const Answer& answer) {
    std::vector<std::string> out = texts_between(answer.body, "<tr><td><a href=\"", "\"");
    std::erase(out, "../");
    return out;
}

class Listings : public testing::TestWithParam<ResolveForm> {
  protected:
    StoreConfig config() const { return tree_.config(GetParam()); }
    LocalStore store() const { return LocalStore(config(), MimeTypes()); }
    Json json(const std::string& origin) const {
        const Answer answer = ask(store(), origin);
        auto document = JsonReader::read(answer.body);
        EXPECT_TRUE(document) << answer.body;
        return document.value_or(Json{});
    }
    std::vector<std::string> names(const std::string& origin) const {
        std::vector<std::string> out;
        const Json document = json(origin);
        for (const Json& entry : document["entries"].items) out.push_back(entry["name"].text);
        return out;
    }

    Tree tree_;
};

INSTANTIATE_TEST_SUITE_P(BothForms, Listings, kForms, form_name);

TEST_P(Listings, ShowWhatCanBeHadAndNothingElse) {
    tree_.file("file", "12345");
    tree_.folder("folder/below");
    tree_.fifo("fifo");
    tree_.socket("socket");
    tree_.file(".hidden", "x");
    tree_.folder("-"); // reserved
    tree_.link("file", "to-file");
    tree_.link("folder", "to-folder");
    tree_.link(tree_.at("file"), "to-absolute");
    tree_.link("fifo", "to-fifo");
    tree_.link("nothing", "to-nothing");
    tree_.link("to-self", "to-self");
    tree_.link(".hidden", "to-hidden");
    tree_.link("../outside/secret.txt", "to-outside");
    tree_.link(tree_.base() + "/outside", "to-outside-folder");
    const std::vector<std::string> inside = {"folder/", "to-folder/", "file", "to-absolute",
                                             "to-file"};
    EXPECT_EQ(names("/?format=json"),
              (std::vector<std::string>{"folder", "to-folder", "file", "to-absolute", "to-file"}));
    std::vector<std::string> expected;
    for (const std::string& name : inside) expected.push_back(name);
    const Answer page = ask(store(), "/");
    EXPECT_EQ(hrefs(page), expected);
    for (const std::string& href : expected)
        EXPECT_EQ(ask(store(), "/" + href).status, 200) << href << " is listed, so it can be had";

    StoreConfig config = this->config();
    config.symlinks = Symlinks::never;
    EXPECT_EQ(hrefs(ask(LocalStore(config, MimeTypes()), "/")),
              (std::vector<std::string>{"folder/", "file"}));
    config.symlinks = Symlinks::follow;
    const std::vector<std::string> followed = hrefs(ask(LocalStore(config, MimeTypes()), "/"));
    EXPECT_NE(std::find(followed.begin(), followed.end(), "to-outside"), followed.end());
    EXPECT_EQ(std::find(followed.begin(), followed.end(), "to-fifo"), followed.end());
}

TEST_P(Listings, OfferEveryNameByItsExactBytesAndNoneAsMarkup) {
    const std::string names[] = {"<img src=x onerror=alert(1)>",
                                 "<script>alert(1)<",
                                 "\"",
                                 "'",
                                 "&amp;",
                                 "&#x41;",
                                 "javascript:alert(1)",
                                 "a:b",
                                 "line\nfeed",
                                 "\r\n\r\n",
                                 "tab\t",
                                 " leading",
                                 "trailing ",
                                 "\xff\xfe",
                                 "\xc0\xae\xc0\xae",
                                 "cut\xe2\x82",
                                 "%41",
                                 "%2e%2e",
                                 "a?b=c",
                                 "#",
                                 "a\\b",
                                 "~",
                                 "x...",
                                 "-rf",
                                 "(1) a",
                                 "!x",
                                 "@x",
                                 "$x",
                                 "+x",
                                 "a+b;c=d,e",
                                 "_x",
                                 "*",
                                 "\xe2\x80\xae"
                                 "gpj.exe",
                                 "\xd1\x84",
                                 "\"><svg onload=alert(1)>",
                                 "]]>",
                                 "<!--",
                                 "\x01\x1f\x7f",
                                 "\xed\xa0\x80",
                                 std::string(255, '"')};
    tree_.folder("d");
    for (const std::string& name : names) tree_.file("d/" + name, name);
    const Answer page = ask(store(), "/d/");
    const std::vector<std::string> links = hrefs(page);
    ASSERT_EQ(links.size(), std::size(names));
    std::vector<std::string> reached;
    for (const std::string& link : links) {
        ASSERT_EQ(link.find_first_of("<>\"'&:?#\\ \r\n\t/;+"), std::string::npos) << link;
        ASSERT_TRUE(std::isalnum(static_cast<unsigned char>(link.front())) || link.front() == '%')
            << link << ": httpdirfs sees no others";
        const Answer file = ask(store(), "/d/" + link);
        EXPECT_EQ(file.status, 200) << link;
        reached.push_back(file.body); // each file holds its own name
    }
    std::sort(reached.begin(), reached.end());
    std::vector<std::string> expected(std::begin(names), std::end(names));
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(reached, expected);

    // What stands in the cells holds no markup, no control character and no bytes that are no
    // UTF-8.
    EXPECT_TRUE(is_utf8(page.body));
    for (const std::string& text : texts_between(page.body, "<tr><td><a href=\"", "</td>")) {
        const std::string shown = text.substr(text.find('>') + 1);
        EXPECT_EQ(shown.find_first_of("<>\"'\n\r\t\x01\x1f\x7f"), shown.find("</a>")) << text;
        EXPECT_EQ(shown.find("\xe2\x80\xae"), std::string::npos) << "turns the writing direction";
    }
    for (const std::string_view markup : {"<img", "<script", "<svg", "<!--", "onerror=alert(1)>"})
        EXPECT_EQ(page.body.find(markup), std::string::npos) << markup;

    const Json document = json("/d/?format=json");
    for (const Json& entry : document["entries"].items)
        EXPECT_EQ(ask(store(), "/d/" + entry["href"].text).status, 200) << entry["name"].text;
}

TEST_P(Listings, TheFolderItselfMayHaveSuchAName) {
    const std::string name = "<b>\"&\n\xff";
    tree_.folder(name + "/" + name);
    const Answer page = ask(store(), "/" + http::encode_path(name + "/" + name) + "/");
    EXPECT_EQ(page.body.find("<b>"), std::string::npos);
    EXPECT_TRUE(is_utf8(page.body));
    EXPECT_NE(page.body.find("<h1>&lt;b&gt;&quot;&amp;\xEF\xBF\xBD\xEF\xBF\xBD</h1>"),
              std::string::npos);
    const Json document = json("/" + http::encode_path(name) + "/?format=json");
    EXPECT_EQ(document["path"].text, "/<b>\"&\n\xEF\xBF\xBD/");
    EXPECT_EQ(document["entries"].items.at(0)["href"].text, "%3Cb%3E%22%26%0A%FF/");
}

TEST_P(Listings, LeadUpwardsByRelativeLinks) {
    tree_.folder("a/b/c");
    EXPECT_EQ(texts_between(ask(store(), "/a/b/c/").body, "<li><a href=\"", "</a>"),
              (std::vector<std::string>{"../../../\">Files", "../../\">a", "../\">b"}));
    EXPECT_NE(ask(store(), "/a/b/c/").body.find("<h1>c</h1>"), std::string::npos);
    EXPECT_NE(ask(store(), "/a/").body.find("<a href=\"../\">Parent folder</a>"),
              std::string::npos);
    const Answer top = ask(store(), "/");
    EXPECT_EQ(top.body.find("Parent folder"), std::string::npos);
    EXPECT_EQ(top.body.find("<nav"), std::string::npos);
}

TEST_P(Listings, OfTheDeepestFolderHaveAHeadThatIsBounded) {
    std::string path;
    for (int i = 0; i < 400; ++i) path += "d/";
    UniqueFd at(::openat(tree_.fd(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (int i = 0; i < 400; ++i) {
        ASSERT_EQ(::mkdirat(at.get(), "d", 0755), 0);
        at.reset(::openat(at.get(), "d", O_PATH | O_DIRECTORY | O_CLOEXEC));
    }
    const Answer page = ask(store(), "/" + path);
    ASSERT_EQ(page.status, 200);
    EXPECT_LT(page.body.size(), 32U * 1024);
    const std::vector<std::string> links = texts_between(page.body, "<li><a href=\"", "\"");
    ASSERT_EQ(links.size(), limits::kMaxShownAncestors + 1);
    EXPECT_EQ(links.front().size(), 400U * 3) << "the root";
    EXPECT_EQ(links.back(), "../");
    EXPECT_NE(page.body.find("<li>\xE2\x80\xA6</li>"), std::string::npos);
}

TEST_P(Listings, SayWhatTheyAreInTheirFields) {
    tree_.file("x", "x");
    const Answer page = ask(store(), "/");
    EXPECT_EQ(page.type, "text/html; charset=utf-8");
    EXPECT_EQ(page.etag, "");
    EXPECT_EQ(page.fields, "Vary: Accept\r\nCache-Control: no-cache\r\nContent-Security-Policy: " +
                               std::string(http::page_security_policy(http::Forms::own)) + "\r\n");
    const Answer asked = ask(store(), "/", "application/json");
    EXPECT_EQ(asked.type, "application/json; charset=utf-8");
    EXPECT_EQ(asked.fields, "Vary: Accept\r\nCache-Control: no-cache\r\n");
    EXPECT_TRUE(JsonReader::read(asked.body));
    EXPECT_EQ(ask(store(), "/", "text/html,application/json;q=0.5").type, page.type);
    EXPECT_EQ(ask(store(), "/?format=json", "text/html").type, asked.type);
    EXPECT_EQ(ask(store(), "/", "*/*").type, page.type);
}

TEST_P(Listings, AreNotMadeForHeadWhichGetsTheSameFields) {
    tree_.folder("shut");
    ASSERT_EQ(::chmod(tree_.at("shut").c_str(), 0711), 0);
    for (const char* accept : {"text/html", "application/json"}) {
        const Answer get = ask(store(), "/", Ask{.accept = accept});
        const Answer head = ask(store(), "/", Ask{.accept = accept, .head = true});
        EXPECT_EQ(head.status, 200);
        EXPECT_EQ(head.type, get.type);
        EXPECT_EQ(head.fields, get.fields);
        EXPECT_EQ(head.body, "");
    }
    const auto found = store().find(*http::parse_target("/"), Ask{.head = true});
    ASSERT_TRUE(found);
    EXPECT_FALSE(found->body_made);
    if (::geteuid() != 0) return;
    const AsNobody nobody;
    EXPECT_EQ(ask(store(), "/shut/").status, 403);
    EXPECT_EQ(ask(store(), "/shut/", Ask{.head = true}).status, 403);
}

TEST_P(Listings, AreGivenUpWhenNobodyWaits) {
    tree_.file("x", "x");
    std::atomic<bool> cancelled = false;
    EXPECT_EQ(ask(store(), "/", Ask{.cancelled = &cancelled}).status, 200);
    cancelled = true;
    EXPECT_EQ(ask(store(), "/", Ask{.cancelled = &cancelled}).status, 503);
    EXPECT_EQ(ask(store(), "/x", Ask{.cancelled = &cancelled}).status, 200) << "costs nothing";
}

TEST_P(Listings, TellSizesAndTimes) {
    tree_.folder("folder");
    tree_.file("empty", "");
    tree_.file("one", "1");
    test::make_sparse(tree_.at("big"), 5'000'000'000);
    for (const char* name : {"empty", "one", "big", "folder"}) test::set_mtime(tree_.at(name));
    const Json document = json("/?format=json");
    EXPECT_EQ(document["path"].text, "/");
    EXPECT_EQ(document["truncated"].text, "false");
    const std::vector<Json>& entries = document["entries"].items;
    ASSERT_EQ(entries.size(), 4U);
    EXPECT_EQ(entries[0]["type"].text, "directory");
    EXPECT_FALSE(entries[0].has("size"));
    EXPECT_EQ(entries[0]["href"].text, "folder/");
    EXPECT_EQ(entries[1]["name"].text, "big");
    EXPECT_EQ(entries[1]["type"].text, "file");
    EXPECT_EQ(entries[1]["size"].text, "5000000000");
    EXPECT_EQ(entries[1]["mtime"].text, "2023-11-14T22:13:20.123Z");
    EXPECT_EQ(entries[1]["href"].text, "big");
    EXPECT_EQ(entries[2]["size"].text, "0");
    const std::string page = ask(store(), "/").body;
    EXPECT_NE(page.find("<td title=\"5,000,000,000 bytes\">4.7 GiB</td>"), std::string::npos);
    EXPECT_NE(page.find("<td title=\"1 byte\">1 B</td>"), std::string::npos);
    EXPECT_NE(page.find("</a></td> <td><time datetime=\"2023-11-14 22:13:20Z\">2023-11-14<span> "
                        "22:13</span></time></td> <td"),
              std::string::npos);
    EXPECT_NE(page.find("</time></td> <td>-</td></tr>\n"), std::string::npos) << "of a folder";
    EXPECT_NE(page.find("1 folder, 3 files, <span title=\"5,000,000,001 bytes\">4.7 GiB</span>"),
              std::string::npos);
}

TEST_P(Listings, ComeInTheOrderThatWasAskedFor) {
    for (const char* folder : {"Zoo", "apple"}) tree_.folder(folder);
    const std::pair<const char*, int> files[] = {
        {"file10", 1}, {"file2", 3}, {"File1", 2}, {"b", 3}};
    int seconds = 1000;
    for (const auto& [name, size] : files) {
        tree_.file(name, std::string(static_cast<std::size_t>(size), 'x'));
        test::set_mtime(tree_.at(name), seconds++, 0);
    }
    test::set_mtime(tree_.at("Zoo"), 1, 0);
    test::set_mtime(tree_.at("apple"), 2, 0);
    using Names = std::vector<std::string>;
    const Names by_name = {"apple", "Zoo", "b", "File1", "file2", "file10"};
    const std::pair<const char*, Names> rows[] = {
        {"", by_name},
        {"&sort=name", by_name},
        {"&sort=name&order=asc", by_name},
        {"&sort=name&order=desc", {"Zoo", "apple", "file10", "file2", "File1", "b"}},
        {"&order=desc", {"Zoo", "apple", "file10", "file2", "File1", "b"}},
        {"&sort=size", {"apple", "Zoo", "b", "file2", "File1", "file10"}},
        {"&sort=size&order=asc", {"apple", "Zoo", "file10", "File1", "b", "file2"}},
        {"&sort=time", {"apple", "Zoo", "b", "File1", "file2", "file10"}},
        {"&sort=time&order=asc", {"Zoo", "apple", "file10", "file2", "File1", "b"}},
        {"&sort=&order=", by_name},
        {"&sort=nonsense&order=1", by_name},
        {"&sort=size&sort=name", by_name},
        {"&&&=&sort", by_name},
    };
    for (const auto& [query, expected] : rows)
        EXPECT_EQ(names("/?format=json" + std::string(query)), expected) << query;
}

TEST_P(Listings, ColumnHeadsSortAndTurn) {
    struct Row {
        const char* origin;
        std::vector<std::string> orders; // that the buttons of name, time and size ask for
        std::vector<std::string> sorted;
    };
    const Row rows[] = {
        {"/", {"desc", "desc", "desc"}, {"ascending"}},
        {"/?sort=size", {"asc", "desc", "asc"}, {"descending"}},
        {"/?sort=time&order=asc", {"asc", "desc", "desc"}, {"ascending"}},
    };
    for (const Row& row : rows) {
        const Answer page = ask(store(), row.origin);
        EXPECT_EQ(texts_between(page.body, "<input type=\"hidden\" name=\"sort\" value=\"", "\""),
                  (std::vector<std::string>{"name", "time", "size"}));
        EXPECT_EQ(texts_between(page.body, "<button name=\"order\" value=\"", "\""), row.orders)
            << row.origin;
        EXPECT_EQ(texts_between(page.body, "\" aria-sort=\"", "\""), row.sorted) << row.origin;
        EXPECT_EQ(page.body.find("href=\"./"), std::string::npos) << "links to the same folder";
        EXPECT_EQ(page.body.find("href=\"?"), std::string::npos) << "links to the same folder";
    }
}

TEST_P(Listings, AnEmptyFolderSaysSo) {
    tree_.folder("empty");
    EXPECT_NE(ask(store(), "/empty/").body.find("This folder is empty."), std::string::npos);
    EXPECT_TRUE(json("/empty/?format=json")["entries"].items.empty());
    EXPECT_EQ(json("/empty/?format=json")["path"].text, "/empty/");
}

TEST_P(Listings, AreCutAtTheirLimitAndSaySo) {
    for (int i = 0; i < 11; ++i) tree_.file(std::to_string(i), "x");
    tree_.fifo("fifo"); // does not count
    for (const std::size_t limit : {1U, 10U, 11U, 12U}) {
        StoreConfig config = this->config();
        config.max_listing_entries = limit;
        const LocalStore store(config, MimeTypes());
        const auto document = JsonReader::read(ask(store, "/?format=json").body);
        ASSERT_TRUE(document);
        EXPECT_EQ((*document)["entries"].items.size(), std::min<std::size_t>(limit, 11));
        EXPECT_EQ((*document)["truncated"].text, limit < 11 ? "true" : "false") << limit;
        EXPECT_EQ(ask(store, "/").body.find("too big to show whole") != std::string::npos,
                  limit < 11)
            << limit;
    }
}

TEST_P(Listings, OfTheFileThatIsNamedLikeTheApiLeadThroughTheApi) {
    tree_.file("files", "both");
    tree_.folder("d");
    tree_.file("d/files", "below");
    const std::vector<std::string> links = hrefs(ask(store(), "/"));
    ASSERT_EQ(links.back(), "files?path=files");
    EXPECT_EQ(ask(store(), "/" + links.back()).body, "both");
    EXPECT_EQ(hrefs(ask(store(), "/d/")), std::vector<std::string>{"files"});
}

TEST(ListingMemory, IsBoundedWhileListingsAreAliveAndFreeAfterwards) {
    Tree tree;
    for (int i = 0; i < 200; ++i) tree.file(std::string(100, 'n') + std::to_string(i), "");
    StoreConfig config = tree.config();
    const std::size_t page = ask(LocalStore(config, MimeTypes()), "/").body.size();
    config.max_listing_bytes = page * 5 / 2;
    const LocalStore store(config, MimeTypes());
    const auto target = http::parse_target("/");
    auto first = store.find(*target, {});
    ASSERT_TRUE(first);
    EXPECT_EQ(first->body.size(), page);
    auto second = store.find(*target, {});
    // The entries of the second and its text do not fit beside the first.
    EXPECT_EQ(second ? 200 : second.error().status, 503);
    auto copy = std::make_unique<http::Body>(first->body);
    first = unexpected(http::Miss{});
    EXPECT_FALSE(store.find(*target, {})) << "a copy of the body still holds the bytes";
    copy.reset();
    EXPECT_TRUE(store.find(*target, {}));

    config.max_listing_bytes = 1000;
    const LocalStore tiny(config, MimeTypes());
    EXPECT_EQ(ask(tiny, "/").status, 503);
    EXPECT_EQ(ask(tiny, "/?format=json").status, 503);
    EXPECT_EQ(ask(tiny, "/" + std::string(100, 'n') + "1").status, 200) << "files do not count";
}

TEST(ListingMemory, IsCountedRightByManyThreads) {
    Tree tree;
    for (int i = 0; i < 50; ++i) tree.file(std::string(100, 'n') + std::to_string(i), "");
    StoreConfig config = tree.config();
    const std::size_t page = ask(LocalStore(config, MimeTypes()), "/").body.size();
    config.max_listing_bytes = page * 3;
    const LocalStore store(config, MimeTypes());
    std::vector<std::thread> threads;
    std::atomic<int> wrong = 0;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (int round = 0; round < 50; ++round) {
                const Answer answer = ask(store, "/");
                if (answer.status == 200 ? answer.body.size() != page : answer.status != 503)
                    ++wrong;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
    // All of it was given back: as many pages as fit can be had at once.
    EXPECT_TRUE(store.find(*http::parse_target("/"), {}));
    std::vector<http::FindResult> held;
    for (int i = 0; i < 2; ++i) held.push_back(store.find(*http::parse_target("/"), {}));
    EXPECT_TRUE(held[0] && held[1]);
}

TEST(ListingMemory, ABodyMayOutliveItsStore) {
    Tree tree;
    tree.file("x", "");
    auto store = std::make_unique<LocalStore>(tree.config(), MimeTypes());
    auto found = store->find(*http::parse_target("/"), {});
    store.reset();
    ASSERT_TRUE(found);
    EXPECT_TRUE(read_body(found->body).ends_with("</html>\n"));
}

} // namespace
} // namespace fsrv::content
