#include "worker/http/want_digest.h"

#include "tests/worker/http/ask.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace fsrv::http::test {
namespace {

TEST(WantDigest, IsWhatTheDictionarySays) {
    const struct {
        const char* value;
        bool wanted;
    } table[] = {
        {"sha-256=10", true}, // RFC 9530 C.3
        {"sha-256=1", true},
        {"sha-256=0", false},
        {"sha-512=3, sha-256=10, unixsum=0", true},
        {"sha-512=10", false},
        {"md5=3,sha-256=5", true},
        {"sha-256=5,md5=3", true},
        {"  sha-256=5\t,\tmd5=3  ", true},
        {"", false},
        {"sha-256", false}, // true is no weight
        {"sha-256=?1", false},
        {"sha-256=11", false},
        {"sha-256=-1", false},
        {"sha-256=5.0", false},
        {"sha-256=\"5\"", false},
        {"sha-256=five", false},
        {"sha-256=(5)", false},
        {"sha-256=999999999999999", false},
        {"sha-256=5;q=1", true}, // parameters mean nothing
        {"sha-256=5;a;b=c;c=:YQ==:;d=?0;e=-1.5;f=\"x\\\"y\"", true},
        {"a=(1 2;x \"z\" tok);p, b=@12, c=%\"f%c3%bc\", d=tok/en:*, sha-256=5", true},
        {"sha-256=0, sha-256=5", true}, // the last counts
        {"sha-256=5, sha-256=0", false},
        {"sha-256=5, sha-256", false},
        // Malformed: nothing was said.
        {"SHA-256=5", false},
        {"sha-256=5,", false},
        {",sha-256=5", false},
        {"sha-256=5 md5=3", false},
        {"sha-256 =5", false},
        {"sha-256= 5", false},
        {"sha-256=", false},
        {"sha-256=5, md5=", false},
        {"sha-256=5, md5=1000000000000000", false},
        {"sha-256=5, md5=1.", false},
        {"sha-256=5, md5=1.2345", false},
        {"sha-256=5, md5=-", false},
        {"sha-256=5, a=\"open", false},
        {"sha-256=5, a=\"b\\c\"", false},
        {"sha-256=5, a=:YQ", false},
        {"sha-256=5, a=:Y Q:", false},
        {"sha-256=5, a=(1", false},
        {"sha-256=5, a=(1,2)", false},
        {"sha-256=5, a=?2", false},
        {"sha-256=5, a=%\"%C3\"", false},
        {"sha-256=5, a=@x", false},
        {"sha-256=5, a=@1.5", false},
        {"sha-256=5, a=;x", false},
        {"sha-256=5;", false},
        {"sha-256=5; X=1", false},
        {"sha-256=5, a={}", false},
        {"sha-256=5, \xff=1", false},
    };
    for (const auto& row : table) EXPECT_EQ(wants_sha256(row.value), row.wanted) << row.value;
}

TEST(WantDigest, OfSeveralFieldsIsThatOfOneList) {
    const struct {
        std::vector<std::string> fields;
        bool wanted;
    } table[] = {
        {{}, false},
        {{"Want-Repr-Digest: sha-256=5"}, true},
        {{"want-repr-digest:sha-256=5"}, true},
        {{"Want-Content-Digest: sha-256=5"}, false},
        {{"Repr-Digest: sha-256=5"}, false},
        {{"Want-Repr-Digest: md5=1", "Want-Repr-Digest: sha-256=5"}, true},
        {{"Want-Repr-Digest: sha-256=5", "Want-Repr-Digest: sha-256=0"}, false},
        {{"Want-Repr-Digest: sha-256=5", "Want-Repr-Digest: ;"}, false},
        {{"Want-Repr-Digest: sha-256=5", "Want-Repr-Digest:"}, false},
    };
    for (const auto& row : table) {
        const Asked asked = ask("GET /t", row.fields);
        EXPECT_EQ(wants_sha256(asked.request), row.wanted)
            << (row.fields.empty() ? "" : row.fields.back());
    }
}

TEST(WantDigest, MakesARequestOneThatIsNotPlain) {
    EXPECT_FALSE(ask("GET /t", {"Accept: */*"}).request.may_be_conditional);
    EXPECT_TRUE(ask("GET /t", {"WANT-Repr-Digest: x"}).request.may_be_conditional);
}

} // namespace
} // namespace fsrv::http::test
