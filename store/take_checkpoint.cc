#include "store/take_checkpoint.h"

#include "store/checkpoint.h"
#include "store/open.h"

namespace pawl {

Result<Seq> take_checkpoint(Journal& journal, CheckpointStore& checkpoints) {
  const Opened opened = PAWL_TRY(open_state(journal, checkpoints));
  if (opened.report.replayed > 0) PAWL_TRY(checkpoints.store(pack_checkpoint(opened.state, opened.chain)));
  return opened.state.last_seq;
}

}  // namespace pawl
