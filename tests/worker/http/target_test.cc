#include "worker/http/target.h"

#include <gtest/gtest.h>
#include <random>

namespace fsrv::http {
namespace {

using namespace std::string_literals;
using Kind = Target::Kind;

struct Row {
    const char* name;
    std::string origin;
    std::string answer; // "KIND path", with "/" in front when absolute and behind when a folder is
                        // wanted; or a status
};

std::string show(const Result<Target, TargetRefusal>& target) {
    if (!target) {
        EXPECT_FALSE(target.error().what.empty());
        return std::to_string(target.error().status);
    }
    static constexpr const char* kKinds[] = {"tree ", "api ", "health", "server"};
    return kKinds[static_cast<int>(target->kind)] + (target->absolute ? "/"s : ""s) + target->path +
           (target->wants_folder ? "/" : "");
}

TEST(Target, WithoutTheApiFilesIsANameLikeOthers) {
    for (const auto& [origin, answer] : {std::pair{"/files?path=a", "tree files"},
                                         {"/files", "tree files"},
                                         {"/files/?path=a", "tree files/"},
                                         {"/files/a", "tree files/a"},
                                         {"/-/health", "health"}})
        EXPECT_EQ(show(parse_target(origin, false)), answer);
}

TEST(Target, IsDecodedOnceAndNormalisedOnce) {
    const Row table[] = {
        {"root", "/", "tree /"},
        {"file", "/a", "tree a"},
        {"file in a folder", "/a/b.txt", "tree a/b.txt"},
        {"folder", "/a/", "tree a/"},
        {"query", "/a?b/c", "tree a"},
        {"RL28 empty query", "/a?", "tree a"},
        {"RL28 many question marks", "/a???x", "tree a"},
        {"absolute-form without a path", "?x=1", "tree /"},
        {"star", "*", "server"},

        {"PA01 above", "/../x", "400"},
        {"PA01 above after a segment", "/a/../../x", "400"},
        {"PA01 above, nothing else", "/..", "400"},
        {"PA01 dot", "/./x", "tree x"},
        {"PA01 dot inside", "/a/./b", "tree a/b"},
        {"PA01 back to the root", "/a/..", "tree /"},
        {"PA01 back to a folder", "/a/b/..", "tree a/"},
        {"PA01 back and on", "/a/../b", "tree b"},
        {"PA01 a name of dots and more", "/..;/x", "tree ..;/x"},
        {"PA01 three dots", "/.../x", "tree .../x"},
        {"PA01 dot last", "/a/.", "tree a/"},
        {"PA02 encoded dots", "/%2e%2e/x", "400"},
        {"PA02 one encoded dot", "/.%2e/x", "400"},
        {"PA02 the other encoded dot", "/%2E./x", "400"},
        {"PA02 encoded dots and slash", "/%2E%2E%2Fx", "404"},
        {"PA02 encoded slash", "/..%2fx", "404"},
        {"PA02 backslash is a letter", "/..%5cx", "tree ..\\x"},
        {"PA02 all encoded", "/%2e%2e%5cx", "tree ..\\x"},
        {"PA02 encoded dot segment", "/a/%2e/b", "tree a/b"},
        {"PA03 encoded twice", "/%252e%252e/x", "tree %2e%2e/x"},
        {"PA03 percent of a percent", "/%%32%65", "400"},
        {"PA03 encoded slash, twice", "/%252fx", "tree %2fx"},
        {"PA03 hex of hex", "/%25%32%66", "tree %2f"},
        {"PA04 overlong dots", "/%c0%ae%c0%ae/x", "tree \xC0\xAE\xC0\xAE/x"},
        {"PA04 overlong slash", "/..%c0%afx", "tree ..\xC0\xAFx"},
        {"PA04 long overlong slash", "/..%e0%80%afx", "tree ..\xE0\x80\xAFx"},
        {"PA04 of another world", "/%u002e", "400"},
        {"PA05 slash in a name", "/a%2fb", "404"},
        {"PA05 upper case", "/a%2Fb", "404"},
        {"PA06 NUL", "/%00", "400"},
        {"PA06 NUL in a name", "/file%00.txt", "400"},
        {"PA06 NUL in a folder", "/dir/%00", "400"},
        {"PA07 only a percent", "/%", "400"},
        {"PA07 one digit", "/%1", "400"},
        {"PA07 no digits", "/%zz", "400"},
        {"PA07 minus", "/%-1", "400"},
        {"PA07 half", "/%4g", "400"},
        {"PA07 percent last", "/a%", "400"},
        {"PA08 two slashes", "//x", "tree x"},
        {"PA08 three slashes", "///etc/passwd", "tree etc/passwd"},
        {"PA08 inside", "/a//b", "tree a/b"},
        {"PA08 at the end", "/a//", "tree a/"},
        {"PA08 only slashes", "////", "tree /"},
        {"PA09 CR and LF", "/dir%0d%0aX:1", "tree dir\r\nX:1"},
        {"PA10 slash behind a file", "/file/", "tree file/"},
        {"PA18 plus is a plus", "/a+b", "tree a+b"},
        {"PA18 bytes", "/%ff%fe%0a%09%20%41", "tree \xFF\xFE\n\t A"},
        {"PA18 raw odd characters", "/\"<>^`{|}\\", "tree \"<>^`{|}\\"},
        {"PA24 no case", "/A/a", "tree A/a"},

        {"health", "/-/health", "health"},
        {"health with a query", "/-/health?x", "health"},
        {"health encoded", "/%2d/health", "health"},
        {"health in a roundabout way", "/x/../-//health", "health"},
        {"reserved", "/-/", "404"},
        {"reserved name", "/-/other", "404"},
        {"reserved below health", "/-/health/x", "404"},
        {"reserved folder of health", "/-/health/", "404"},
        {"a dash is a name", "/-", "tree -"},
        {"a dash is a name's beginning", "/-x/y", "tree -x/y"},
        {"a dash further down", "/a/-/b", "tree a/-/b"},

        {"api", "/files?path=a/b", "api a/b"},
        {"api encoded", "/files?path=test_files%2F1000MB-file.tar",
         "api test_files/1000MB-file.tar"},
        {"api plus is a space", "/files?path=a+b%2Bc", "api a b+c"},
        {"api absolute", "/files?path=/srv/x", "api /srv/x"},
        {"api absolute, encoded", "/files?path=%2Fsrv%2Fx", "api /srv/x"},
        {"api the top", "/files?path=/", "api //"},
        {"api absolute, two slashes", "/files?path=//srv", "api /srv"},
        {"api a folder", "/files?path=a/", "api a/"},
        {"api the root", "/files?path=.", "api /"},
        {"api among others", "/files?x=1&path=a&y=2", "api a"},
        {"api an equals sign inside", "/files?path=a=b", "api a=b"},
        {"api a question mark inside", "/files?path=a?b", "api a?b"},
        {"api a semicolon parts nothing", "/files?path=a;path=b", "api a;path=b"},
        {"api by another road", "/x/..//files?path=a", "api a"},
        {"api the name is decoded", "/files?p%61th=a", "api a"},
        {"api all of the name", "/files?%70%61%74%68=%61", "api a"},
        {"api the name twice", "/files?path=a&p%61th=b", "400"},
        {"api no name that can be decoded", "/files?p%6=b&path%=c&path=a", "api a"},
        {"api a plus in the name", "/files?pa+th=b&path=a", "api a"},
        {"api an encoded equals sign", "/files?path%3Da=b&path=a", "api a"},
        {"api an encoded ampersand", "/files?x%26path=b&path=a", "api a"},
        {"api UTF-8 as it is",
         "/files?path=\xC3\x9C"
         "bung",
         "api \xC3\x9C"
         "bung"},
        {"api without a query", "/files", "400"},
        {"api without a path", "/files?x=1", "400"},
        {"api without a value", "/files?path", "400"},
        {"api with an empty value", "/files?path=", "400"},
        {"api another parameter that begins alike", "/files?paths=a", "400"},
        {"api two paths", "/files?path=a&path=b", "400"},
        {"api above", "/files?path=../x", "400"},
        {"api above, encoded", "/files?path=%2e%2e%2fx", "400"},
        {"api above the top", "/files?path=/../x", "400"},
        {"api NUL", "/files?path=a%00", "400"},
        {"api bad encoding", "/files?path=%zz", "400"},
        {"api bad encoding in another parameter", "/files?path=a&x=%zz", "api a"},
        {"a folder named files", "/files/", "tree files/"},
        {"in a folder named files", "/files/x", "tree files/x"},
        {"a name that begins with files", "/files2", "tree files2"},
        {"files further down", "/a/files", "tree a/files"},
    };
    for (const Row& row : table) {
        SCOPED_TRACE(row.name);
        EXPECT_EQ(show(parse_target(row.origin)), row.answer);
    }
}

TEST(Target, LongPathsAreNoTrouble) { // PA19
    std::string deep = "/";
    for (int i = 0; i < 2100; ++i) deep += "a/";
    EXPECT_EQ(parse_target(deep)->path.size(), 2100U * 2 - 1);
    std::string back = deep;
    for (int i = 0; i < 2100; ++i) back += "../";
    EXPECT_EQ(parse_target(back)->path, "");
    EXPECT_FALSE(parse_target(back + "../"));
    EXPECT_EQ(parse_target("/" + std::string(8000, 'x'))->path.size(), 8000U);
}

TEST(Target, QueryIsKeptAsSent) {
    const std::string origin = "/a%20b?x=%31&y?z";
    const auto target = parse_target(origin);
    EXPECT_EQ(target->query, "x=%31&y?z");
    EXPECT_GE(target->query.data(), origin.data());
    EXPECT_EQ(parse_target("/a")->query, "");
    EXPECT_EQ(parse_target("/files?path=a&b")->query, "path=a&b");
}

TEST(Target, FormatJsonIsAParameterOfFolders) {
    EXPECT_TRUE(parse_target("/a/?format=json")->format_json);
    EXPECT_TRUE(parse_target("/?x&format=json&y")->format_json);
    EXPECT_FALSE(parse_target("/a/")->format_json);
    EXPECT_FALSE(parse_target("/a/?format=JSON")->format_json);
    EXPECT_FALSE(parse_target("/a/?format=jsonx")->format_json);
    EXPECT_FALSE(parse_target("/a/?xformat=json")->format_json);
    EXPECT_FALSE(parse_target("/format=json")->format_json);
}

TEST(Target, AFolderCanBeAskedForAsAnArchive) {
    using Form = ArchiveForm;
    const std::pair<const char*, Form> rows[] = {{"/a/", Form::none},
                                                 {"/a/?archive", Form::none},
                                                 {"/a/?xarchive=tar", Form::none},
                                                 {"/a/?archive=tar", Form::tar},
                                                 {"/a/?x&archive=zip&y", Form::zip},
                                                 {"/?archive=tar.gz", Form::tar_gz},
                                                 {"/?%61rchive=t%61r.zst", Form::tar_zst},
                                                 {"/a?archive=tar", Form::tar}};
    for (const auto& [origin, form] : rows)
        EXPECT_EQ(parse_target(origin)->archive, form) << origin;
    for (const char* origin : {"/a/?archive=", "/a/?archive=rar", "/a/?archive=TAR",
                               "/a/?archive=tar+", "/a/?archive=%", "/a/?archive=tar&archive=tar"})
        EXPECT_EQ(show(parse_target(origin)), "400") << origin;
    EXPECT_EQ(parse_target("/files?path=a&archive=x")->archive, Form::none);
    EXPECT_EQ(show(parse_target("/-/health?archive=x")), "health");
}

TEST(Target, DigestsCanBeAskedFor) {
    using Form = DigestForm;
    const std::pair<const char*, Form> rows[] = {{"/a/", Form::none},
                                                 {"/a/?digests", Form::none},
                                                 {"/a/?xdigests=sha256", Form::none},
                                                 {"/a/?digests=sha256", Form::sums},
                                                 {"/?x&%64igests=sha%3256&y", Form::sums},
                                                 {"/a?metalink", Form::metalink},
                                                 {"/a?metalink=", Form::metalink},
                                                 {"/a?x=1&meta%6Cink&y", Form::metalink},
                                                 {"/a?metalinks", Form::none},
                                                 {"/a?x=metalink", Form::none}};
    for (const auto& [origin, form] : rows)
        EXPECT_EQ(parse_target(origin)->digests, form) << origin;
    for (const char* origin : {"/a/?digests=", "/a/?digests=md5", "/a/?digests=SHA256",
                               "/a/?digests=sha256&digests=sha256"})
        EXPECT_EQ(show(parse_target(origin)), "400") << origin;
    EXPECT_EQ(parse_target("/files?path=a&metalink")->digests, Form::none);
}

TEST(Target, OfAMetalinkTheFilesOwnAddressIsKnown) {
    const std::pair<const char*, const char*> rows[] = {{"metalink", ""},
                                                        {"metalink&a=1", "a=1"},
                                                        {"a=1&metalink=x&b", "a=1&b"},
                                                        {"a=1&b=2", "a=1&b=2"},
                                                        {"meta%6cink&metalink", ""},
                                                        {"", ""},
                                                        {"a=metalink&&c", "a=metalink&&c"}};
    for (const auto& [query, rest] : rows) EXPECT_EQ(without_metalink(query), rest) << query;
}

// However it is spelt and whatever is asked besides, one file has one key; and where nothing has to
// be decoded the plain key is the same.
TEST(Target, HasOneKeyForACache) {
    struct Spelling {
        const char* origin;
        const char* key; // none: refused, or not of a file
        bool plain;
    };
    const Spelling spellings[] = {
        {"/", "/", true},
        {"/a.bin", "/a.bin", true},
        {"/a.bin?1", "/a.bin", true},
        {"/a.bin?v=2&format=json", "/a.bin", true},
        {"/a.bin?", "/a.bin", true},
        {"/%61.bin", "/a.bin", false},
        {"//a.bin", "/a.bin", false},
        {"/./a.bin", "/a.bin", false},
        {"/b/../a.bin", "/a.bin", false},
        {"/d/e", "/d/e", true},
        {"/d//e", "/d/e", false},
        {"/d/", "/d/", true},
        {"/d/?sort=size", "/d/", true},
        {"/d/.", "/d/", false},
        {"/.hidden", "/.hidden", false},
        {"/-x", "/-x", false},
        {"/files", nullptr, false},
        {"/files?path=a.bin", "?a.bin", false},
        {"/files?p%61th=%61.bin&x", "?a.bin", false},
        {"/files?path=/a.bin", "?/a.bin", false},
        {"/files/a", "/files/a", true},
        {"/what%3F", "/what?", false},
        {"/d/?archive=tar", "/d/\0", false},
        {"/d/?%61rchive=tar", "/d/\0", false},
        {"/d/?v=%20", "/d/", false},
        {"/d/?archive=rar", nullptr, false},
        {"/d/?digests=sha256", "/d/\0", false},
        {"/a?metalink", "/a\0", false},
        {"/-/none", nullptr, false},
        {"/%00", nullptr, false},
    };
    for (const Spelling& row : spellings) {
        SCOPED_TRACE(row.origin);
        const auto target = parse_target(row.origin);
        ASSERT_EQ(target.has_value(), row.key != nullptr);
        if (target) {
            const bool made =
                target->archive != ArchiveForm::none || target->digests != DigestForm::none;
            EXPECT_EQ(cache_key(*target), made ? row.key + "\0"s : row.key);
        }
        const auto plain = plain_cache_key(row.origin, true);
        EXPECT_EQ(plain.has_value(), row.plain);
        if (plain) {
            EXPECT_EQ(*plain, row.key);
        }
    }
    EXPECT_EQ(plain_cache_key("/files?path=a", false), "/files") << "a name like others";
    EXPECT_EQ(plain_cache_key("*", true), std::nullopt);
}

TEST(Target, HiddenIsASegmentThatBeginsWithADot) { // PA20
    for (const char* path : {".git", ".git/config", "a/.env", "a/.x/b", ".well-known/.x", "...",
                             ".well-knownx", "a/.htpasswd", ".WELL-KNOWN",
                             // what some file systems do not see
                             "\xe2\x80\x8b.git", "a/\xc2\xad.env", "\xef\xbb\xbf.x/y",
                             "\xe2\x80\x8b\xf3\xa0\x80\x81.git", "\xe2\x80\x8b.well-known"})
        EXPECT_TRUE(has_hidden_segment(path)) << path;
    for (const char* path : {"", "a", "a/b", "a.b", "x~", ".well-known", ".well-known/acme",
                             "a./b.", "\xe2\x80\x8b", "\xe2\x80\x8bgit", "\xc3\xa4.git", "\xe2\x80",
                             "\xe2\x80.git", "\xff.git", "\x80.git", "g\xe2\x80\x8b.git"})
        EXPECT_FALSE(has_hidden_segment(path)) << path;
}

TEST(Target, EncodingLeavesOnlyWhatIsSafe) {
    EXPECT_EQ(encode_path("a/b c"), "a/b%20c");
    EXPECT_EQ(encode_path("/a/"), "/a/");
    EXPECT_EQ(encode_path("//evil.com/dir"), "/evil.com/dir");
    EXPECT_EQ(encode_path("////"), "/");
    EXPECT_EQ(encode_path(""), "");
    EXPECT_EQ(encode_path("a\r\nX: y"), "a%0D%0AX%3A%20y");
    EXPECT_EQ(encode_path("100%"), "100%25");
    EXPECT_EQ(encode_path("\xFF\xC3\xA4\x7F"), "%FF%C3%A4%7F");
    EXPECT_EQ(encode_path("a?b#c&d'e\"f<g>h+i\\j:k;l"),
              "a%3Fb%23c%26d%27e%22f%3Cg%3Eh%2Bi%5Cj%3Ak%3Bl");
    EXPECT_EQ(encode_path("A-z_0.9~"), "A-z_0.9~");
    EXPECT_EQ(encode_segment("a/b"), "a%2Fb");
    EXPECT_EQ(encode_segment("javascript:x"), "javascript%3Ax");
    EXPECT_EQ(encode_segment("a-._~b!$&'()*+,;=@c"), "a-._~b%21%24%26%27%28%29%2A%2B%2C%3B%3D%40c");
    for (const char first : "-._~!$&'()*+,;=@#%"s)
        EXPECT_TRUE(encode_segment(first + "x"s).starts_with('%')) << first;
}

TEST(Target, EncodedPathsDecodeToThemselves) {
    for (int byte = 1; byte < 256; ++byte) {
        if (byte == '/') continue;
        const std::string path = "a/"s + static_cast<char>(byte) + "b";
        EXPECT_EQ(parse_target("/" + encode_path(path))->path, path) << byte;
        EXPECT_EQ(parse_target("/files?path=" + encode_path(path))->path, path) << byte;
    }
    std::mt19937 random(3);
    for (int i = 0; i < 5000; ++i) {
        std::string name(1, static_cast<char>('0' + random() % 80));
        for (auto n = random() % 20; n > 0; --n)
            name.push_back(static_cast<char>(1 + random() % 255));
        for (char& c : name) c = c == '/' ? '.' : c;
        EXPECT_EQ(parse_target("/" + encode_segment(name))->path, name);
    }
}

TEST(Target, FollowSaysFromHowFarBeforeTheEnd) {
    const struct {
        const char* query;
        bool follows;
        std::optional<std::uint64_t> tail = {};
    } table[] = {
        {"", false},
        {"xfollow=1", false},
        {"follows", false},
        {"follow", true},
        {"follow=", true},
        {"a=b&follow&c", true},
        {"follow=0", true, 0},
        {"follow=4096", true, 4096},
        {"%66ollow=1", true, 1},
        {"a=b&follow=7&c=d", true, 7},
        {"follow=99999999999999999999999", true, UINT64_MAX},
    };
    for (const std::string begin : {"/a?", "/files?path=a&"}) {
        for (const auto& row : table) {
            const auto target = parse_target(begin + row.query);
            ASSERT_TRUE(target) << row.query;
            ASSERT_EQ(target->follow.has_value(), row.follows) << row.query;
            if (!row.follows) continue;
            EXPECT_EQ(target->follow->tail, row.tail) << row.query;
            EXPECT_NE(cache_key(*target), cache_key(*parse_target("/a"))) << row.query;
            EXPECT_EQ(plain_cache_key(begin + row.query, true), std::nullopt) << row.query;
        }
        for (const char* query :
             {"follow=-1", "follow=1k", "follow=+1", "follow=%zz", "follow&follow=1"}) {
            const auto target = parse_target(begin + query);
            ASSERT_FALSE(target) << query;
            EXPECT_EQ(target.error().status, 400) << query;
        }
    }
}

} // namespace
} // namespace fsrv::http
