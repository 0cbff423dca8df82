#include "tests/support/prometheus.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <set>

namespace fsrv::test {
namespace {

bool is_name(std::string_view name, bool label) {
    if (name.empty() || std::isdigit(static_cast<unsigned char>(name.front())) != 0) return false;
    return std::all_of(name.begin(), name.end(), [label](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || (!label && c == ':');
    });
}

class Reader final {
  public:
    explicit Reader(Exposition& out) : out_(out) {}

    void line(std::string_view line) {
        line_ = line;
        if (line.starts_with("# HELP ") || line.starts_with("# TYPE ")) return comment(line);
        if (line.empty() || line.starts_with('#')) return problem("a line that says nothing");
        sample(line);
    }
    void finish() {
        for (auto& [name, family] : out_.families) {
            line_ = name;
            if (family.type.empty()) problem("no TYPE");
            if (family.help.empty()) problem("no HELP");
            if (family.samples.empty()) problem("no sample");
            if (family.type == "counter" && !name.ends_with("_total"))
                problem("a counter that does not end in _total");
            if (family.type != "counter" && name.ends_with("_total"))
                problem("ends in _total and is no counter");
            for (const char* unit : {"milliseconds", "microseconds", "minutes", "kilobytes"})
                if (name.find(unit) != std::string::npos) problem("not in a base unit");
            if (family.type == "histogram") histogram(name, family);
        }
    }

  private:
    void problem(std::string what) {
        out_.problems.push_back(std::string(line_) + ": " + std::move(what));
    }

    void comment(std::string_view line) {
        const bool help = line.starts_with("# HELP ");
        line.remove_prefix(7);
        const std::size_t space = line.find(' ');
        const std::string name(line.substr(0, space));
        if (space == std::string_view::npos || !is_name(name, false)) return problem("malformed");
        const std::string text(line.substr(space + 1));
        if (help && out_.families.contains(name)) return problem("a second HELP, or after TYPE");
        auto& family = out_.families[name];
        if (!family.samples.empty()) return problem("behind its samples");
        if (help) {
            family.help = text;
            current_ = name;
            return;
        }
        if (!family.type.empty()) return problem("a second TYPE");
        if (text != "counter" && text != "gauge" && text != "histogram")
            return problem("an unknown type");
        family.type = text;
        if (current_ != name) problem("TYPE without its HELP before it");
    }

    std::string family_of(const std::string& name) const {
        for (const std::string suffix : {"_bucket", "_sum", "_count"}) {
            if (!name.ends_with(suffix)) continue;
            std::string base = name.substr(0, name.size() - suffix.size());
            const auto family = out_.families.find(base);
            if (family != out_.families.end() && family->second.type == "histogram") return base;
        }
        return name;
    }

    void sample(std::string_view line) {
        Sample sample;
        const std::size_t end = line.find_first_of("{ ");
        if (end == std::string_view::npos) return problem("no value");
        sample.name = line.substr(0, end);
        if (!is_name(sample.name, false)) return problem("not a name");
        std::string_view rest = line.substr(end);
        if (rest.starts_with('{') && !labels(rest, sample)) return problem("malformed labels");
        if (!rest.starts_with(' ')) return problem("no space before the value");
        const std::string value(rest.substr(1));
        char* stop = nullptr;
        sample.value = std::strtod(value.c_str(), &stop);
        if (value.empty() || *stop != '\0') return problem("not a number");
        if (!std::isfinite(sample.value)) return problem("not finite");
        const std::string base = family_of(sample.name);
        if (base != current_) return problem("not below its own HELP and TYPE");
        const std::string key(line.substr(0, line.size() - value.size()));
        if (!seen_.insert(key).second) return problem("twice");
        auto& family = out_.families[base];
        if (family.type != "gauge" && sample.value < 0) return problem("negative");
        if (family.type != "histogram" && sample.labels.contains("le"))
            return problem("le is for histograms");
        family.samples.push_back(std::move(sample));
    }

    // Up to its closing quote, which goes too.
    static std::optional<std::string> label_value(std::string_view& rest) {
        std::string value;
        for (std::size_t i = 0; i < rest.size(); ++i) {
            if (rest[i] == '"') {
                rest.remove_prefix(i + 1);
                return value;
            }
            if (rest[i] != '\\') {
                value += rest[i];
                continue;
            }
            const char escaped = ++i < rest.size() ? rest[i] : '\0';
            if (escaped != 'n' && escaped != '"' && escaped != '\\') return std::nullopt;
            value += escaped == 'n' ? '\n' : escaped;
        }
        return std::nullopt;
    }

    static bool labels(std::string_view& rest, Sample& sample) {
        rest.remove_prefix(1);
        while (!rest.starts_with('}')) {
            const std::size_t equals = rest.find("=\"");
            if (equals == std::string_view::npos) return false;
            const std::string name(rest.substr(0, equals));
            if (!is_name(name, true) || name.starts_with("__")) return false;
            rest.remove_prefix(equals + 2);
            const auto value = label_value(rest);
            if (!value || !sample.labels.emplace(name, *value).second) return false;
            if (rest.starts_with(',')) rest.remove_prefix(1);
        }
        rest.remove_prefix(1);
        return true;
    }

    void histogram(const std::string& name, const Exposition::Family& family) {
        double last_bound = -std::numeric_limits<double>::infinity(), last_count = 0, count = -1;
        bool sum = false;
        for (const Sample& sample : family.samples) {
            if (sample.name == name + "_sum") {
                sum = true;
            } else if (sample.name == name + "_count") {
                count = sample.value;
            } else if (sample.name == name + "_bucket") {
                const auto le = sample.labels.find("le");
                if (le == sample.labels.end()) {
                    problem("a bucket without le");
                    continue;
                }
                const double bound = le->second == "+Inf" ? std::numeric_limits<double>::infinity()
                                                          : std::atof(le->second.c_str());
                if (bound <= last_bound) problem("buckets out of order");
                if (sample.value < last_count) problem("buckets that go down");
                last_bound = bound;
                last_count = sample.value;
            } else {
                problem("a sample of another kind");
            }
        }
        if (!std::isinf(last_bound)) problem("no bucket for +Inf");
        if (!sum) problem("no _sum");
        if (count < 0 || count != last_count) problem("_count is not the bucket of +Inf");
    }

    Exposition& out_;
    std::string_view line_;
    std::string current_;
    std::set<std::string> seen_;
};

bool includes(const Sample& sample, const std::map<std::string, std::string>& labels) {
    return std::all_of(labels.begin(), labels.end(), [&](const auto& label) {
        const auto own = sample.labels.find(label.first);
        return own != sample.labels.end() && own->second == label.second;
    });
}

} // namespace

double Exposition::sum(const std::string& name,
                       const std::map<std::string, std::string>& labels) const {
    double sum = 0;
    for (const auto& [family_name, family] : families)
        for (const Sample& sample : family.samples)
            if (sample.name == name && includes(sample, labels)) sum += sample.value;
    return sum;
}

std::map<std::string, double> Exposition::growing() const {
    std::map<std::string, double> all;
    for (const auto& [name, family] : families) {
        if (family.type == "gauge") continue;
        for (const Sample& sample : family.samples) {
            std::string key = sample.name;
            for (const auto& [label, value] : sample.labels) key.append(" " + label + "=" + value);
            all[key] = sample.value;
        }
    }
    return all;
}

Exposition read_exposition(std::string_view text) {
    Exposition out;
    Reader reader(out);
    if (!text.ends_with('\n')) out.problems.emplace_back("the last line has no end");
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        reader.line(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    reader.finish();
    return out;
}

} // namespace fsrv::test
