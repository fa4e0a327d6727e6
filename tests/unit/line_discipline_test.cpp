// SPDX-License-Identifier: BSD-2-Clause
// The line discipline: what is typed, what a reader gets, what the screen shows. Source: termios(3).
#include "view/line_discipline.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace tine::view {
namespace {

class Terminal {
 public:
  explicit Terminal(const Termios& settings = {}) : discipline(settings) { EXPECT_TRUE(discipline.allocate()); }

  uint8_t type(std::string_view text) { return discipline.receive({text.data(), text.size()}); }

  // What has been sent to the screen since the last call.
  std::string screen() {
    std::string text;
    for (auto bytes = discipline.sendable(); !bytes.empty(); bytes = discipline.sendable()) {
      text.append(bytes.data(), bytes.size());
      discipline.sent(bytes.size());
    }
    return text;
  }

  // One read(2) of `size` bytes; "<none>" where it would block.
  std::string read(size_t size = 4096) {
    if (!discipline.readable(1)) return "<none>";
    std::string text(size, '\0');
    const auto chunk = discipline.read({text.data(), text.size()});
    text.resize(chunk.size);
    return text;
  }

  void set_local(uint32_t flags, bool on) {
    Termios settings = discipline.settings();
    settings.local = on ? settings.local | flags : settings.local & ~flags;
    discipline.set_settings(settings);
  }
  void set_input(uint32_t flags) {
    Termios settings = discipline.settings();
    settings.input = flags;
    discipline.set_settings(settings);
  }

