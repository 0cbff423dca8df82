// Pages of listings, and listings as streams: whatever the order and whatever comes and goes, every
// name once.

#include "common/crypto/base64.h"
#include "common/crypto/digest.h"
#include "tests/worker/content/json.h"
#include "tests/worker/content/support.h"
#include "worker/content/listing.h"
#include "worker/content/listing_page.h"

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <vector>

namespace fsrv::content {
namespace {

using Key = ListingOrder::Key;
using Names = std::vector<std::string>;

constexpr ListingOrder kOrders[] = {{Key::name, false}, {Key::name, true},  {Key::size, false},
                                    {Key::size, true},  {Key::time, false}, {Key::time, true}};

std::string name_with_slash(const ListedEntry& entry) {
    return std::string(entry.name) + (entry.folder ? "/" : "");
}

Names names_in(const std::vector<ListedEntry>& entries) {
    Names names;
    for (const ListedEntry& entry : entries) names.push_back(name_with_slash(entry));
    return names;
}

// Names that begin alike, with numbers, folders among them, with equal sizes and times.
struct Folder {
    explicit Folder(std::size_t count) {
        std::mt19937 random(7);
        for (std::size_t i = 0; i < count; ++i)
            all.entries.push_back(
                {.name = all.names.keep((i % 3 == 0 ? "File" : "file") + std::to_string(i)),
                 .size = random() % 5,
                 .mtime = {static_cast<std::int64_t>(random() % 4), 0},
                 .folder = i % 7 == 0});
        walked = all.entries;
        std::shuffle(walked.begin(), walked.end(), random);
    }
    Listing all;
    std::vector<ListedEntry> walked; // as a file system might have it
};

TEST(ListingPage, HasWhatComesNextInEveryOrder) {
    Folder folder(3000);
    const auto budget = std::make_shared<ByteBudget>(std::size_t{1} << 30);
    for (const ListingOrder order : kOrders) {
        sort_listing(folder.all, order);
        const std::vector<ListedEntry>& all = folder.all.entries;
        for (std::size_t i = 1; i < all.size(); ++i) {
            ASSERT_TRUE(comes_before(all[i - 1], all[i], order));
            ASSERT_FALSE(comes_before(all[i], all[i - 1], order));
        }
        for (const std::size_t limit : {1U, 2U, 100U, 2999U, 3000U, 5000U}) {
            for (const std::size_t place : {0U, 1U, 100U, 2900U, 2999U}) {
                for (const bool backwards : {false, true}) {
                    Reservation memory(budget);
                    ListingPage page(
                        {.order = order,
                         .limit = limit,
                         .after = backwards ? std::nullopt : std::optional(all[place]),
                         .before = backwards ? std::optional(all[place]) : std::nullopt},
                        memory);
                    for (const ListedEntry& entry : folder.walked) {
                        if (!page.may_want(entry.name, entry.folder)) continue;
                        ASSERT_TRUE(page.may_want(entry.name, std::nullopt));
                        ASSERT_TRUE(page.add(entry));
                    }
                    const Listing made = page.take();
                    const std::size_t first =
                        backwards ? place - std::min(place, limit) : place + 1;
                    const std::size_t last =
                        backwards ? place : std::min(place + 1 + limit, all.size());
                    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(first);
                    const auto end = all.begin() + static_cast<std::ptrdiff_t>(last);
                    ASSERT_EQ(names_in(made.entries),
                              names_in(std::vector<ListedEntry>(begin, end)));
                    EXPECT_EQ(made.more_after, backwards || last < all.size());
                    EXPECT_EQ(made.more_before, !backwards || first > 0);
                }
            }
        }
    }
    EXPECT_EQ(budget->used(), 0U);
}

// The worst order to walk in is the one that makes every name the best so far.
TEST(ListingPage, TakesTheMemoryOfAPageWhateverTheFolder) {
    const auto budget = std::make_shared<ByteBudget>(200 * 1024);
    Reservation memory(budget);
    ListingPage page({.order = {}, .limit = 100}, memory);
    for (int i = 200'000; i > 0; --i) {
        const std::string name = "name-" + std::to_string(i);
        ASSERT_TRUE(page.add({.name = name})) << i;
    }
    const Listing made = page.take();
    ASSERT_EQ(made.entries.size(), 100U);
    EXPECT_EQ(made.entries.front().name, "name-1");
    EXPECT_EQ(made.entries.back().name, "name-100");
    EXPECT_TRUE(made.more_after);
}

TEST(ListingPage, SaysWhenItsMemoryIsUsedUp) {
    const auto budget = std::make_shared<ByteBudget>(10 * 1024);
    Reservation memory(budget);
    ListingPage page({.order = {}, .limit = 1000}, memory);
    int kept = 0;
    while (page.add({.name = std::to_string(kept)})) ++kept;
    EXPECT_GT(kept, 50);
    EXPECT_LT(kept, 120);
}

class ListingPages : public testing::TestWithParam<ResolveForm> {
  protected:
    LocalStore store() const { return LocalStore(tree_.config(GetParam()), MimeTypes()); }
    void fill(const std::string& folder, int files, int folders) {
        tree_.folder(folder);
        for (int i = 0; i < files; ++i)
            tree_.file(folder + "/file" + std::to_string(i),
                       std::string(static_cast<std::size_t>(i % 4), 'x'));
        for (int i = 0; i < folders; ++i) tree_.folder(folder + "/folder" + std::to_string(i));
    }
    static Json read(const std::string& text) {
        auto document = JsonReader::read(text);
        EXPECT_TRUE(document) << text;
        return document.value_or(Json{});
    }
    static Names names_of(const std::string& text) {
        const Json document = read(text);
        Names names;
        for (const Json& entry : document["entries"].items) names.push_back(entry["name"].text);
        return names;
    }
    // Follows `next`; calls between() after each page.
    template <typename Between>
    Names follow(const LocalStore& store, const std::string& folder, std::string query,
                 Between between) const {
        Names names;
        for (int pages = 0; pages < 1000; ++pages) {
            const Answer answer = ask(store, folder + query);
            EXPECT_EQ(answer.status, 200) << query;
            const Json page = read(answer.body);
            for (const Json& entry : page["entries"].items) names.push_back(entry["name"].text);
            EXPECT_EQ(page.has("next"), page["truncated"].text == "true");
            if (!page.has("next")) return names;
            query = page["next"].text;
            between();
        }
        ADD_FAILURE() << "there is no end";
        return names;
    }

