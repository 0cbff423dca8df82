// The figures of metrics.def as words of memory: one writer, readers in any process. A count is a
// load and a store, no locked instruction, so each MetricWords belongs to one thread of one
// process.
#pragma once

#include <array>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

namespace fsrv {

// --- the table

#define FSRV_LABEL(label, key) enum class label : unsigned {
#define FSRV_VALUE(id, text) id,
#define FSRV_FOREIGN_VALUES(count) last_of_foreign = (count)-1,
#define FSRV_LABEL_END(label)                                                                      \
    end_                                                                                           \
    }                                                                                              \
    ;
#define FSRV_BUCKETS(id, ...)
#define FSRV_COUNTER(id, name, label1, label2, help)
#define FSRV_GAUGE(id, name, help)
#define FSRV_HISTOGRAM(id, name, buckets, units, help)
#define FSRV_DERIVED(id, name, help)
#include "common/metrics.def"
#undef FSRV_LABEL
#undef FSRV_VALUE
#undef FSRV_FOREIGN_VALUES
#undef FSRV_LABEL_END
#undef FSRV_BUCKETS
#undef FSRV_COUNTER
#undef FSRV_GAUGE
#undef FSRV_HISTOGRAM

#define FSRV_LABEL(label, key)
#define FSRV_VALUE(id, text)
#define FSRV_FOREIGN_VALUES(count)
#define FSRV_LABEL_END(label)
#define FSRV_BUCKETS(id, ...) inline constexpr std::uint64_t k##id[] = {__VA_ARGS__};
#define FSRV_COUNTER(id, name, label1, label2, help)
#define FSRV_GAUGE(id, name, help)
#define FSRV_HISTOGRAM(id, name, buckets, units, help)
namespace metric_buckets {
#include "common/metrics.def"
} // namespace metric_buckets
#undef FSRV_BUCKETS
#undef FSRV_COUNTER
#undef FSRV_GAUGE
#undef FSRV_HISTOGRAM

#define FSRV_BUCKETS(id, ...)
#define FSRV_COUNTER(id, name, label1, label2, help) id,
#define FSRV_GAUGE(id, name, help) id,
#define FSRV_HISTOGRAM(id, name, buckets, units, help) id,
enum class Metric : unsigned {
#include "common/metrics.def"
};
#undef FSRV_COUNTER
#undef FSRV_GAUGE
#undef FSRV_HISTOGRAM

enum class MetricKind { counter, gauge, histogram };

// What the hot path needs of a metric.
struct MetricShape {
    MetricKind kind{};
    unsigned series = 1;  // of a counter: values of label 1 times those of label 2
    unsigned columns = 1; // values of label 2
    std::span<const std::uint64_t> bounds{};

    // A histogram: a word a bucket, one for what is above all of them, one for the sum.
    constexpr unsigned words() const {
        return kind == MetricKind::histogram ? static_cast<unsigned>(bounds.size()) + 2 : series;
    }
};

template <class Label>
inline constexpr unsigned kValuesOf = static_cast<unsigned>(Label::end_);

