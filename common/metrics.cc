#include "common/metrics.h"

#include <numeric>

namespace fsrv {
namespace {

// Each label's values, in a namespace of its own.
#define FSRV_LABEL(label, key)                                                                     \
    namespace label##_values {                                                                     \
        constexpr std::string_view kKey = key;                                                     \
        constexpr std::string_view kValues[] = {
#define FSRV_VALUE(id, text) text,
#define FSRV_FOREIGN_VALUES(count) "",
#define FSRV_LABEL_END(label)                                                                      \
    }                                                                                              \
    ;                                                                                              \
    }
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
#undef FSRV_COUNTER
#undef FSRV_GAUGE
#undef FSRV_HISTOGRAM

template <class Label, std::size_t N>
constexpr LabelSpec label_spec(std::string_view key, const std::string_view (&values)[N]) {
    if (key.empty()) return {};
    if (kValuesOf<Label> != N) return {.key = key, .values = {}};
    return {.key = key, .values = values};
}

constexpr MetricSpec kSpecs[] = {
#define FSRV_LABEL(label, key)
#define FSRV_VALUE(id, text)
#define FSRV_FOREIGN_VALUES(count)
#define FSRV_LABEL_END(label)
#define FSRV_COUNTER(id_, name_, l1, l2, help_)                                                    \
    {.id = Metric::id_,                                                                            \
     .name = name_,                                                                                \
     .help = help_,                                                                                \
     .label1 = label_spec<l1>(l1##_values::kKey, l1##_values::kValues),                            \
     .label2 = label_spec<l2>(l2##_values::kKey, l2##_values::kValues)},
#define FSRV_GAUGE(id_, name_, help_) {.id = Metric::id_, .name = name_, .help = help_},
#define FSRV_HISTOGRAM(id_, name_, buckets, units_, help_)                                         \
    {.id = Metric::id_, .name = name_, .help = help_, .units = units_},
#include "common/metrics.def"
};

#undef FSRV_COUNTER
#undef FSRV_GAUGE
#undef FSRV_HISTOGRAM
#undef FSRV_DERIVED

#define FSRV_COUNTER(id, name, label1, label2, help)
#define FSRV_GAUGE(id, name, help)
#define FSRV_HISTOGRAM(id, name, buckets, units, help)
#define FSRV_DERIVED(id_, name_, help_) {.id = Derived::id_, .name = name_, .help = help_},
constexpr DerivedSpec kDerived[] = {
#include "common/metrics.def"
};

} // namespace

std::span<const MetricSpec> metric_table() {
    return kSpecs;
}

std::span<const DerivedSpec> derived_table() {
    return kDerived;
}

std::uint64_t MetricTotals::sum(Metric metric) const {
    const auto begin =
        words_.begin() + static_cast<std::ptrdiff_t>(kFirstWords[static_cast<unsigned>(metric)]);
    return std::accumulate(begin, begin + shape_of(metric).words(), std::uint64_t{0});
}

void MetricWords::add_to(MetricTotals& totals) const {
    for (std::size_t i = 0; i < kMetricWords; ++i)
        totals.words()[i] += words_[i].load(std::memory_order_acquire);
}

void MetricWords::show(const MetricWords& other) {
    for (std::size_t i = 0; i < kMetricWords; ++i)
        words_[i].store(other.words_[i].load(std::memory_order_relaxed), std::memory_order_release);
}

void MetricWords::take_over(MetricWords& ended) {
    std::size_t word = 0;
    for (const MetricShape& shape : kMetricShapes) {
        for (unsigned i = 0; i < shape.words(); ++i, ++word) {
            const auto get = [word](const MetricWords& of) {
                return of.words_[word].load(std::memory_order_relaxed);
            };
            if (shape.kind != MetricKind::gauge)
                words_[word].store(get(*this) + get(ended), std::memory_order_release);
            ended.words_[word].store(0, std::memory_order_release);
        }
    }
}

} // namespace fsrv
