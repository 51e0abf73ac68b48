#include "store/durable_seq.h"

#include <algorithm>

namespace pawl {

Result<void> DurableSeq::follow(Journal& journal, Seq from, const std::function<bool(RecordBytes)>& each,
                                const std::stop_token& stop) {
  Seq wanted = std::max(from, Seq{1});
  bool is_wanted = true;
  while (true) {
    {
      MutexLock lock(mutex_);
      if (!changed_.wait(lock.waiting(), stop, [&]() PAWL_REQUIRES(mutex_) { return last_ >= wanted; })) return {};
    }
    PAWL_TRY(journal.read(wanted, [&](RecordBytes record) {
      // `each` will refuse a record that cannot be viewed.
      const auto viewed = view_record(record);
      wanted = next(viewed ? Seq{(*viewed)->stamp()->seq()} : wanted);
      is_wanted = each(record);
      return is_wanted && !stop.stop_requested();
    }));
    if (!is_wanted || stop.stop_requested()) return {};
  }
}

}  // namespace pawl
