// A second writer on a sequencer's log, as may exist for a log that hosts share.
#pragma once

#include <gtest/gtest.h>

#include "store/commit/batch.h"
#include "store/open.h"

namespace pawl {

/// Appends a record behind the sequencer's back; the sequencer's next append is then superseded.
inline void write_as_another(Log& log, const std::string& boot) {
  Opened opened = open_state(log).value();
  const TimeUs time = opened.state.last_time;
  Decider other(std::move(opened.state), [time] { return time; });
  const Requester requester{.boot = boot, .actor = "another", .key = {}, .request = std::nullopt};
  fb::TaskNoteT note;
  note.task = 1;
  note.text = "by another";
  other.take(WriteRequest{.group = propose_group(requester, note), .done = [](const std::optional<Decision>&) {}});
  DecidedBatch batch = other.hand_over();
  ASSERT_TRUE(make_durable(batch, log, opened.chain, [](const std::vector<Decided>&) {}));
}

}  // namespace pawl
