#include "worker/http/accept_encoding.h"

#include "worker/http/text.h"
#include "worker/http/weight.h"

#include <algorithm>
#include <array>
#include <optional>

namespace fsrv::http {
namespace {

struct CodingName {
    std::string_view token;
    std::string_view alias;
    std::string_view suffix;
};
constexpr std::array<CodingName, kCodings> kCodingNames = {{
    {"identity", "identity", ""},
#define FSRV_CODING(name, token, alias, suffix) {token, alias, suffix},
#include "worker/http/codings.def"
#undef FSRV_CODING
}};

constexpr int kNotNamed = -1;

struct CodingWeights { // in thousandths
    std::array<int, kCodings> of = [] {
        std::array<int, kCodings> none{};
        none.fill(kNotNamed);
        return none;
    }();
    int others = kNotNamed; // "*"
    int weight(std::size_t i) const { return of[i] == kNotNamed ? others : of[i]; }
};

void read_list(std::string_view list, CodingWeights& weights) {
    while (!list.empty()) {
        auto element = take_until(list, ',');
        const auto name = trim(take_until(element, ';'));
        const int weight = weight_of(element);
        if (weight < 0) continue;
        if (name == "*") {
            weights.others = std::max(weights.others, weight);
            continue;
        }
        for (std::size_t i = 0; i < kCodings; ++i)
            if (equal_ignoring_case(name, kCodingNames[i].token) ||
                equal_ignoring_case(name, kCodingNames[i].alias))
                weights.of[i] = std::max(weights.of[i], weight);
    }
}

Coding heaviest(const CodingWeights& weights) {
    const auto weight_of_coding = [&](std::size_t i) { return weights.weight(i); };
    // Identity that nobody spoke of is acceptable, and comes last.
    int best = std::max(weight_of_coding(0), 0);
    Coding coding = Coding::identity;
    for (std::size_t i = 1; i < kCodings; ++i) {
        const int weight = weight_of_coding(i);
        const bool wins = coding == Coding::identity ? weight >= best : weight > best;
        if (weight <= 0 || !wins) continue;
        best = weight;
        coding = static_cast<Coding>(i);
    }
    return coding;
}

bool forbids_transforming(std::string_view cache_control) {
    while (!cache_control.empty())
        if (equal_ignoring_case(trim(take_until(cache_control, ',')), "no-transform")) return true;
    return false;
}

} // namespace

std::string_view token_of(Coding coding) {
    return kCodingNames[static_cast<std::size_t>(coding)].token;
}

std::string_view suffix_of(Coding coding) {
    return kCodingNames[static_cast<std::size_t>(coding)].suffix;
}

Coding wanted_coding(const Request& request) {
    if (request.minor_version == 0) return Coding::identity;
    std::optional<CodingWeights> weights;
    for (const Field& field : request.all_fields()) {
        switch (field.name.size()) { // seldom another field's
        case 5:
            if (equal_ignoring_case(field.name, "range")) return Coding::identity;
            break;
        case 13:
            if (equal_ignoring_case(field.name, "cache-control") &&
                forbids_transforming(field.value))
                return Coding::identity;
            break;
        case 15:
            if (!equal_ignoring_case(field.name, "accept-encoding")) break;
            if (!weights) weights.emplace();
            read_list(field.value, *weights);
            break;
        default: break;
        }
    }
    return weights ? heaviest(*weights) : Coding::identity;
}

CodingList wanted_codings(const Request& request) {
    CodingWeights weights;
    for (const Field& field : request.all_fields())
        if (equal_ignoring_case(field.name, "accept-encoding")) read_list(field.value, weights);
    CodingList list;
    for (std::size_t i = 1; i < kCodings; ++i)
        if (weights.weight(i) > 0 && weights.weight(i) >= weights.weight(0))
            list.codings[list.count++] = static_cast<Coding>(i);
    std::stable_sort(list.codings.begin(), list.codings.begin() + list.count,
                     [&](Coding a, Coding b) {
                         return weights.weight(static_cast<std::size_t>(a)) >
                                weights.weight(static_cast<std::size_t>(b));
                     });
    return list;
}

} // namespace fsrv::http
