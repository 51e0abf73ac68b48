#include "daemon/api/record_lines.h"

#include <gtest/gtest.h>

#include "schema/json/record_json.h"
#include "schema/proposal.h"

namespace pawl {
namespace {

Proposal note_at(std::uint64_t seq) {
  fb::TaskNoteT event;
  event.task = 1;
  event.text = "note " + std::to_string(seq);
  Proposal made = propose({.boot = "boot", .actor = "somebody", .key = {}}, event);
  made.stamp().mutate_seq(seq);
  return made;
}

RecordBytes bytes_of(const Proposal& made) {
  return {made.data(), made.size()};
}

TEST(RecordLinesTest, a_record_is_formatted_once_and_as_readers_get_it) {
  RecordLines lines;
  EXPECT_EQ(lines.find(Seq{7}), nullptr);
  const Proposal made = note_at(7);
  const auto line = lines.add(bytes_of(made));
  EXPECT_EQ(lines.add(bytes_of(made)), line);
  EXPECT_EQ(lines.find(Seq{7}), line);
  std::string wanted;
  append_record_json(wanted, made.record(), "null", Audience::reader);
  EXPECT_EQ(line->json(), wanted);
  EXPECT_EQ(line->record().event_as_TaskNote()->text()->str(), "note 7");
}

TEST(RecordLinesTest, the_newest_are_kept_whoever_reads_old_ones) {
  RecordLines lines({.lines = 3, .bytes = 1'000'000});
  for (std::uint64_t seq = 11; seq <= 14; ++seq) lines.add(bytes_of(note_at(seq)));
  const auto old = lines.add(bytes_of(note_at(2)));
  EXPECT_EQ(old->record().stamp()->seq(), 2U) << "it is answered with all the same";
  for (const std::uint64_t seq : {2U, 11U}) EXPECT_EQ(lines.find(Seq{seq}), nullptr) << seq;
  for (const std::uint64_t seq : {12U, 13U, 14U}) EXPECT_NE(lines.find(Seq{seq}), nullptr) << seq;
}

TEST(RecordLinesTest, bytes_are_bounded_too) {
  const std::size_t one = RecordLine(bytes_of(note_at(10))).size();
  RecordLines lines({.lines = 100, .bytes = 2 * one});
  for (std::uint64_t seq = 10; seq <= 12; ++seq) lines.add(bytes_of(note_at(seq)));
  EXPECT_EQ(lines.find(Seq{10}), nullptr);
  EXPECT_NE(lines.find(Seq{11}), nullptr);
  EXPECT_NE(lines.find(Seq{12}), nullptr);
}

}  // namespace
}  // namespace pawl
