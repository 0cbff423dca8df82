#include "worker/http/accept.h"

#include <gtest/gtest.h>
#include <string>

namespace fsrv::http {
namespace {

struct Row {
    const char* accept;
    BodyForm form;
    bool json_listing;
};

TEST(Accept, DecidesTheFormOfErrorsAndListings) {
    const Row table[] = {
        {"", BodyForm::text, false},
        {"*/*", BodyForm::text, false}, // curl, wget
        {"text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8",
         BodyForm::html, false}, // browsers
        {"application/xhtml+xml", BodyForm::html, false},
        {"TEXT/HTML", BodyForm::html, false},
        {"text/html;level=1", BodyForm::html, false},
        {"text/*", BodyForm::text, false},
        {"application/json", BodyForm::json, true},
        {"application/problem+json", BodyForm::json, true},
        {"application/json, text/plain, */*", BodyForm::json, true}, // axios
        {"application/json;q=0.5, text/plain", BodyForm::text, true},
        {"text/plain;q=0.2, application/json;q=0.3", BodyForm::json, true},
        {"application/json;q=0.5, text/html;q=0.4", BodyForm::json, true},
        {"application/json;q=0.4, text/html;q=0.5", BodyForm::html, false},
        {"application/json, text/html", BodyForm::html, true},
        {"application/json;q=0", BodyForm::text, false},
        {"text/html;q=0, application/json;q=0.001", BodyForm::json, true},
        {"text/html;q=0.000", BodyForm::text, false},
        {"text/html ; q=0.5 , */*", BodyForm::html, false},
        {"text/html;Q=0", BodyForm::text, false},
        {"text/html;q=1e9", BodyForm::text, false}, // a malformed weight takes its element along
        {"text/html;q=2", BodyForm::text, false},
        {"text/html;q=1.001", BodyForm::text, false},
        {"text/html;q=-1", BodyForm::text, false},
        {"text/html;q=", BodyForm::text, false},
        {"text/html;q=0.1234", BodyForm::text, false},
        {"text/html;q=1.", BodyForm::html, false},
        {"text/html;q=1.000", BodyForm::html, false},
        {"application/*", BodyForm::text, false},
        {"application/json-seq", BodyForm::text, false},
        {"x;a=\",application/json,\"", BodyForm::text, false}, // commas inside quotes part nothing
        {"x;a=\"\\\",application/json,\"", BodyForm::text, false},
        {"x;a=\", application/json", BodyForm::text, false}, // never closed
        {",,,application/json,,", BodyForm::json, true},
        {";", BodyForm::text, false},
        {"\"", BodyForm::text, false},
        {"\"\\", BodyForm::text, false},
    };
    for (const Row& row : table) {
        EXPECT_EQ(error_form(row.accept), row.form) << row.accept;
        EXPECT_EQ(prefers_json_listing(row.accept), row.json_listing) << row.accept;
    }
}

TEST(Accept, ReadsAThousandElements) {
    std::string accept;
    for (int i = 0; i < 1000; ++i) accept += "a/b;q=0." + std::to_string(i % 1000) + ",";
    EXPECT_EQ(error_form(accept + "text/html"), BodyForm::html);
    EXPECT_EQ(error_form(accept), BodyForm::text);
}

} // namespace
} // namespace fsrv::http