    Tree tree_;
};

INSTANTIATE_TEST_SUITE_P(BothForms, ListingPages, kForms, form_name);

TEST_P(ListingPages, TogetherHaveEveryNameOnceInTheOrderOfTheWhole) {
    fill("d", 60, 13);
    tree_.file("d/.hidden", "");
    tree_.link("file1", "d/link");
    tree_.link("folder1", "d/link-to-folder");
    const LocalStore store = this->store();
    for (const char* order : {"", "&order=desc", "&sort=size", "&sort=size&order=asc", "&sort=time",
                              "&sort=time&order=asc"}) {
        const Names whole = names_of(ask(store, "/d/?format=json" + std::string(order)).body);
        ASSERT_EQ(whole.size(), 75U);
        for (const char* limit : {"1", "7", "74", "75", "76"})
            EXPECT_EQ(
                follow(store, "/d/", "?format=json&limit=" + std::string(limit) + order, [] {}),
                whole)
                << limit << order;
    }
}

TEST_P(ListingPages, KeepWhatStaysWhileOthersComeAndGo) {
    fill("d", 100, 20);
    const LocalStore store = this->store();
    const Names stay = follow(store, "/d/", "?format=json&limit=1000", [] {});
    int turn = 0;
    std::set<std::string> passing;
    const Names seen = follow(store, "/d/", "?format=json&limit=3", [&] {
        for (const std::string& name : passing) std::filesystem::remove(tree_.at("d/" + name));
        passing.clear();
        ++turn;
        for (const std::string stem : {"file", "folder", "aaa", "zzz"}) {
            const std::string name = stem + std::to_string((turn * 37) % 120) + "-passing";
            passing.insert(name);
            if (turn % 2 == 0)
                tree_.file("d/" + name, "");
            else
                tree_.folder("d/" + name);
        }
    });
    Names lasting;
    for (const std::string& name : seen)
        if (name.find("-passing") == std::string::npos) lasting.push_back(name);
    EXPECT_EQ(lasting, stay);
}

TEST_P(ListingPages, GoOnBehindANameThatIsThereNoMore) {
    fill("d", 10, 5);
    const LocalStore store = this->store();
    const auto names = [&](const std::string& query) {
        return names_of(ask(store, "/d/?format=json&" + query).body);
    };
    EXPECT_EQ(names("limit=2&after=folder1%2F"), (Names{"folder2", "folder3"}));
    EXPECT_EQ(names("limit=2&after=folder1"), (Names{"folder2", "folder3"})) << "is one";
    EXPECT_EQ(names("limit=2&after=folder1a%2F"), (Names{"folder2", "folder3"}));
    EXPECT_EQ(names("limit=2&after=folder9%2F"), (Names{"file0", "file1"}));
    EXPECT_EQ(names("limit=2&after=file8a"), (Names{"file9"}));
    EXPECT_EQ(names("limit=2&before=file1"), (Names{"folder4", "file0"}));
    EXPECT_EQ(names("limit=2&before=folder1%2F"), (Names{"folder0"}));
    EXPECT_EQ(names("limit=2&after=zzz"), Names{});
    EXPECT_EQ(names("limit=2&sort=size&order=asc&after=gone&at=2"), (Names{"file3", "file7"}));
    EXPECT_EQ(ask(store, "/d/?format=json&sort=size&after=gone").status, 400);
    EXPECT_EQ(names("limit=1&sort=size&after=file3").size(), 1U);
    for (const char* query : {"limit=0", "after=", "after=a%2Fb", "after=a&before=b", "q=%"})
        EXPECT_EQ(ask(store, "/d/?" + std::string(query)).status, 400) << query;
}

TEST_P(ListingPages, ArePagesForPeopleAndWholeForPrograms) {
    fill("d", 1003, 2);
    const LocalStore store = this->store();
    const auto rows = [](const std::string& page) {
        std::size_t count = 0;
        for (std::size_t at = 0; (at = page.find("<tr><td><a href=\"f", at)) != page.npos; ++at)
            ++count;
        return count;
    };
    const std::string whole = ask(store, "/d/").body;
    EXPECT_EQ(rows(whole), 1005U);
    EXPECT_EQ(whole.find("rel=\"next\""), std::string::npos);
    EXPECT_EQ(whole.find("<script"), std::string::npos);
    const std::string first = ask(store, "/d/", "text/html,*/*;q=0.8").body;
    EXPECT_EQ(rows(first), limits::kListingPageEntries);
    EXPECT_NE(first.find("<a rel=\"next\" href=\"?after=file997\">Next</a>"), std::string::npos);
    EXPECT_EQ(first.find("class=\"prev\""), std::string::npos);
    EXPECT_NE(first.find("1,000 entries on this page"), std::string::npos);
    const std::string last = ask(store, "/d/?after=file997", "text/html").body;
    EXPECT_EQ(rows(last), 5U);
    EXPECT_EQ(last.find("rel=\"next\""), std::string::npos);
    EXPECT_NE(last.find("<input type=\"hidden\" value=\"file998\" name=\"before\">"
                        "<button class=\"prev\">Previous</button>"),
              std::string::npos);
    EXPECT_EQ(rows(ask(store, "/d/?before=file998", "text/html").body),
              limits::kListingPageEntries);
    EXPECT_EQ(rows(ask(store, "/d/?limit=3").body), 3U);
    for (const char* nowhere : {"/d/?after=zzz", "/d/?before=a%2F"}) {
        const std::string empty = ask(store, nowhere, "text/html").body;
        EXPECT_NE(empty.find("There is nothing there."), std::string::npos) << nowhere;
        EXPECT_NE(empty.find("<button>First</button>"), std::string::npos) << nowhere;
    }
    // Order, filter and limit stay with those who go on.
    EXPECT_NE(ask(store, "/d/?limit=3&sort=size&q=file&order=asc")
                  .body.find("href=\"?sort=size&amp;order=asc&amp;q=file&amp;limit=3&amp;after="
                             "file8&amp;at=0\""),
              std::string::npos);
    EXPECT_NE(ask(store, "/d/?limit=3&q=fi%22le").body.find("value=\"fi&quot;le\" name=\"q\""),
              std::string::npos);
}

TEST_P(ListingPages, ShowOnlyWhatPassesTheFilter) {
    for (const char* name : {"Report.pdf", "report 2.PDF", "notes.txt",
                             "\xc3\x9c"
                             "bung.pdf"})
        tree_.file(name, "1");
    tree_.folder("PDFs");
    tree_.file(".pdf", "hidden");
    const LocalStore store = this->store();
    const auto names = [&](const std::string& filter) {
        return names_of(ask(store, "/?format=json&q=" + filter).body);
    };
    EXPECT_EQ(names("pdf"), (Names{"PDFs", "report 2.PDF", "Report.pdf",
                                   "\xc3\x9c"
                                   "bung.pdf"}));
    EXPECT_EQ(names("REPORT"), (Names{"report 2.PDF", "Report.pdf"}));
    EXPECT_EQ(names("report+2"), (Names{"report 2.PDF"}));
    EXPECT_EQ(names("%C3%BCb"), (Names{"\xc3\x9c"
                                       "bung.pdf"}));
    EXPECT_EQ(names("nothing"), Names{});
    EXPECT_NE(ask(store, "/?q=nothing").body.find("No such name is here."), std::string::npos);
    EXPECT_NE(ask(store, "/?q=%3Cb%3E").body.find("with \"<b>&lt;b&gt;</b>\" in them"),
              std::string::npos);
}

TEST_P(ListingPages, SayHowMuchADownloadIsWhereTheListingKnows) {
    tree_.folder("d");
    tree_.file("d/a", "12345");
    tree_.folder("e/below");
    StoreConfig config = tree_.config(GetParam());
    config.archive_limit = 1 << 20;
    const LocalStore store(config, MimeTypes());
    EXPECT_EQ(ask(store, "/e/").body.find("tar</button> ("), std::string::npos);
    tree_.file("f1", "12345");
    const std::string page = ask(store, "/").body;
    EXPECT_NE(page.find("value=\"tar\">tar</button></form>"), std::string::npos) << "has folders";
    tree_.folder("g");
    tree_.file("g/a", "12345");
    EXPECT_NE(ask(store, "/g/").body.find("tar</button> (<span title=\"5 bytes\">5 B</span>)"),
              std::string::npos);
    EXPECT_EQ(ask(store, "/g/?q=a").body.find("tar</button> ("), std::string::npos);
}

TEST_P(ListingPages, AsLinesHaveEveryEntryOfTheListing) {
    fill("d", 300, 20);
    tree_.file("d/.hidden", "");
    tree_.file("d/\xff\"\n", "x");
    tree_.link("file1", "d/link");
    tree_.link("nowhere", "d/dangling");
    tree_.fifo("d/fifo");
    const LocalStore store = this->store();
    const Answer stream = ask(store, "/d/?format=ndjson");
    EXPECT_EQ(stream.type, "application/x-ndjson; charset=utf-8");
    EXPECT_TRUE(stream.body.ends_with("}\n"));
    std::multiset<std::string> lines;
    for (std::string_view rest = stream.body; !rest.empty();) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        EXPECT_TRUE(JsonReader::read(line)) << line;
        lines.emplace(line);
        rest.remove_prefix(line.size() + 1);
    }
    std::string json = ask(store, "/d/?format=json").body;
    std::multiset<std::string> expected;
    for (std::size_t at = 0; (at = json.find("\n{", at)) != std::string::npos;) {
        const std::size_t end = json.find('\n', ++at);
        expected.insert(json.substr(at, json.rfind('}', end) + 1 - at));
    }
    EXPECT_EQ(expected.size(), 322U);
    EXPECT_EQ(lines, expected);

