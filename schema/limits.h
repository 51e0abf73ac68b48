// Every limit of pawl in one place, so that none is forgotten and limits that depend on each other can be compared.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pawl::limits {

// Texts, in bytes. Checked at the edges (HTTP, YAML, scripts); apply() does not check them again.
constexpr std::size_t name_bytes_max = 64;  // stages, agents, steps, boots, pipelines; work items have their own
constexpr std::size_t work_item_bytes_max = 200;
constexpr std::size_t repo_bytes_max = 200;
constexpr std::size_t branch_bytes_max = 250;
constexpr std::size_t lease_key_bytes_max = 256;
constexpr std::size_t actor_bytes_max = 32;
constexpr std::size_t boot_id_bytes_max = 64;
constexpr std::size_t host_bytes_max = 256;
constexpr std::size_t reason_bytes_max = 1024;
constexpr std::size_t note_bytes_max = 4096;
constexpr std::size_t idempotency_key_bytes_max = 64;
static_assert(lease_key_bytes_max >= repo_bytes_max + sizeof("repo:"));

constexpr std::int64_t priority_max = 100;  // and at least its negative

// Pipelines.
constexpr std::size_t stages_max = 32;
constexpr std::size_t agents_max = 64;
constexpr std::size_t steps_per_edge_max = 16;
constexpr std::size_t command_words_max = 256;
constexpr std::size_t command_bytes_max = 64 * 1024;
constexpr std::size_t variables_max = 64;  // in one `env`
constexpr std::size_t variable_bytes_max = 4096;
constexpr std::size_t url_bytes_max = 4096;
constexpr std::size_t repos_max = 4096;
constexpr std::size_t holds_max = 4096;
constexpr std::size_t freeze_windows_max = 1000;  // of one pipeline
constexpr std::size_t calendar_spans_max = 32;    // in one list of a calendar
constexpr std::size_t calendar_reason_bytes_max = 200;
constexpr std::size_t earlier_starts_max = 64;  // earlier starts of a step that are remembered
constexpr std::size_t depends_on_max = 64;
constexpr std::int64_t timeout_s_max = 7 * 24 * 3600;
constexpr std::size_t approvers_max = 64;  // named by one gate, and needed by it
constexpr std::int64_t approval_timeout_s_max = 366 * 24 * 3600;

// The log.
constexpr std::size_t group_records_max = 65'536;
constexpr std::size_t record_bytes_max = 2 * 1024 * 1024;
constexpr std::size_t batch_records_max = 4096;
constexpr std::size_t batch_bytes_max = 16 * 1024 * 1024;
constexpr std::size_t keyed_records_max = 65'536;

constexpr std::size_t boots_max = 4096;  // in memory; beyond this the oldest stale boots are forgotten

// HTTP.
constexpr std::size_t body_bytes_max = 1024 * 1024;
constexpr std::size_t requests_per_batch_max = 256;
constexpr std::size_t delivery_bytes_max = 4 * 1024 * 1024;    // of a webhook: the default
constexpr std::size_t delivery_bytes_most = 16 * 1024 * 1024;  // the highest value pawld accepts
constexpr std::size_t delivery_depth_max = 64;
constexpr std::size_t header_bytes_max = 16 * 1024;
constexpr std::size_t connections_max = 1024;
constexpr std::size_t client_bytes_max = 256 * 1024 * 1024;  // buffered for all clients together, in and out
constexpr std::size_t descriptors_wanted = 4096;             // for connections, the log and processes
static_assert(descriptors_wanted >= 2 * connections_max);
constexpr std::int64_t request_timeout_s = 30;  // from the first byte of a request to its last
constexpr std::int64_t idle_timeout_s = 120;
constexpr std::int64_t wait_s_max = 60;  // of a long poll
constexpr std::size_t rows_per_read_max = 256;
constexpr std::size_t token_bytes_max = 256;
constexpr std::size_t tokens_max = 1000;
constexpr std::size_t names_per_limit_max = 100;  // in a token: repositories, agents or key prefixes
constexpr std::size_t tokens_file_bytes_max = 256 * 1024;
static_assert(record_bytes_max > body_bytes_max);
static_assert(client_bytes_max > delivery_bytes_most);
static_assert(batch_bytes_max > record_bytes_max);

// What commands print.
constexpr std::int64_t output_bytes_max = 64 * 1024 * 1024;  // of one run, unless told otherwise
constexpr std::int64_t output_bytes_bound_min = 64 * 1024;   // the least that it may be bounded to
constexpr std::int64_t output_bytes_bound_max = std::int64_t{1} << 50;
constexpr std::int64_t logs_bytes_max = std::int64_t{10} * 1024 * 1024 * 1024;  // of all runs together
constexpr std::int64_t logs_age_s_max = 90 * 24 * 3600;
// Below these the log accepts only records that end something; below the reserve it accepts nothing.
constexpr std::uint64_t log_free_bytes_min = 64 * 1024 * 1024;
constexpr std::uint64_t log_free_inodes_min = 256;
constexpr std::uint64_t log_reserve_bytes_min = 16 * 1024 * 1024;
constexpr std::uint64_t log_reserve_inodes_min = 64;
constexpr std::uint64_t output_free_bytes_min = 128 * 1024 * 1024;
constexpr std::uint64_t output_free_inodes_min = 512;
// Output stops being written before the log does.
static_assert(output_free_bytes_min > log_free_bytes_min && output_free_inodes_min > log_free_inodes_min);
static_assert(log_free_bytes_min > log_reserve_bytes_min && log_free_inodes_min > log_reserve_inodes_min);

// Alerts.
constexpr std::size_t alert_body_bytes_max = 64 * 1024;
constexpr std::size_t alerts_queued_max = 1000;  // for each destination
constexpr unsigned alert_tries_max = 12;         // about 20 minutes
constexpr std::int64_t alert_backoff_s_max = 300;
constexpr std::int64_t alert_connect_timeout_s = 5;
constexpr std::int64_t alert_post_timeout_s = 15;
constexpr std::int64_t alert_mail_timeout_s = 30;
constexpr std::int64_t alert_command_timeout_s = 30;
constexpr std::int64_t alert_kill_after_s = 2;
constexpr std::int64_t alert_stop_within_s = 3;  // time allowed at shutdown to deliver queued alerts

}  // namespace pawl::limits
