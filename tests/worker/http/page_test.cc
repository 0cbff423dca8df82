#include "worker/http/page.h"

#include "common/escape.h"

#include <gtest/gtest.h>

namespace fsrv::http {
namespace {

TEST(Page, EscapesWhatMeansSomethingInHtml) {
    const std::pair<std::string_view, std::string_view> rows[] = {
        {"", ""},
        {"plain", "plain"},
        {"<b> & \"c\" 'd'", "&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;"},
        {"&amp;", "&amp;amp;"},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"\xff<", "\xEF\xBF\xBD&lt;"},
        {"\xe2\x82", "\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"\xc0\xbc", "\xEF\xBF\xBD\xEF\xBF\xBD"}, // an overlong "<"
    };
    for (const auto& [text, expected] : rows) EXPECT_EQ(escape_html(text), expected);
    std::string every;
    for (int i = 0; i < 256; ++i) every += static_cast<char>(i);
    EXPECT_TRUE(is_utf8(escape_html(every)));
    EXPECT_EQ(escape_html(every).find_first_of("<>\"'"), std::string::npos);
}

TEST(Page, IsOneSelfContainedDocument) {
    const std::string page = render_page("</title><script>alert(1)</script>", "<h1>Hello</h1>");
    EXPECT_TRUE(page.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"));
    EXPECT_TRUE(page.ends_with("</html>\n"));
    EXPECT_NE(page.find("<title>&lt;/title&gt;&lt;script&gt;"), std::string::npos);
    EXPECT_NE(page.find("<h1>Hello</h1>"), std::string::npos);
    EXPECT_NE(page.find("name=\"viewport\""), std::string::npos);
    EXPECT_NE(page.find("prefers-color-scheme:dark"), std::string::npos);
    for (const std::string_view outside : {"<script", "src=", "@import", "url(", "https:"})
        EXPECT_EQ(page.find(outside), std::string::npos) << outside;
    EXPECT_EQ(page, page_start("</title><script>alert(1)</script>") + "<h1>Hello</h1>\n" +
                        std::string(page_end()));
}

TEST(Page, PolicyForbidsEverythingThePageDoesNotNeed) {
    const std::string_view policy = page_security_policy();
    for (const std::string_view part :
         {"default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'self'"})
        EXPECT_NE(policy.find(part), std::string_view::npos) << part;
    EXPECT_NE(page_security_policy(Forms::own).find("form-action 'self'"), std::string_view::npos);
    EXPECT_EQ(policy.find("script-src"), std::string_view::npos);
    EXPECT_EQ(policy.find_first_of("\r\n"), std::string_view::npos);
}

} // namespace
} // namespace fsrv::http