inline constexpr MetricShape kMetricShapes[] = {
#define FSRV_COUNTER(id, name, label1, label2, help)                                               \
    {.kind = MetricKind::counter,                                                                  \
     .series = kValuesOf<label1> * kValuesOf<label2>,                                              \
     .columns = kValuesOf<label2>},
#define FSRV_GAUGE(id, name, help) {.kind = MetricKind::gauge},
#define FSRV_HISTOGRAM(id, name, buckets, units, help)                                             \
    {.kind = MetricKind::histogram, .bounds = metric_buckets::k##buckets},
#include "common/metrics.def"
#undef FSRV_COUNTER
#undef FSRV_GAUGE
#undef FSRV_HISTOGRAM
#undef FSRV_BUCKETS
#undef FSRV_LABEL
#undef FSRV_VALUE
#undef FSRV_FOREIGN_VALUES
#undef FSRV_LABEL_END
#undef FSRV_DERIVED
};
inline constexpr std::size_t kMetrics = std::size(kMetricShapes);

constexpr const MetricShape& shape_of(Metric metric) {
    return kMetricShapes[static_cast<unsigned>(metric)];
}
constexpr std::size_t first_word(Metric metric) {
    std::size_t word = 0;
    for (unsigned i = 0; i < static_cast<unsigned>(metric); ++i) word += kMetricShapes[i].words();
    return word;
}
inline constexpr std::size_t kMetricWords =
    first_word(static_cast<Metric>(kMetrics - 1)) + kMetricShapes[kMetrics - 1].words();

// Where each metric begins, for readers that do not know it while they are compiled.
inline constexpr auto kFirstWords = [] {
    std::array<std::size_t, kMetrics> words{};
    for (unsigned i = 0; i < kMetrics; ++i) words[i] = first_word(static_cast<Metric>(i));
    return words;
}();

// What is no figure of any process's own.
enum class Derived : unsigned {
#define FSRV_LABEL(label, key)
#define FSRV_VALUE(id, text)
#define FSRV_FOREIGN_VALUES(count)
#define FSRV_LABEL_END(label)
#define FSRV_BUCKETS(id, ...)
#define FSRV_COUNTER(id, name, label1, label2, help)
#define FSRV_GAUGE(id, name, help)
#define FSRV_HISTOGRAM(id, name, buckets, units, help)
#define FSRV_DERIVED(id, name, help) id,
#include "common/metrics.def"
#undef FSRV_LABEL
#undef FSRV_VALUE
#undef FSRV_FOREIGN_VALUES
#undef FSRV_LABEL_END
#undef FSRV_BUCKETS
#undef FSRV_COUNTER
#undef FSRV_GAUGE
#undef FSRV_HISTOGRAM
#undef FSRV_DERIVED
};

// What a reader shows of a metric.
struct LabelSpec {
    std::string_view key;                     // empty: there is none
    std::span<const std::string_view> values; // empty: named elsewhere (common/close_reason.def)
};
struct MetricSpec {
    Metric id{};
    std::string_view name;
    std::string_view help;
    LabelSpec label1;
    LabelSpec label2;
    std::uint64_t units = 1; // of what is observed, in one of what is shown
};
std::span<const MetricSpec> metric_table(); // in the order of the enum

struct DerivedSpec {
    Derived id{};
    std::string_view name;
    std::string_view help;
};
std::span<const DerivedSpec> derived_table();

// The class of a status: 200 to 599, others count as errors of the server.
constexpr StatusClass class_of_status(int status) {
    switch (status / 100) {
    case 2: return StatusClass::success;
    case 3: return StatusClass::redirect;
    case 4: return StatusClass::client_error;
    default: return StatusClass::server_error;
    }
}

// --- the words

template <class T>
concept MetricLabel = std::is_enum_v<T>;

// A copy of the words, for readers.
class MetricTotals final {
  public:
    std::uint64_t word(Metric metric, std::size_t i) const {
        return words_[kFirstWords[static_cast<unsigned>(metric)] + i];
    }
    std::uint64_t value(Metric metric) const { return word(metric, 0); }
    template <MetricLabel Label>
    std::uint64_t value(Metric metric, Label label) const {
        return word(metric, static_cast<std::size_t>(label));
    }
    std::uint64_t sum(Metric metric) const; // over all series of a counter

    std::array<std::uint64_t, kMetricWords>& words() { return words_; }

  private:
    std::array<std::uint64_t, kMetricWords> words_{};
};

class MetricWords {
  public:
    void count(Metric metric, std::uint64_t n = 1) { add(first(metric), n); }
    template <MetricLabel Label>
    void count(Metric metric, Label label, std::uint64_t n = 1) {
        add(first(metric) + static_cast<std::size_t>(label), n);
    }
    template <MetricLabel Label1, MetricLabel Label2>
    void count(Metric metric, Label1 label1, Label2 label2) {
        add(first(metric) + static_cast<std::size_t>(label1) * shape_of(metric).columns +
                static_cast<std::size_t>(label2),
            1);
    }
    void set(Metric gauge, std::uint64_t value) {
        words_[first(gauge)].store(value, std::memory_order_relaxed);
    }
    void raise(Metric gauge) { add(first(gauge), 1); }
    void lower(Metric gauge) { add(first(gauge), ~std::uint64_t{0}); }
    void observe(Metric histogram, std::uint64_t value) {
        const auto bounds = shape_of(histogram).bounds;
        std::size_t bucket = 0;
        while (bucket < bounds.size() && value > bounds[bucket]) ++bucket;
        add(first(histogram) + bucket, 1);
        add(first(histogram) + bounds.size() + 1, value);
    }

    std::uint64_t value(Metric metric) const {
        return words_[first(metric)].load(std::memory_order_relaxed);
    }
    template <MetricLabel Label>
    std::uint64_t value(Metric metric, Label label) const {
        return words_[first(metric) + static_cast<std::size_t>(label)].load(
            std::memory_order_relaxed);
    }
    void add_to(MetricTotals& totals) const;
    // Counters and histograms of a process that has ended, which then are 0 there, as its gauges.
    // Stored with release, for the scoreboard's sequence number.
    void take_over(MetricWords& ended);
    // A copy for readers, stored with release.
    void show(const MetricWords& other);

  private:
    static constexpr std::size_t first(Metric metric) {
        return kFirstWords[static_cast<unsigned>(metric)];
    }
    void add(std::size_t word, std::uint64_t n) {
        auto& w = words_[word];
        w.store(w.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }

    std::array<std::atomic<std::uint64_t>, kMetricWords> words_{};
};

} // namespace fsrv
