// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/bench_support.hh"

#include <getopt.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>

#include "common/text.hh"
#include "tests/support/process.hh"

namespace postbearer::bench {
namespace {

constexpr int kLeastPairs = 7;
constexpr int kMostPairs = 1000;

enum ExitCode : int { kMeasured = 0, kFailed = 1, kUsage = 2, kSkipped = 77 };

constexpr const char* kUsageText =
    "usage: %s [--pairs N] [--check] [--quick]\n"
    "  --pairs N   interleaved pairs of measurements, at least 7 (default 9)\n"
    "  --check     exit 1 if a target is missed\n"
    "  --quick     one pair, and small where the row knows how; the numbers mean nothing\n";

/// The exit code where there is nothing to measure, else -1.
int parse_options(int argc, char** argv, Options& options) {
    static const option kLong[] = {{"pairs", required_argument, nullptr, 'p'},
                                   {"check", no_argument, nullptr, 'c'},
                                   {"quick", no_argument, nullptr, 'q'},
                                   {"help", no_argument, nullptr, 'h'},
                                   {nullptr, 0, nullptr, 0}};
    for (int chosen = 0; (chosen = ::getopt_long(argc, argv, "h", kLong, nullptr)) != -1;) {
        const auto number = chosen == 'p' ? parse_decimal(optarg) : std::nullopt;
        if (chosen == 'c') {
            options.check = true;
        } else if (chosen == 'q') {
            options.quick = true;
            options.pairs = 1;
        } else if (number && *number >= kLeastPairs && *number <= kMostPairs) {
            options.pairs = static_cast<int>(*number);
        } else {
            (void)std::fprintf(chosen == 'h' ? stdout : stderr, kUsageText, argv[0]);
            return chosen == 'h' ? kMeasured : kUsage;
        }
    }
    if (optind != argc) {
        (void)std::fprintf(stderr, kUsageText, argv[0]);
        return kUsage;
    }
    return -1;
}

int decimals(double value) noexcept {
    const double size = std::fabs(value);
    return size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : 3;
}

std::string text(double value) {
    char buffer[64];
    (void)std::snprintf(buffer, sizeof buffer, "%.*f", decimals(value), value);
    return buffer;
}

std::string range(const Spread& spread, const std::string& unit) {
    return text(spread.median) + " " + unit + " (" + text(spread.min) + "-" + text(spread.max) +
           ")";
}

std::string target(const Row& row) {
    if (row.bound == Bound::None) {
        return "-";
    }
    char buffer[64];
    (void)std::snprintf(buffer, sizeof buffer, "%s %g %s",
                        row.bound == Bound::AtMost ? "<=" : ">=", row.target, row.unit.c_str());
    return buffer;
}

const char* verdict(const Row& row) noexcept {
    return row.bound == Bound::None ? "-" : met(row) ? "met" : "MISSED";
}

void print_for_programs(const Row& row, int pairs) {
    const auto bound = [&row] {
        return row.bound == Bound::None     ? "none"
               : row.bound == Bound::AtMost ? "at_most"
                                            : "at_least";
    };
    (void)std::printf("bench row=%s median=%g min=%g max=%g unit=%s pairs=%d bound=%s target=%g",
                      row.name.c_str(), row.value.median, row.value.min, row.value.max,
                      row.unit.c_str(), pairs, bound(), row.target);
    if (!row.sides_unit.empty()) {
        (void)std::printf(" ours=%g floor=%g sides_unit=%s", row.ours.median, row.floor.median,
                          row.sides_unit.c_str());
    }
    (void)std::printf(" verdict=%s title=\"%s\"\n", verdict(row), row.title.c_str());
    (void)std::fflush(stdout);
}

}  // namespace

Spread spread_of(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const std::size_t middle = values.size() / 2;
    const double median =
        values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
    return {median, values.front(), values.back()};
}

double percentile(std::vector<double>& values, double fraction) {
    const double rank = std::ceil(fraction * static_cast<double>(values.size()));
    const auto index = static_cast<std::ptrdiff_t>(std::max(rank, 1.0)) - 1;
    std::nth_element(values.begin(), values.begin() + index, values.end());
    return values[static_cast<std::size_t>(index)];
}

std::vector<double> quotients(const std::vector<double>& a, const std::vector<double>& b) {
    std::vector<double> result;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
        result.push_back(a[i] / b[i]);
    }
    return result;
}

bool met(const Row& row) noexcept {
    switch (row.bound) {
        case Bound::AtMost:
            return row.value.median <= row.target;
        case Bound::AtLeast:
            return row.value.median >= row.target;
        case Bound::None:
            break;
    }
    return true;
}

void Report::add(Row row) {
    print_for_programs(row, options_.pairs);
    rows_.push_back(std::move(row));
}

void Report::add_ratio(Row row, const std::vector<double>& ours, const std::vector<double>& floor) {
    row.value = spread_of(quotients(ours, floor));
    row.unit = std::string(1, 'x');
    row.ours = spread_of(ours);
    row.floor = spread_of(floor);
    add(std::move(row));
}

int Report::finish() const {
    std::size_t width = 0;
    for (const Row& row : rows_) {
        width = std::max(width, row.title.size());
    }
    (void)std::printf("\n%-*s  %-28s %-12s %-7s %s\n", static_cast<int>(width), "row",
                      "median (min-max)", "target", "", "ours / floor");
    bool all_met = true;
    for (const Row& row : rows_) {
        all_met = all_met && met(row);
        const std::string sides = row.sides_unit.empty() ? std::string()
                                                         : range(row.ours, row.sides_unit) + " / " +
                                                               range(row.floor, row.sides_unit);
        (void)std::printf("%-*s  %-28s %-12s %-7s %s\n", static_cast<int>(width), row.title.c_str(),
                          range(row.value, row.unit).c_str(), target(row).c_str(), verdict(row),
                          sides.c_str());
    }
    return options_.check && !all_met ? kFailed : kMeasured;
}

int bench_main(int argc, char** argv, Body body) noexcept {
    try {
        Options options;
        const int done = parse_options(argc, argv, options);
        if (done >= 0) {
            return done;
        }
        if (::geteuid() != 0) {
            (void)std::puts("skipped: the rig needs root");
            return kSkipped;
        }
        test::adopt_orphans();
        Report report(options);
        body(options, report);
        return report.finish();
    } catch (const std::exception& error) {
        (void)std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    } catch (...) {
        (void)std::fprintf(stderr, "%s: unknown exception\n", argv[0]);
    }
    return kFailed;
}

}  // namespace postbearer::bench
