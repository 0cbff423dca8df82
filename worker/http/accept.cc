#include "worker/http/accept.h"

#include "worker/http/request.h"
#include "worker/http/text.h"
#include "worker/http/weight.h"

#include <algorithm>

namespace fsrv::http {
namespace {

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
        const int weight = weight_of(element);
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
