#include "tools/commands/command.h"

#include <gtest/gtest.h>

#include "tests/unit/tools/sample_log.h"

namespace pawl {
namespace {

const Command sample_command = {.name = "sample",
                                .arguments = "THING [OTHER]",
                                .summary = "Does a thing",
                                .details = "",
                                .options = {{"size", "N", "how large", 's', "SAMPLE_SIZE"},
                                            {"dry", "", "only say it", 'd'},
                                            {"very", "", "say more", 'v'},
                                            {"between", "A B", "two moments"},
                                            {"change", "KEY=VALUE …", "any number"}},
                                .positional_min = 1,
                                .positional_max = 2,
                                .run = [](const Arguments&) { return Exit::done; }};

Result<Arguments> read(std::vector<std::string_view> words) {
  return read_arguments(sample_command, words);
}

std::string complaint(std::vector<std::string_view> words) {
  const auto arguments = read(std::move(words));
  return arguments ? "accepted" : arguments.error().message;
}

TEST(Command, options_and_arguments_may_be_mixed) {
  const auto arguments = read({"--size", "3", "thing", "--dry", "-"});
  ASSERT_TRUE(arguments) << arguments.error().message;
  EXPECT_EQ(arguments->value("size"), "3");
  EXPECT_TRUE(arguments->has("dry"));
  EXPECT_EQ(arguments->positional(), (std::vector<std::string>{"thing", "-"}));
  EXPECT_EQ(read({"--size=-1", "thing"})->value("size"), "-1");
}

TEST(Command, an_option_may_have_a_letter) {
  EXPECT_EQ(read({"thing", "-s", "3"})->value("size"), "3");
  EXPECT_EQ(read({"thing", "-s=3"})->value("size"), "3");
  EXPECT_EQ(read({"thing", "-s3"})->value("size"), "3");
  EXPECT_EQ(read({"thing", "-s", "-3"})->value("size"), "-3");
  EXPECT_TRUE(read({"thing", "-dv"})->has("very"));
  EXPECT_EQ(complaint({"thing", "-s", "3", "--size", "4"}), "'--size' is given twice");
  EXPECT_EQ(complaint({"thing", "-s"}), "'--size' needs a value: N");
  EXPECT_EQ(complaint({"thing", "-size", "3"}), "unknown option '-size'; did you mean '--size'?");
  EXPECT_NE(usage_of(sample_command).find("  -s, --size N            how large (SAMPLE_SIZE)\n"), std::string::npos)
      << usage_of(sample_command);
}

TEST(Command, what_does_not_fit_is_named) {
  EXPECT_EQ(complaint({}), "too few arguments; expected: THING [OTHER]");
  EXPECT_EQ(complaint({"a", "b", "c"}), "too many arguments: 'c'");
  EXPECT_EQ(complaint({"a", "--colour=red"}), "unknown option '--colour'");
  EXPECT_EQ(complaint({"a", "--siz", "3"}), "unknown option '--siz'; did you mean '--size'?");  // not used instead
  EXPECT_EQ(complaint({"a", "-x"}), "unknown option '-x'");
  EXPECT_EQ(complaint({"a", "-dry"}), "unknown option '-dry'; did you mean '--dry'?");
  EXPECT_EQ(complaint({"a", "--size="}), "'--size' needs a value: N");
  EXPECT_EQ(complaint({"a", "--size", "--dry"}), "'--size' needs a value: N");
  EXPECT_EQ(read({"a", "--size=--dry"})->value("size"), "--dry");
  EXPECT_EQ(complaint({"a", "--size"}), "'--size' needs a value: N");
  EXPECT_EQ(complaint({"a", "--dry=yes"}), "'--dry' takes no value");
  EXPECT_EQ(complaint({"a", "--dry", "--dry"}), "'--dry' is given twice");
  EXPECT_EQ(complaint({"a", "--", "b"}), "this command takes nothing after '--'");
}

TEST(Command, an_option_takes_as_many_words_as_its_usage_shows) {
  const auto two = read({"--between", "1", "2", "thing"});
  ASSERT_TRUE(two) << two.error().message;
  EXPECT_EQ(two->values("between"), (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(two->positional(), std::vector<std::string>{"thing"});
  EXPECT_EQ(complaint({"thing", "--between", "1"}), "'--between' needs a value: A B");
  EXPECT_EQ(complaint({"thing", "--between", "1", "--dry"}), "'--between' needs a value: A B");
  const auto list = read({"thing", "--change", "a=1", "b=2", "--dry", "--change", "c=3"});
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_EQ(list->values("change"), (std::vector<std::string>{"a=1", "b=2", "c=3"}));
  EXPECT_EQ(read({"thing", ""})->positional(), (std::vector<std::string>{"thing", ""}));
}

TEST(Command, a_number_is_all_of_its_text) {
  EXPECT_EQ(*read({"a", "--size", "18446744073709551615"})->number("size").value(), ~std::uint64_t{0});
  EXPECT_FALSE(read({"a"})->number("size").value());
  for (const std::string_view bad : {"", "x", "-1", "1 ", "18446744073709551616"}) {
    EXPECT_FALSE(read({"a", "--size", bad})->number("size")) << bad;
  }
}

TEST(Command, without_a_command_the_overview_is_an_error) {
  const Ran ran = run_pawl({});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(ran.err, run_pawl({"--help"}).out);
}

TEST(Command, every_command_of_the_overview_explains_itself) {
  bool is_list = false;
  int commands = 0;
  for (const std::string& line : lines_of(run_pawl({"--help"}).out)) {
    is_list = line.starts_with("  ");
    if (!is_list) continue;
    const std::string name = line.substr(2, line.find(' ', 2) - 2);
    const Ran ran = run_pawl({name, "--help"});
    EXPECT_EQ(ran.exit, 0) << name;
    EXPECT_TRUE(ran.out.starts_with("usage: pawl " + name)) << ran.out;
    EXPECT_EQ(ran.out, run_pawl({"help", name}).out);
    ++commands;
  }
  EXPECT_GE(commands, 24);
}

TEST(Command, an_unknown_command_or_option_is_named) {
  EXPECT_EQ(run_pawl({"frobnicate"}).err, "pawl: unknown command 'frobnicate'; 'pawl --help' lists them\n");
  EXPECT_EQ(run_pawl({"submitt", "W-1"}).err,
            "pawl: unknown command 'submitt'; did you mean 'submit'? 'pawl --help' lists them\n");
  EXPECT_EQ(run_pawl({"task", "--histry"}).err,
            "pawl: task: unknown option '--histry'; did you mean '--history'? 'pawl task --help' says more\n");
  EXPECT_EQ(run_pawl({"--histry", "task"}).err,
            "pawl: unknown option '--histry'; did you mean '--history'? 'pawl --help' lists them\n");
  EXPECT_EQ(run_pawl({"--dta", "d", "task"}).err,
            "pawl: unknown option '--dta'; did you mean '--data'? 'pawl --help' lists them\n");
  EXPECT_EQ(run_pawl({"--history", "task"}).err,
            "pawl: this option goes after the command: pawl COMMAND --history …; 'pawl --help' lists the commands\n");
  EXPECT_EQ(run_pawl({"--quux"}).err, "pawl: unknown option '--quux'; 'pawl --help' lists them\n");
  const Ran ran = run_pawl({"replay", "x", "--fast"});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_EQ(ran.err, "pawl: replay: unknown option '--fast'; 'pawl replay --help' says more\n");
}

TEST(Command, what_says_where_the_daemon_is_may_stand_before_the_command) {
  const std::string none = "pawl: no daemon answers at ";
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"--data", "/nowhere", "settings"},
                                             {"--data=/nowhere", "--json", "settings"},
                                             {"settings", "--data=/nowhere"}}) {
    EXPECT_TRUE(run_pawl(words).err.starts_with(none + "/nowhere/pawl.sock"));
  }
  EXPECT_EQ(run_pawl({"--data", "/nowhere"}).exit, 2);
  EXPECT_EQ(run_pawl({"--data", "/nowhere", "settings", "--data", "/elsewhere"}).err,
            "pawl: settings: '--data' is given twice; 'pawl settings --help' says more\n");
  EXPECT_EQ(run_pawl({"--url", "127.0.0.1:9", "simulate", "x"}).err,
            "pawl: simulate: unknown option '--url'; 'pawl simulate --help' says more\n");
}

TEST(Command, version_is_said) {
  const Ran ran = run_pawl({"--version"});
  EXPECT_EQ(ran.exit, 0);
  EXPECT_EQ(ran.out, "pawl " PAWL_VERSION "\n");
}

TEST(Command, output_that_cannot_be_written_is_a_failure) {
  // NOLINTNEXTLINE(cert-env33-c): a shell, for its redirection
  EXPECT_NE(std::system(("'" + program("pawl") + "' --version > /dev/full 2> /dev/null").c_str()), 0);
}

TEST(Command, a_daemon_that_is_named_outweighs_the_environment_and_there_the_address_comes_first) {
  const std::vector<std::string> all = {"PAWL_URL=127.0.0.1:9", "PAWL_SOCKET=/nowhere/socket",
                                        "PAWL_DATA=/nowhere/data"};
  const auto asked = [](const std::vector<std::string>& words, const std::vector<std::string>& environment) {
    const Ran ran = run_pawl(words, "", environment);
    EXPECT_EQ(ran.exit, 1);
    return ran.err.substr(0, ran.err.find(" ("));
  };
  const std::string none = "pawl: no daemon answers at ";
  EXPECT_EQ(asked({"settings", "--data", "/nowhere"}, all), none + "/nowhere/pawl.sock");
  EXPECT_EQ(asked({"settings", "--socket", "/nowhere/s"}, all), none + "/nowhere/s");
  EXPECT_EQ(asked({"settings", "--url", "127.0.0.1:19"}, all), none + "127.0.0.1:19");
  EXPECT_EQ(asked({"settings"}, all), none + "127.0.0.1:9");
  EXPECT_EQ(asked({"settings"}, {all[1], all[2]}), none + "/nowhere/socket");
  EXPECT_EQ(asked({"settings"}, {all[2]}), none + "/nowhere/data/pawl.sock");
}

}  // namespace
}  // namespace pawl
