// docs/LINKS.md: the programs that it shows are run, and what they print has to be a good link.
#include "common/crypto/signed_link.h"
#include "tests/support/files.h"
#include "tests/support/process.h"

#include <cstdlib>
#include <ctime>
#include <gtest/gtest.h>

namespace fsrv::crypto {
namespace {

using test::write_file;

// The first block of that language.
std::string block(const std::string& language) {
    const char* const name = std::getenv("FSRV_LINKS_DOC");
    const std::string text = name != nullptr ? test::read_file(name) : "";
    const std::string fence = "\n```" + language + "\n";
    const std::size_t begin = text.find(fence);
    if (begin == std::string::npos) return "";
    const std::size_t from = begin + fence.size();
    return text.substr(from, text.find("\n```", from) - from) + "\n";
}

class LinksDocument : public testing::Test {
  protected:
    LinksDocument() {
        keys_.push_back({.id = "k1", .secret = Secret("0123456789abcdef0123456789abcdef:x")});
        write_file(dir_ / "keys", "k1:0123456789abcdef0123456789abcdef:x\nk2:not this one\n");
    }
    // Verifies what the program prints for `url`.
    void expect_good(const std::vector<std::string>& command, const std::string& url,
                     const std::string& path) {
        const auto result = test::run(command);
        ASSERT_TRUE(test::ran_well(result, command[0]));
        ASSERT_TRUE(result.out.starts_with(url + "?")) << result.out;
        std::string query = result.out.substr(url.size() + 1);
        ASSERT_TRUE(query.ends_with('\n'));
        query.pop_back();
        const std::int64_t now = std::time(nullptr);
        const auto link = verify_link(query, path, in6_addr{}, keys_, now);
        ASSERT_TRUE(link) << text_of(link.error()) << ": " << result.out;
        EXPECT_GT(link->terms.begin_by, now + 7000);
    }
    test::TempDir dir_;
    std::vector<SigningKey> keys_;
};

TEST_F(LinksDocument, ThePythonOfItMakesGoodLinks) {
    const std::string program = block("python");
    ASSERT_FALSE(program.empty());
    write_file(dir_ / "link.py", program);
    const std::string keys = dir_ / "keys", file = dir_ / "link.py";
    expect_good({"python3", file, "https://files.example.org/pub/report.pdf", keys},
                "https://files.example.org/pub/report.pdf", "pub/report.pdf");
    expect_good({"python3", file, "/a%20b/%C3%A4/", keys}, "/a%20b/%C3%A4/", "a b/\xC3\xA4");
    expect_good({"python3", file, "https://x/", keys}, "https://x/", "");

    const std::string call = program.substr(0, program.find("print(")) +
                             "print(link('/a/b/c', 'k1', '0123456789abcdef0123456789abcdef:x', "
                             "prefix=2, uses=3, id='\xC3\xA4 1', attachment='a&b+c.pdf', "
                             "client='::/0', resume=int(time.time()) + 9000))\n";
    write_file(dir_ / "call.py", call);
    const auto result = test::run({"python3", dir_ / "call.py"});
    ASSERT_TRUE(test::ran_well(result, "python3"));
    const std::string query = result.out.substr(7, result.out.size() - 8);
    const auto link =
        verify_link(query, "a/b/other", *parse_address("2001:db8::1"), keys_, std::time(nullptr));
    ASSERT_TRUE(link) << text_of(link.error()) << ": " << query;
    EXPECT_EQ(link->terms.attachment, "a&b+c.pdf");
    EXPECT_EQ(link->terms.uses, 3U);
    EXPECT_EQ(link->path, "a/b");
}

TEST_F(LinksDocument, TheShellOfItMakesGoodLinks) {
    const std::string program = block("sh");
    ASSERT_FALSE(program.empty());
    write_file(dir_ / "link.sh", program);
    for (const char* path : {"pub/report.pdf", "pub/folder/", "a"})
        expect_good({"sh", dir_ / "link.sh", std::string("https://files.example.org/") + path,
                     dir_ / "keys"},
                    std::string("https://files.example.org/") + path,
                    path == std::string("pub/folder/") ? "pub/folder" : path);
}

} // namespace
} // namespace fsrv::crypto
