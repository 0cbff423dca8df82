// A strict reader of Prometheus' text format 0.0.4, with the rules that promtool's linter has:
// nothing of the server's code judges the server.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fsrv::test {

struct Sample {
    std::string name;
    std::map<std::string, std::string> labels;
    double value = 0;
};

struct Exposition {
    struct Family {
        std::string type; // counter, gauge, histogram
        std::string help;
        std::vector<Sample> samples; // of a histogram: _bucket, _sum and _count
    };
    std::map<std::string, Family> families;
    std::vector<std::string> problems; // empty: sound

    // The sum of all samples of that name whose labels include these.
    double sum(const std::string& name,
               const std::map<std::string, std::string>& labels = {}) const;
    // Every sample that may only grow, by its name and labels as written.
    std::map<std::string, double> growing() const;
};

Exposition read_exposition(std::string_view text);

} // namespace fsrv::test
