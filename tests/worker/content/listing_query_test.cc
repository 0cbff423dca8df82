// What queries of listings mean, and that the links that are made of one lead where they should.

#include "worker/content/letter_case.h"
#include "worker/content/listing_query.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace fsrv::content {
namespace {

using Form = ListingQuery::Form;
using Key = ListingOrder::Key;

std::string place_text(const std::optional<ListingPlace>& place) {
    if (!place) return "-";
    std::string text = place->name + (place->folder ? "/" : "");
    if (place->size) text += " " + std::to_string(*place->size);
    if (place->mtime)
        text += " " + std::to_string(place->mtime->seconds) + "." +
                std::to_string(place->mtime->nanoseconds);
    return text;
}

TEST(ListingQuery, MeansWhatItSays) {
    struct Row {
        const char* query;
        std::size_t limit;
        const char* after;
        const char* before;
        const char* filter;
        Form form = Form::html;
        ListingOrder order = {};
    };
    const Row rows[] = {
        {"", 0, "-", "-", ""},
        {"limit=1", 1, "-", "-", ""},
        {"limit=1000000000000", 1'000'000'000'000, "-", "-", ""},
        {"limit=5&limit=7", 7, "-", "-", ""},
        {"l%69mit=%35", 5, "-", "-", ""},
        {"after=a", 0, "a", "-", ""},
        {"after=a+b%2Bc", 0, "a b+c", "-", ""},
        {"after=folder%2F", 0, "folder/", "-", ""},
        {"after=folder/", 0, "folder/", "-", ""},
        {"after=%FF%0A", 0, "\xff\n", "-", ""},
        {"before=x&limit=3", 3, "-", "x", ""},
        {"after=a&at=5", 0, "a", "-", ""},
        {"q=Foo+bar", 0, "-", "-", "Foo bar"},
        {"q=", 0, "-", "-", ""},
        {"q=a&q=b", 0, "-", "-", "b"},
        {"q=%26%3D", 0, "-", "-", "&="},
        {"format=json", 0, "-", "-", "", Form::json},
        {"format=ndjson&q=x", 0, "-", "-", "x", Form::ndjson},
        {"format=yaml", 0, "-", "-", ""},
        {"sort=size&after=a&at=5", 0, "a 5", "-", "", Form::html, {Key::size, true}},
        {"at=5&after=a%2F&sort=size&order=asc", 0, "a/ 5", "-", "", Form::html, {Key::size, false}},
        {"sort=time&before=a&at=-5.000000007", 0, "-", "a -5.7", "", Form::html, {Key::time, true}},
        {"sort=time&after=a&at=5", 0, "a 5.0", "-", "", Form::html, {Key::time, true}},
        {"order=desc", 0, "-", "-", "", Form::html, {Key::name, true}},
        {"sort=size&sort=name", 0, "-", "-", "", Form::html, {Key::name, false}},
        {"&&=&x&%zz=1&unknown=%00", 0, "-", "-", ""},
    };
    for (const Row& row : rows) {
        const auto query = parse_listing_query(row.query, false);
        ASSERT_TRUE(query) << row.query << ": " << query.error();
        EXPECT_EQ(query->limit.value_or(0), row.limit) << row.query;
        EXPECT_EQ(place_text(query->after), row.after) << row.query;
        EXPECT_EQ(place_text(query->before), row.before) << row.query;
        EXPECT_EQ(query->filter, row.filter) << row.query;
        EXPECT_EQ(query->form, row.form) << row.query;
        EXPECT_EQ(query->order, row.order) << row.query;
    }
    EXPECT_EQ(parse_listing_query("", true)->form, Form::json) << "of Accept";
    EXPECT_EQ(parse_listing_query("format=ndjson", true)->form, Form::ndjson);
}

TEST(ListingQuery, IsRefusedWhereAnotherPageWouldBeMistakenForTheNext) {
    for (const char* query : {"limit=0",
                              "limit=",
                              "limit=-1",
                              "limit=x",
                              "limit=1x",
                              "limit=99999999999999999999999",
                              "after=",
                              "after=/",
                              "after=a/b",
                              "after=a%2Fb",
                              "after=a//",
                              "after=%",
                              "after=%00",
                              "before=",
                              "before=%zz",
                              "after=a&before=b",
                              "q=%",
                              "q=%00",
                              "sort=size&after=a&at=x",
                              "sort=size&after=a&at=-1",
                              "sort=size&after=a&at=",
                              "sort=time&after=a&at=1.1000000000",
                              "sort=time&after=a&at=1.-1",
                              "sort=time&after=a&at=."})
        EXPECT_FALSE(parse_listing_query(query, false)) << query;
}

TEST(ListingQuery, ItsLinksLeadToTheirPlace) {
    const std::string names[] = {"a",   "with space", "a&b=c#d?e",  "+plus",
                                 "%41", "\"<>'",      "\xff\n",     "..x",
                                 "-",   "\xc3\xa4",   "q=1&limit=2"};
    const char* const queries[] = {
        "",          "limit=7", "q=a%26b&limit=2", "sort=size", "sort=time&order=asc&format=json",
        "order=desc"};
    for (const std::string& name : names) {
        for (const char* text : queries) {
            for (const bool folder : {false, true}) {
                for (const Beside beside : {Beside::after, Beside::before}) {
                    const auto query = parse_listing_query(text, false);
                    ASSERT_TRUE(query);
                    const ListedEntry entry{
                        .name = name, .size = 12, .mtime = {-3, 45}, .folder = folder};
                    const std::string link = listing_link(*query, beside, entry);
                    ASSERT_EQ(link.find_first_of(" \"<>'#\n"), std::string::npos) << link;
                    const auto again = parse_listing_query(link.substr(1), false);
                    ASSERT_TRUE(again) << link;
                    EXPECT_EQ(again->limit, query->limit) << link;
                    EXPECT_EQ(again->filter, query->filter) << link;
                    EXPECT_EQ(again->order, query->order) << link;
                    EXPECT_EQ(again->form, query->form) << link;
                    const auto& place = beside == Beside::after ? again->after : again->before;
                    EXPECT_FALSE(beside == Beside::after ? again->before : again->after);
                    ASSERT_TRUE(place) << link;
                    EXPECT_EQ(place->name, name) << link;
                    EXPECT_EQ(place->folder, folder) << link;
                    const bool by_size = query->order.key == Key::size;
                    const bool by_time = query->order.key == Key::time;
                    EXPECT_EQ(place->size,
                              by_size ? std::optional(std::uint64_t{12}) : std::nullopt)
                        << link;
                    EXPECT_EQ(place->mtime,
                              by_time ? std::optional(FileTime{-3, 45}) : std::nullopt)
                        << link;
                }
            }
        }
    }
}

TEST(LetterCase, DoesNotMatterToAFilter) {
    struct Row {
        const char* text;
        const char* name;
        bool passes;
    };
    const Row rows[] = {
        {"", "anything", true},
        {"a", "", false},
        {"foo", "A Foo.txt", true},
        {"FOO", "a foo.txt", true},
        {"o.t", "foo.txt", true},
        {"foo.txtx", "foo.txt", false},
        {"\xc3\xbc"
         "bung",
         "\xc3\x9c"
         "BUNG.pdf",
         true}, // Übung
        {"\xc3\x9f",
         "stra\xc3\x9f"
         "e",
         true},                          // ß
        {"\xc3\xb7", "\xc3\x97", false}, // ÷ is no ×
        {"\xc5\x82\xc3\xb3"
         "d\xc5\xba",
         "\xc5\x81\xc3\x93"
         "D\xc5\xb9",
         true},                                                         // Łódź
        {"\xce\xb1\xce\xb8\xce\xae", "\xce\x91\xce\x98\xce\x89", true}, // Αθή
        {"\xd0\x9f\xd0\xa0\xd0\x98", "\xd0\xbf\xd1\x80\xd0\xb8", true}, // При
        {"\xe1\xba\xa1", "\xe1\xba\xa0", true},                         // Ạ
        {"\xff", "a\xff", true},
        {"\xf0\x9f\x98\x80", "smile \xf0\x9f\x98\x80", true},
    };
    for (const Row& row : rows)
        EXPECT_EQ(NameFilter(row.text).passes(row.name), row.passes)
            << row.text << ", " << row.name;
}

} // namespace
} // namespace fsrv::content
