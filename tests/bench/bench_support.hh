// SPDX-License-Identifier: Apache-2.0
#pragma once

// What all measuring programs share: options, statistics over interleaved pairs, the table, the
// one machine-readable line per row, and what --check makes of them.

#include <cstddef>
#include <string>
#include <vector>

namespace postbearer::bench {

struct Options {
    int pairs = 9;       // of interleaved measurements; at least 7
    bool check = false;  // a missed target is exit 1
    bool quick = false;  // one pair of small runs: shows that it works, measures nothing

    /// How much of something to measure with.
    [[nodiscard]] std::size_t amount(std::size_t full, std::size_t small) const noexcept {
        return quick ? small : full;
    }
    /// For what costs more time than it has noise.
    [[nodiscard]] int at_most(int rounds) const noexcept { return pairs < rounds ? pairs : rounds; }
};

struct Spread {
    double median = 0;
    double min = 0;
    double max = 0;
};

/// Of at least one value.
[[nodiscard]] Spread spread_of(std::vector<double> values);
/// Nearest rank; `fraction` in (0, 1], at least one value. Reorders them.
[[nodiscard]] double percentile(std::vector<double>& values, double fraction);
/// a[i] / b[i]: each pair was measured side by side, so that it shares the machine's mood.
[[nodiscard]] std::vector<double> quotients(const std::vector<double>& a,
                                            const std::vector<double>& b);

enum class Bound { None, AtMost, AtLeast };

/// One line of the table.
struct Row {
    std::string name;   // stable, for programs: session_p50
    std::string title;  // for people
    Spread value;
    std::string unit;  // of value: x, ms, objects, kB, s, us
    Bound bound = Bound::None;
    double target = 0;
    /// The two sides of a ratio; unit empty: the row is no ratio.
    Spread ours{};
    Spread floor{};
    std::string sides_unit{};
};

[[nodiscard]] bool met(const Row& row) noexcept;

/// Collects rows; prints each as it comes, as a `bench key=value ...` line.
class Report {
public:
    explicit Report(const Options& options) : options_(options) {}

    void add(Row row);
    /// A ratio of two series of the same length, measured in pairs.
    void add_ratio(Row row, const std::vector<double>& ours, const std::vector<double>& floor);
    /// The table; 1 if --check and a target was missed.
    [[nodiscard]] int finish() const;

private:
    Options options_;
    std::vector<Row> rows_;
};

using Body = void (*)(const Options&, Report&);

/// main() of a measuring program: parses --pairs N, --check and --quick, measures, prints. 77
/// (skipped, for meson) unless root; 2 usage; 1 could not measure or missed a target under --check.
[[nodiscard]] int bench_main(int argc, char** argv, Body body) noexcept;

}  // namespace postbearer::bench
