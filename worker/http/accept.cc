#include "worker/http/accept.h"

#include "worker/http/request.h"
#include "worker/http/text.h"

#include <algorithm>

namespace fsrv::http {
namespace {

// weight = "0" [ "." 0*3DIGIT ] / "1" [ "." 0*3("0") ], in thousandths; -1: malformed.
int parse_weight(std::string_view text) {
    if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return -1;
    int value = (text[0] - '0') * 1000;
    if (text.size() > 1 && text[1] != '.') return -1;
    int unit = 100;
    for (std::size_t i = 2; i < text.size(); ++i, unit /= 10) {
        if (text[i] < '0' || text[i] > '9') return -1;
        value += (text[i] - '0') * unit;
    }
    return value <= 1000 ? value : -1;
}

struct Weights { // of types asked for by name, in thousandths; 0: not wanted
    int text = 0;
    int html = 0;
    int json = 0;
};

Weights parse_accept(std::string_view accept) {
    Weights weights;
    while (!accept.empty()) {
        auto element = take_until(accept, ',');
        const auto type = trim(take_until(element, ';'));
        int weight = 1000;
        while (!element.empty()) {
            const auto parameter = trim(take_until(element, ';'));
            if (parameter.starts_with("q=") || parameter.starts_with("Q="))
                weight = parse_weight(parameter.substr(2));
        }
        if (weight <= 0) continue;
        if (equal_ignoring_case(type, "text/plain")) weights.text = std::max(weights.text, weight);
        if (equal_ignoring_case(type, "text/html") ||
            equal_ignoring_case(type, "application/xhtml+xml"))
            weights.html = std::max(weights.html, weight);
        if (equal_ignoring_case(type, "application/json") ||
            equal_ignoring_case(type, "application/problem+json"))
            weights.json = std::max(weights.json, weight);
    }
    return weights;
}

} // namespace

BodyForm error_form(std::string_view accept) {
    const auto weights = parse_accept(accept);
    if (weights.html > 0 && weights.html >= std::max(weights.json, weights.text))
        return BodyForm::html;
    if (weights.json > 0 && weights.json >= weights.text) return BodyForm::json;
    return BodyForm::text;
}

bool prefers_json_listing(std::string_view accept) {
    const auto weights = parse_accept(accept);
    return weights.json > 0 && weights.json >= weights.html;
}

} // namespace fsrv::http
