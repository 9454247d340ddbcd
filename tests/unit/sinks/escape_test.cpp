// SPDX-License-Identifier: Apache-2.0
// Names that other processes chose must harm neither the JSON nor the terminal.
#include "sinks/escape.h"

#include <gtest/gtest.h>

#include "support/records.h"

namespace tcpdwell {
namespace {

using namespace samples;

using namespace std::string_literals;

std::string escaped(std::string_view bytes) {
  std::string out(json_string_room(bytes), '#');
  out.resize(static_cast<std::size_t>(write_json_string(out.data(), bytes) - out.data()));
  return out;
}

std::string printable(std::string_view bytes) {
  std::string out;
  append_printable(out, bytes);
  return out;
}

const std::string kBad = "\xef\xbf\xbd";  // U+FFFD

TEST(JsonString, KeepsHarmlessText) {
  EXPECT_EQ(escaped(""), R"("")");
  EXPECT_EQ(escaped("nginx: worker"), R"("nginx: worker")");
  EXPECT_EQ(escaped("/a/b</script>"), R"("/a/b</script>")");
  EXPECT_EQ(escaped("h\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
            "\"h\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
}

// Eight bytes are looked at together: it must not matter with which others, and where.
TEST(JsonString, EscapesAByteAtAnyPosition) {
  for (unsigned byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const std::string alone = escaped(std::string(1, c));
    for (std::size_t at = 0; at < 17; ++at) {
      std::string text = "abcdefghijklmnopq";
      text[at] = c;
      std::string expected = '"' + text + '"';
      expected.replace(1 + at, 1, alone, 1, alone.size() - 2);
      ASSERT_EQ(escaped(text), expected) << "byte " << byte << " at " << at;
    }
  }
}

TEST(JsonString, QuotesAndBackslashesAreEscaped) {
  EXPECT_EQ(escaped(R"(a"b\c)"), R"("a\"b\\c")");
  EXPECT_EQ(escaped(R"(\)"), R"("\\")") << "it must not eat the closing quote";
}

TEST(JsonString, ControlCharactersAreEscaped) {
  EXPECT_EQ(escaped("\n\t\r\x1b[31m"), R"("\u000a\u0009\u000d\u001b[31m")");
  EXPECT_EQ(escaped("a\0b"s), R"("a\u0000b")");
  EXPECT_EQ(escaped("\x7f"), R"("\u007f")");
  EXPECT_EQ(escaped("\xc2\x9b"
                    "2J"),
            R"("\u009b2J")")
      << "CSI of C1: a terminal obeys it as it does ESC [";
}

struct NotUtf8 {
  const char* what;
  std::string bytes;
  std::size_t units;  // how many bytes are replaced one by one
};

const NotUtf8 kNotUtf8[] = {
    {"a lone continuation", "\x80", 1},
    {"a bare C1 byte", "\x9b", 1},
    {"overlong '/'", "\xc0\xaf", 2},
    {"overlong NUL", "\xc0\x80", 2},
    {"overlong in three", "\xe0\x80\xaf", 3},
    {"overlong in four", "\xf0\x80\x80\xaf", 4},
    {"a high surrogate", "\xed\xa0\x80", 3},
    {"a low surrogate", "\xed\xbf\xbf", 3},
    {"above U+10FFFF", "\xf4\x90\x80\x80", 4},
    {"five bytes", "\xf8\x88\x80\x80\x80", 5},
    {"FE and FF", "\xfe\xff", 2},
    {"two bytes cut to one", "\xc3", 1},
    {"three bytes cut to two", "\xe2\x82", 2},
    {"four bytes cut to three", "\xf0\x9f\x98", 3},
};

TEST(JsonString, ReplacesInvalidUtf8) {
  for (const auto& [what, bytes, units] : kNotUtf8) {
    std::string wanted = "\"a";
    for (std::size_t i = 0; i < units; ++i) wanted += kBad;
    EXPECT_EQ(escaped('a' + bytes), wanted + '"') << what << ", at the end";
    EXPECT_EQ(escaped('a' + bytes + 'b'), wanted + "b\"") << what << ": what follows it is kept";
  }
}

TEST(JsonString, ATruncatedSequenceDoesNotSwallowAQuote) {
  EXPECT_EQ(escaped("\xe2\"x"), "\"" + kBad + "\\\"x\"");
}

TEST(Printable, KeepsHarmlessText) {
  EXPECT_EQ(printable("nginx: worker \xe2\x82\xac"), "nginx: worker \xe2\x82\xac");
  EXPECT_EQ(printable(R"(a"b\c)"), R"(a"b\c)");
}

TEST(Printable, ControlCharactersAreShownNotSent) {
  EXPECT_EQ(printable("\x1b]0;evil\x07"), R"(\x1b]0;evil\x07)");
  EXPECT_EQ(printable("a\nb\rc\0d\x7f"s), R"(a\x0ab\x0dc\x00d\x7f)");
  EXPECT_EQ(printable("\xc2\x9b"
                      "2J"),
            R"(\xc2\x9b2J)")
      << "C1";
}

TEST(Printable, WhatIsNotUtf8IsShownByteByByte) {
  EXPECT_EQ(printable("\x9bz"), R"(\x9bz)");
  for (const auto& [what, bytes, units] : kNotUtf8)
    EXPECT_EQ(printable(bytes).size(), 4 * units) << what;
}

TEST(Printable, WhatReordersOrBreaksTheLineIsShownNotObeyed) {
  EXPECT_EQ(printable("\xe2\x80\xae"
                      "gpj"),
            R"(\xe2\x80\xaegpj)")
      << "U+202E: the rest of the line would run from right to left";
  EXPECT_EQ(printable("\xe2\x81\xa6"), R"(\xe2\x81\xa6)") << "U+2066, an isolate";
  EXPECT_EQ(printable("\xe2\x80\xa8"), R"(\xe2\x80\xa8)") << "U+2028, a line separator";
  EXPECT_EQ(printable("\xe2\x80\x8f"), R"(\xe2\x80\x8f)") << "U+200F";
}

// Every pair of bytes behind an ordinary one: valid JSON and nothing that a terminal obeys.
TEST(Escape, NoPairOfBytesGetsThrough) {
  for (unsigned a = 0; a < 256; ++a)
    for (unsigned b = 0; b < 256; ++b) {
      const std::string bytes = {'x', static_cast<char>(a), static_cast<char>(b)};
      ASSERT_EQ(hostile_byte(printable(bytes)), "") << a << ' ' << b;
      const std::string text = escaped(bytes);
      ASSERT_EQ(hostile_byte(text), "") << a << ' ' << b;
      std::size_t quotes = 0;
      for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '"') ++quotes;
        if (text[i] == '\\') ++i;
      }
      ASSERT_EQ(quotes, 2U) << text;
    }
}

std::string utf8(std::uint32_t code) {
  if (code < 0x80) return {static_cast<char>(code)};
  std::string tail;
  std::uint32_t most = 0x3f;
  for (; code > most; code >>= 6U, most >>= 1U)
    tail.insert(tail.begin(), static_cast<char>(0x80U | (code & 0x3fU)));
  return static_cast<char>((~most << 1U & 0xffU) | code) + tail;
}

// One of each kind, and the first and the last of each range that is long.
constexpr std::uint32_t kMisleading[] = {
    0xa0,    0xad,    0x34f,   0x600,   0x605,   0x61c,   0x6dd,   0x70f,   0x890,
    0x8e2,   0x115f,  0x1680,  0x17b4,  0x180b,  0x180e,  0x180f,  0x2000,  0x200a,
    0x200b,  0x200d,  0x200e,  0x200f,  0x2028,  0x2029,  0x202a,  0x202e,  0x202f,
    0x205f,  0x2060,  0x2064,  0x2066,  0x2069,  0x206f,  0x2800,  0x3000,  0x3164,
    0xfe00,  0xfe0f,  0xfeff,  0xffa0,  0xfff9,  0xfffb,  0x110bd, 0x110cd, 0x13430,
    0x1bca0, 0x1d173, 0x1d17a, 0xe0001, 0xe0020, 0xe007f, 0xe0100, 0xe01ef, 0xe0fff};

TEST(Escape, WhatMisleadsIsShownInTextAndEscapedInJson) {
  for (const std::uint32_t code : kMisleading) {
    const std::string bytes = utf8(code);
    EXPECT_EQ(printable(bytes).size(), 4 * bytes.size()) << std::hex << code;
    EXPECT_EQ(escaped(bytes).size(), code < 0x10000 ? 8U : 14U) << std::hex << code;
  }
  EXPECT_EQ(escaped("\xe2\x80\xae"), R"("\u202e")");
  EXPECT_EQ(escaped("\xf3\xa0\x81\x81"), R"("\udb40\udc41")") << "U+E0041 as two units";
}

TEST(Escape, TheirNeighboursStay) {
  for (const std::uint32_t code :
       {0xa1U, 0x606U, 0x1161U, 0x2010U, 0x2027U, 0x2030U, 0x205eU, 0x2070U, 0x2801U, 0x3001U,
        0xfdffU, 0xfe10U, 0xfffdU, 0x1f600U, 0xe1000U, 0x10ffffU})
    EXPECT_EQ(printable(utf8(code)), utf8(code)) << std::hex << code;
}

TEST(Printable, ShowsWhatCannotBeSeen) {
  // Zero width space, word joiner, soft hyphen, byte order mark, Hangul filler, a tag.
  for (const std::string_view bytes : {"\xe2\x80\x8b", "\xe2\x81\xa0", "\xc2\xad", "\xef\xbb\xbf",
                                       "\xe3\x85\xa4", "\xf3\xa0\x81\x81"})
    EXPECT_EQ(printable(bytes).size(), 4 * bytes.size()) << printable(bytes);
}

}  // namespace
}  // namespace tcpdwell
