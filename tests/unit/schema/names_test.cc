// Which names are allowed; for branches, checked against git itself.
#include "schema/names.h"

#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>

#include <array>
#include <random>
#include <string>
#include <vector>

#include "schema/printable.h"

namespace pawl {
namespace {

/// `git check-ref-format refs/heads/NAME`. Requires: no zero byte.
bool git_takes(const std::string& name) {
  std::string ref = "refs/heads/" + name;
  std::array<char*, 4> words = {const_cast<char*>("git"), const_cast<char*>("check-ref-format"), ref.data(), nullptr};
  pid_t git = 0;
  EXPECT_EQ(::posix_spawnp(&git, "git", nullptr, nullptr, words.data(), environ), 0);
  int status = 0;
  EXPECT_EQ(::waitpid(git, &status, 0), git);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) <= 1) << status;
  return WEXITSTATUS(status) == 0;
}

/// Where pawl is stricter than git's ref format: names that `git branch` refuses, that make `git clone` fail, or that
/// people cannot see.
bool is_for_pawl_to_refuse(const std::string& name) {
  return name.starts_with('-') || name == "@" || name == "HEAD" || name.starts_with("HEAD/") || unseen_in(name);
}

std::vector<std::string> tricky_names() {
  std::vector<std::string> names = {
      "a",        "a/b",         "a.b",   "a.b.c/d-e_f",  "a@b",        "@a",       "a@",       "@/a",    "a/@",
      "{a}",      "a{",          "a@{-1", "@{-1}",        "@{u}",       "a:b",      ":a",       "a:",     "*",
      "a*",       "a?b",         "a[b",   "a]b",          "a\\b",       "a b",      " a",       "a ",     "a~1",
      "a^",       "..",          ".",     "a..b",         "a...b",      "a./b",     "a/.b",     ".a",     "a.",
      "a.lock",   "a.lock/b",    ".lock", "a.lockb",      "a.LOCK",     "lock",     "a/b.lock", "/a",     "a/",
      "a//b",     "/",           "//",    "-a",           "a/-b",       "a-",       "HEAD",     "HEAD/a", "a/HEAD",
      "@",        "@@",          "a\x7F", "a\x01",        "a\tb",       "a\nb",     "grün",     "日本",   "\U0001F6D2",
      "a\u202Eb", "a\u00A0b",    "a\xFF", "refs/heads/a", "$(touch x)", "$(touch)", "`a`",      "a;b",    "a|b",
      "a&b",      "a'b",         "a\"b",  "a#b",          "!a",         "%2e%2e",   "a,b",      "a=b",    "a+b",
      "<a>",      "a.lock.lock", "a@{b}", "a@/{b",        "a.lo.ck",    "a..",      "..a",      "a/../b", "a/./b"};
  // Words built from pieces that git has rules about, with the same random sequence everywhere.
  const std::vector<std::string> parts = {"a", "b", ".", "..", "/", "@",  "{", "@{",   ".lock", "-", " ",   "~",
                                          "^", ":", "?", "*",  "[", "\\", "ü", "HEAD", "\x7F",  "}", "lock"};
  std::mt19937 dice(20260615);
  while (names.size() < 300) {
    std::string name;
    for (auto length = 1 + dice() % 5; length > 0; --length) name += parts[dice() % parts.size()];
    names.push_back(name);
  }
  return names;
}

TEST(Names, of_branches_are_those_that_git_takes) {
  int taken = 0;
  for (const std::string& name : tricky_names()) {
    const bool is_taken = check_branch_name(name).has_value();
    EXPECT_EQ(is_taken, git_takes(name) && !is_for_pawl_to_refuse(name)) << name;
    taken += is_taken ? 1 : 0;
  }
  EXPECT_GT(taken, 60);
  EXPECT_LT(taken, 240);
}

std::string said_of_branch(std::string_view name) {
  const auto checked = check_branch_name(name);
  return checked ? "" : checked.error().message.substr(0, checked.error().message.find(';'));
}

TEST(Names, of_branches_are_refused_with_what_is_wrong) {
  EXPECT_EQ(said_of_branch(""), "be empty");
  EXPECT_EQ(said_of_branch("a:b"), "contain ':'");
  EXPECT_EQ(said_of_branch("a b"), "contain a blank");
  EXPECT_EQ(said_of_branch("@{-1}"), "contain '@{'");
  EXPECT_EQ(said_of_branch("*"), "contain '*'");
  EXPECT_EQ(said_of_branch("HEAD"), "be 'HEAD'");
  EXPECT_EQ(said_of_branch("a..b"), "contain '..'");
  EXPECT_EQ(said_of_branch("a//b"), "begin or end with '/', or contain '//'");
  EXPECT_EQ(said_of_branch("a/.b"), "have a part that begins with '.'");
  EXPECT_EQ(said_of_branch("a.lock/b"), "have a part that ends with '.lock'");
  EXPECT_EQ(said_of_branch("a."), "end with '.'");
  EXPECT_EQ(said_of_branch("-x"), "begin with '-'");
  EXPECT_TRUE(said_of_branch("a\u202Eb").starts_with("contain \\u{202e}: "));
  EXPECT_TRUE(check_branch_name("a:b").error().message.ends_with("end with '.lock'"))
      << "the message also says what is allowed";
}

TEST(Names, are_seen_as_a_whole) {
  for (const char* name : {"W-1", "grün", "日本", "a b", "--help", "$(x)", "../etc"}) EXPECT_TRUE(check_seen(name));
  for (const char* name : {"a\nb", "a\x1b", "a\u009B", "shop\u200B", "\u202Epohs", "a\uFE0F", "a\xFF"}) {
    ASSERT_FALSE(check_seen(name));
    EXPECT_TRUE(check_seen(name).error().message.starts_with("contain " + *unseen_in(name) + ": "));
  }
}

}  // namespace
}  // namespace pawl