  LineDiscipline discipline;
};

TEST(LineDiscipline, ALineBecomesReadableAtItsEnd) {
  Terminal terminal;
  terminal.type("echo hi");
  EXPECT_EQ(terminal.read(), "<none>");
  terminal.type("\r");
  EXPECT_EQ(terminal.read(), "echo hi\n");
  EXPECT_EQ(terminal.screen(), "echo hi\r\n");
}

TEST(LineDiscipline, AReadEndsAtTheEndOfALine) {
  Terminal terminal;
  terminal.type("one\ntwo\n");
  EXPECT_EQ(terminal.discipline.input_size(), 8u);
  EXPECT_EQ(terminal.read(), "one\n");
  EXPECT_EQ(terminal.read(2), "tw");
  EXPECT_EQ(terminal.read(), "o\n");
  EXPECT_EQ(terminal.read(), "<none>");
}

TEST(LineDiscipline, EndOfFileOnAnEmptyLineIsAReadOfNothing) {
  Terminal terminal;
  terminal.type("\x04");
  EXPECT_EQ(terminal.read(), "");
  EXPECT_EQ(terminal.read(), "<none>");
}

TEST(LineDiscipline, EndOfFileAfterTextMakesItReadableAndIsNoSecondEnd) {
  Terminal terminal;
  terminal.type("abc\x04");
  EXPECT_EQ(terminal.read(3), "abc");
  EXPECT_EQ(terminal.read(), "<none>");
}

TEST(LineDiscipline, ErasingACharacterGoesBackOnTheScreen) {
  Terminal terminal;
  terminal.type("ab\x7f");
  EXPECT_EQ(terminal.screen(), "ab\b \b");
  terminal.type("c\n");
  EXPECT_EQ(terminal.read(), "ac\n");
}

TEST(LineDiscipline, ErasingStopsAtTheBeginningOfTheLine) {
  Terminal terminal;
  terminal.type("a\n");
  (void)terminal.screen();
  terminal.type("\x7f\x7f");
  EXPECT_EQ(terminal.screen(), "");
  EXPECT_EQ(terminal.read(), "a\n");
}

TEST(LineDiscipline, ErasingAWord) {
  Terminal terminal;
  terminal.type("cat two  words  \x17!\n");
  EXPECT_EQ(terminal.read(), "cat two  !\n");
}

TEST(LineDiscipline, KillingTheLineErasesItOnTheScreen) {
  Terminal terminal;
  terminal.type("abc\x15");
  EXPECT_EQ(terminal.screen(), "abc\b \b\b \b\b \b");
  terminal.type("d\n");
  EXPECT_EQ(terminal.read(), "d\n");
}

TEST(LineDiscipline, AControlCharacterIsShownAndErasedAsTwo) {
  Terminal terminal;
  terminal.type("\x16\x01\x7f");
  EXPECT_EQ(terminal.screen(), "^\b^A\b \b\b \b");
}

TEST(LineDiscipline, ATabIsErasedToWhereItBegan) {
  Terminal terminal;
  const std::string prompt = "$ ";
  terminal.discipline.write({prompt.data(), prompt.size()});
  terminal.type("ab\t");
  (void)terminal.screen();
  terminal.type("\x7f");
  EXPECT_EQ(terminal.screen(), "\b\b\b\b");   // from column 8 to column 4
}

TEST(LineDiscipline, Utf8CharactersAreErasedAsAWhole) {
  Terminal terminal;
  terminal.set_input(kIcrnl | kIutf8);
  terminal.type("a\xc3\xa4\x7f" "b\r");
  EXPECT_EQ(terminal.read(), "ab\n");
  EXPECT_EQ(terminal.screen(), "a\xc3\xa4\b \bb\r\n");
}

TEST(LineDiscipline, LiteralNextTakesTheSpecialMeaningAway) {
  Terminal terminal;
  EXPECT_EQ(terminal.type("\x16\x03\n"), 0);
  EXPECT_EQ(terminal.read(), "\x03\n");
}

TEST(LineDiscipline, SignalCharactersFlushBothQueues) {
  Terminal terminal;
  terminal.type("done\nrest");
  EXPECT_EQ(terminal.type("\x03"), LineDiscipline::kInterrupt);
  EXPECT_EQ(terminal.screen(), "^C");
  EXPECT_EQ(terminal.read(), "<none>");
  EXPECT_EQ(terminal.type("\x1c"), LineDiscipline::kQuit);
  EXPECT_EQ(terminal.type("\x1a"), LineDiscipline::kSuspend);
}

TEST(LineDiscipline, NoFlushKeepsWhatWasTyped) {
  Terminal terminal;
  terminal.set_local(kNoflsh, true);
  terminal.type("done\n\x03");
  EXPECT_EQ(terminal.read(), "done\n");
}

TEST(LineDiscipline, WithoutIsigTheyAreData) {
  Terminal terminal;
  terminal.set_local(kIsig | kIcanon | kEcho, false);
  EXPECT_EQ(terminal.type("\x03\x04"), 0);
  EXPECT_EQ(terminal.read(), "\x03\x04");
  EXPECT_EQ(terminal.screen(), "");
}

TEST(LineDiscipline, RawModeWaitsForAsManyBytesAsAsked) {
  Terminal terminal;
  terminal.set_local(kIcanon, false);
  terminal.type("ab");
  EXPECT_TRUE(terminal.discipline.readable(2));
  EXPECT_FALSE(terminal.discipline.readable(3));
  EXPECT_EQ(terminal.read(1), "a");
  EXPECT_EQ(terminal.read(), "b");
}

TEST(LineDiscipline, WhatWasTypedAheadSurvivesAChangeOfMode) {
  Terminal terminal;
  terminal.type("half");
  terminal.set_local(kIcanon, false);
  EXPECT_EQ(terminal.read(2), "ha");
  terminal.set_local(kIcanon, true);
  EXPECT_EQ(terminal.read(), "lf");
  terminal.type("x\n");
  EXPECT_EQ(terminal.read(), "x\n");
}

TEST(LineDiscipline, CarriageReturnAndNewlineAreMapped) {
  Terminal terminal;
  terminal.set_input(kInlcr);
  terminal.type("a\n");
  EXPECT_EQ(terminal.read(), "<none>");   // it became a carriage return
  terminal.set_input(kIgncr);
  terminal.type("\r\n");
  EXPECT_EQ(terminal.read(), "a\r\n");
}

TEST(LineDiscipline, StopHoldsOutputUntilStart) {
  Terminal terminal;
  terminal.type("\x13");
  const std::string text = "held\n";
  EXPECT_EQ(terminal.discipline.write({text.data(), text.size()}), 0u);
  EXPECT_EQ(terminal.screen(), "");
  terminal.type("\x11");
  EXPECT_EQ(terminal.discipline.write({text.data(), text.size()}), 5u);
  EXPECT_EQ(terminal.screen(), "held\r\n");
}

TEST(LineDiscipline, OutputProcessingExpandsTabsWhenAsked) {
  Termios settings;
  settings.output = kOpost | kOnlcr | kTab3;
  Terminal terminal(settings);
  const std::string text = "ab\tc\n";
  terminal.discipline.write({text.data(), text.size()});
  EXPECT_EQ(terminal.screen(), "ab      c\r\n");
}

TEST(LineDiscipline, ALineThatIsTooLongLosesCharactersButCanBeEnded) {
  Terminal terminal;
  for (int i = 0; i < 5000; ++i) terminal.type("x");
  EXPECT_EQ(terminal.discipline.input_room(), 1u);   // nobody could read, so more is taken and lost
  terminal.type("\n");
  std::string line = terminal.read(8192);
  EXPECT_EQ(line.size(), LineDiscipline::kInputSize);
  EXPECT_EQ(line.back(), '\n');
}

TEST(LineDiscipline, WritersLeaveRoomForEcho) {
  Terminal terminal;
  const std::string text(2 * LineDiscipline::kOutputSize, 'y');
  const size_t taken = terminal.discipline.write({text.data(), text.size()});
  EXPECT_LT(taken, LineDiscipline::kOutputSize);
  terminal.type("z");
  EXPECT_EQ(terminal.screen().back(), 'z');
}

// Whatever is typed and however it is read: complete lines come out as an editor model says.
TEST(LineDiscipline, RandomEditingAgreesWithAModel) {
  std::mt19937 random(1);
  Terminal terminal;
  std::string line, expected, actual;
  for (int step = 0; step < 200'000; ++step) {
    switch (random() % 8) {
      case 0:
        terminal.type("\x7f");
        if (!line.empty()) line.pop_back();
        break;
      case 1:
        terminal.type("\x15");
        line.clear();
        break;
      case 2:
        terminal.type("\n");
        expected += line + '\n';
        line.clear();
        break;
      case 3: {
        const std::string read = terminal.read(1 + random() % 7);
        if (read != "<none>") actual += read;
        break;
      }
      default: {
        if (line.size() > 20 || terminal.discipline.input_room() < 2) break;
        const char c = static_cast<char>('a' + random() % 26);
        terminal.type({&c, 1});
        line += c;
      }
    }
    if (terminal.discipline.input_room() < 64)
      for (std::string read = terminal.read(); read != "<none>"; read = terminal.read()) actual += read;
    (void)terminal.screen();
  }
  for (std::string read = terminal.read(); read != "<none>"; read = terminal.read()) actual += read;
  EXPECT_EQ(actual, expected);
}

}  // namespace
}  // namespace tine::view
