// Applies a log again and compares everything that it says.
#include <filesystem>

#include "schema/json_text.h"
#include "store/chain.h"
#include "tools/command.h"
#include "tools/log_source.h"
#include "tools/output.h"
#include "tools/replayer.h"

namespace pawl {
namespace {

std::string hex(std::uint64_t digest) {
  std::string out;
  append_json_hex(out, digest);
  return out.substr(1, out.size() - 2);
}

/// What a replay came to.
struct Summary {
  Seq first{};  // 1, or the first after the checkpoint
  std::optional<Difference> difference;
  std::uint64_t records = 0;
  std::uint64_t refused = 0;
  std::uint64_t unchecked = 0;
  std::uint64_t digest = 0;
  Chain chain{};
  std::optional<Seq> torn_at;
};

class Run {
 public:
  Run() { begin({}, {}); }

  void begin(State state, const Chain& chain) {
    summary_.first = next(state.last_seq);
    replayer_.emplace(std::move(state), chain, [this](std::span<const Replayer::Item> items, auto) { count(items); });
  }

  Result<bool> add(std::vector<std::uint8_t> bytes, std::string line = {}) {
    PAWL_TRY(replayer_->add(std::move(bytes), std::move(line)));
    return !replayer_->difference();
  }

  void differ(Difference difference) { summary_.difference = std::move(difference); }
  bool differs() const { return summary_.difference || replayer_->difference(); }

  Result<Summary> finish() {
    if (!differs()) PAWL_TRY(replayer_->finish());
    if (!summary_.difference) summary_.difference = replayer_->difference();
    summary_.records = replayer_->records();
    summary_.digest = replayer_->state().digest();
    summary_.chain = replayer_->chain();
    return summary_;
  }

 private:
  void count(std::span<const Replayer::Item> items) {
    for (const Replayer::Item& item : items) {
      if (item.applied.outcome != Outcome::accepted) ++summary_.refused;
      if (item.applied.unchecked) ++summary_.unchecked;
    }
  }

  std::optional<Replayer> replayer_;
  Summary summary_;
};

Result<Summary> replay_folder(const std::string& dir) {
  const std::unique_ptr<Log> log = PAWL_TRY(open_log(dir));
  Run run;
  Result<bool> taken = true;
  const Result<void> read = log->read(Seq{1}, [&](RecordBytes bytes) {
    taken = run.add({bytes.begin(), bytes.end()});
    return taken.has_value() && *taken;
  });
  PAWL_TRY(taken);
  PAWL_TRY(read);
  Summary summary = PAWL_TRY(run.finish());
  summary.torn_at = log->torn_at();
  return summary;
}

Result<Summary> replay_lines(const std::string& path) {
  Run run;
  LineReader reader;
  reader.checkpoint = [&](ExportedCheckpoint checkpoint) -> Result<void> {
    const Seq seq = checkpoint.restored.state.last_seq;
    const std::string digest = hex(checkpoint.restored.state.digest());
    const std::string chain = pawl::hex(checkpoint.restored.chain);
    if (checkpoint.digest != digest) {
      run.differ({seq, "digest of the checkpoint", checkpoint.digest, digest});
    } else if (checkpoint.chain != chain) {
      run.differ({seq, "chain of the checkpoint", checkpoint.chain, chain});
    } else {
      run.begin(std::move(checkpoint.restored.state), checkpoint.restored.chain);
    }
    return {};
  };
  reader.record = [&](std::vector<std::uint8_t> bytes, std::string line) -> Result<bool> {
    if (run.differs()) return false;
    return run.add(std::move(bytes), std::move(line));
  };
  PAWL_TRY(read_lines(path, reader));
  return run.finish();
}

std::string in_words(const Summary& summary) {
  if (summary.difference) {
    const Difference& difference = *summary.difference;
    return "record " + std::to_string(raw(difference.seq)) + " differs in its " + difference.what +
           "\n  the log has  " + printable(difference.recorded) + "\n  replay gives " +
           printable(difference.recomputed) + '\n';
  }
  std::string out = std::to_string(summary.records) + " records";
  if (summary.first > Seq{1}) out += ", from the checkpoint before " + std::to_string(raw(summary.first));
  out += ", of which " + std::to_string(summary.refused) + " refused";
  if (summary.unchecked > 0) out += " and " + std::to_string(summary.unchecked) + " unchecked";
  out += ": all as the rules say\nlast record  " + std::to_string(raw(summary.first) + summary.records - 1) +
         "\nlast digest  " + hex(summary.digest) + "\nlast chain   " + pawl::hex(summary.chain) + '\n';
  if (summary.torn_at) {
    out += "records from " + std::to_string(raw(*summary.torn_at)) +
           " on are torn: never acknowledged, or on their way just now\n";
  }
  return out;
}

std::string in_json(const Summary& summary) {
  std::string out = "{\"diverged\":";
  append_json_bool(out, summary.difference.has_value());
  out += ",\"records\":" + std::to_string(summary.records) + ",\"refused\":" + std::to_string(summary.refused) +
         ",\"unchecked\":" + std::to_string(summary.unchecked) +
         ",\"seq\":" + std::to_string(raw(summary.first) + summary.records - 1) + ",\"digest\":\"" +
         hex(summary.digest) + "\",\"chain\":\"" + pawl::hex(summary.chain) + "\",\"difference\":";
  if (summary.difference) {
    out += "{\"seq\":" + std::to_string(raw(summary.difference->seq)) + ",\"what\":";
    append_json_text(out, summary.difference->what);
    out += ",\"recorded\":";
    append_json_text(out, summary.difference->recorded);
    out += ",\"recomputed\":";
    append_json_text(out, summary.difference->recomputed);
    out += '}';
  } else {
    out += "null";
  }
  return out + "}\n";
}

Exit run_replay(const Arguments& arguments) {
  const std::string& path = arguments.positional()[0];
  std::error_code failed;
  const bool is_folder = path != "-" && std::filesystem::is_directory(path, failed);
  const auto summary = is_folder ? replay_folder(path) : replay_lines(path);
  if (!summary) return fail(summary.error());
  print(arguments.has("json") ? in_json(*summary) : in_words(*summary));
  return summary->difference ? Exit::refused : Exit::done;
}

}  // namespace

const Command replay_command = {
    .name = "replay",
    .arguments = "LOG",
    .summary = "Applies a log again, and compares every outcome, digest and chain",
    .details =
        "LOG is a data folder, a file of exported lines, or '-' for such lines on standard input; of lines the\n"
        "form is compared too, byte by byte. The first difference is shown with both sides, exit 1; what cannot\n"
        "be read is named by its file and line or seq, exit 2.\n",
    .options = {{"json", "", "print the summary as JSON"}},
    .positional_min = 1,
    .positional_max = 1,
    .run = run_replay};

}  // namespace pawl
