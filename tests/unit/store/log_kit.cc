#include "tests/unit/store/log_kit.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "store/chain.h"

namespace pawl {

TempDir::TempDir() {
  std::string pattern = (std::filesystem::temp_directory_path() / "pawl-test-XXXXXX").string();
  PAWL_ASSERT(::mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::string wal_of(const std::string& dir) {
  std::string found;
  for (const auto& entry : std::filesystem::directory_iterator(dir + "/log")) {
    if (entry.path().extension() != ".log") continue;
    EXPECT_TRUE(found.empty()) << "two write-ahead files";
    found = entry.path().string();
  }
  return found;
}

std::vector<std::pair<std::string, std::string>> files_in(const std::string& dir) {
  std::vector<std::pair<std::string, std::string>> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir)) {
    if (entry.is_regular_file()) files.emplace_back(entry.path().string(), content_of(entry.path().string()));
  }
  std::sort(files.begin(), files.end());
  return files;
}

Writer::Writer(Journal& journal, State state, Chain chain)
    : journal_(journal), state_(std::move(state)), chain_(chain), now_(state_.last_time) {
  if (const Boot* daemon = state_.boot_named(daemon_name)) boot_ = daemon->boot_id;
}

Decided& Writer::decide(Group group) {
  now_.us += 1000;
  pending_.push_back(pawl::decide(state_, std::move(group), now_));
  return pending_.back();
}

Result<void> Writer::append() {
  Batch batch;
  for (Decided& decided : pending_) {
    for (Proposal& record : decided.records) {
      chain_ = stamp_chain(chain_, record);
      batch.records.emplace_back(record.data(), record.size());
    }
    const Seq last{decided.records.back().record().stamp()->seq()};
    for (const ArchivedTask& archived : decided.archived) batch.archived.push_back(pack_archived(archived, last));
  }
  const Seq first{fb::GetRecord(batch.records.front().data())->stamp()->seq()};
  Result<void> appended = journal_.append(batch, first);
  pending_.clear();
  return appended;
}

void Writer::restore(std::uint64_t seqs) {
  fb::LogRestoredT event;
  event.from = raw(state_.last_seq);
  event.next_seq = raw(state_.last_seq) + 1 + seqs;
  event.next_task = raw(state_.ids.find(0)->next_task) + 10;
  event.next_job = raw(state_.ids.find(0)->next_job) + 10;
  write(propose_group({.boot = {}, .actor = "restore", .key = {}, .request = {}}, event));
}

void Writer::write(Group group) {
  decide(std::move(group));
  const Result<void> appended = append();
  ASSERT_TRUE(appended.has_value()) << appended.error().message;
}

void Writer::start(const std::string& boot_id) {
  boot_ = boot_id;
  fb::BootStartedT started;
  started.name = std::string(daemon_name);
  started.boot_id = boot_id;
  started.pid = 1;
  started.host = "host";
  started.version = "test";
  decide(propose_group(requester(), started));
}

void Writer::boot(const std::string& boot_id) {
  start(boot_id);
  write(propose_group(requester(), pipeline_event(default_pipeline())));
}

void Writer::create_task(const std::string& work_item) {
  const Seq before = state_.last_seq;
  write(propose_group(requester("webhook"), task_created(work_item)));
  ASSERT_EQ(state_.last_seq, next(before));
}

void Writer::cancel_task(TaskId task) {
  fb::CancelRequestedT request;
  request.task = raw(task);
  request.reason = "test";
  write(propose_group(requester(), request));
}

Requester Writer::requester(const std::string& actor) const {
  return {.boot = boot_, .actor = actor, .key = {}, .request = {}};
}

fb::TaskCreatedT task_created(const std::string& work_item) {
  fb::TaskCreatedT event;
  event.work_item = work_item;
  event.repo = "shop";
  return event;
}

fb::SettingChangedT max_attempts(std::int64_t number) {
  fb::SettingChangedT event;
  event.key = "job.max_attempts";
  event.value = std::make_unique<fb::SettingValueT>();
  event.value->number = number;
  return event;
}

fb::TaskNoteT task_note(TaskId task, const std::string& text) {
  fb::TaskNoteT event;
  event.task = raw(task);
  event.text = text;
  return event;
}

std::vector<std::vector<std::uint8_t>> records_in(Journal& journal, Seq from) {
  std::vector<std::vector<std::uint8_t>> records;
  const Result<void> read = journal.read(from, [&](RecordBytes bytes) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(bytes.data()) % 8, 0U) << "FlatBuffers must be aligned";
    records.emplace_back(bytes.begin(), bytes.end());
    return true;
  });
  EXPECT_TRUE(read.has_value()) << read.error().message;
  return records;
}

Seq seq_of(const std::vector<std::uint8_t>& record) {
  return Seq{fb::GetRecord(record.data())->stamp()->seq()};
}

}  // namespace pawl
