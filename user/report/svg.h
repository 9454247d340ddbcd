// SPDX-License-Identifier: Apache-2.0
// Parts of the SVG pictures: scales, axes, steps. Geometry is in presentation attributes, colours
// are classes of the style sheet: the page allows no style attribute.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "report/report_data.h"

namespace tcpdwell::reporting {

// Each picture is drawn twice, for wide and for narrow windows; the style sheet shows one.
struct Canvas {
  int width = 960, height = 320;
  int left = 56, right = 12, top = 12, bottom = 30;
  bool narrow = false;
  Nanos after{};  // time of the axis behind the end of the report
  int plot_width() const { return width - left - right; }
  int plot_height() const { return height - top - bottom; }
  int x_end() const { return width - right; }
  int y_end() const { return height - bottom; }
};
inline constexpr Canvas kWide{};
inline constexpr Canvas kNarrow{.width = 400, .height = 300, .left = 44, .narrow = true};

// For one of so many pictures in a row of cards: two of them may share the width of the page.
Canvas card_canvas(std::size_t cards);

// Both drawings in one <figure>. `label`: what they show, for those who cannot see them.
std::string drawn_twice(std::string_view label, const Canvas& wide, const Canvas& narrow,
                        const std::function<std::string(const Canvas&)>& draw);

// "s-close_wait": the class of a state's colour; "p-close_wait": the id of its pattern.
std::string state_class(State state);
// The patterns of all states, once a page.
std::string pattern_definitions();
// A square with the colour and the pattern of a state.
std::string swatch(State state);

std::string text_at(double x, double y, std::string_view text, std::string_view style = "",
                    std::string_view anchor = "start");
std::string line(double x1, double y1, double x2, double y2, std::string_view style);
std::string number(double value);  // at most one decimal

// A round number that is at least `value`.
double round_up(double value);
// "1,200", "12k", "3.4M"
std::string short_number(double value);

// The horizontal grid with its numbers, from 0 to `most`.
std::string count_axis(const Canvas& canvas, double most);
// Ticks at round times of the day.
std::string time_axis(const Canvas& canvas, const ReportData& data);
double x_of(const Canvas& canvas, const ReportData& data, Nanos at);

// The path of a value in each bin, as steps; `y` gives its place. From left to right, without
// begin or end.
std::string steps(const Canvas& canvas, const ReportData& data, std::size_t bins,
                  const std::function<double(std::size_t)>& y);

}  // namespace tcpdwell::reporting