    const std::string filtered = ask(store, "/d/?format=ndjson&q=FILE29").body;
    EXPECT_EQ(std::count(filtered.begin(), filtered.end(), '\n'), 11);
    EXPECT_EQ(ask(store, "/d/?format=ndjson&q=nothing").body, "");
}

TEST_P(ListingPages, AsLinesAreCountedAmongListingsAndRefusedAsThey) {
    tree_.folder("d");
    tree_.file("d/x", "");
    StoreConfig config = tree_.config(GetParam());
    config.max_listing_bytes = 2 * limits::kListingStreamBytes;
    const LocalStore store(config, MimeTypes());
    const auto target = http::parse_target("/d/?format=ndjson");
    std::vector<http::FindResult> held;
    for (int i = 0; i < 2; ++i) held.push_back(store.find(*target, {}));
    EXPECT_TRUE(held[0] && held[1]);
    EXPECT_FALSE(held[0]->body.has_known_size());
    const auto third = store.find(*target, {});
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().status, 503);
    EXPECT_TRUE(third.error().listings_full);
    held.pop_back();
    EXPECT_TRUE(store.find(*target, {}));

    const auto head = store.find(*target, Ask{.head = true});
    ASSERT_TRUE(head);
    EXPECT_FALSE(head->body_made);
    Reach reach;
    EXPECT_FALSE(store.find(*target, Ask{.may_list = false}, reach));
    EXPECT_TRUE(reach.wants_listing);
    config.listing = false;
    EXPECT_EQ(ask(LocalStore(config, MimeTypes()), "/d/?format=ndjson").status, 403);
    if (::geteuid() != 0) return;
    ASSERT_EQ(::chmod(tree_.at("d").c_str(), 0711), 0);
    const AsNobody nobody;
    EXPECT_EQ(ask(store, "/d/?format=ndjson").status, 403);
}

TEST(ListingScript, IsTheOneThatThePolicyLetsRun) {
    Tree tree;
    tree.file("x", "");
    const LocalStore store(tree.config(), MimeTypes());
    const Answer page = ask(store, "/", "text/html");
    const std::size_t begin = page.body.find("<script>") + 8;
    const std::string script = page.body.substr(begin, page.body.find("</script>") - begin);
    EXPECT_EQ(script, listing_script());
    EXPECT_NE(page.fields.find(
                  "script-src 'sha256-" +
                  crypto::encode_base64(crypto::sha256(script).view(), crypto::Base64::standard) +
                  "'"),
              std::string::npos)
        << page.fields;
    EXPECT_NE(page.body.find("id=\"copy\" hidden>"), std::string::npos);
    for (const std::string_view outside : {"src=", "@import", "url(", "https:", "fetch(", "eval"})
        EXPECT_EQ(page.body.find(outside), std::string::npos) << outside;
}

} // namespace
} // namespace fsrv::content
