#include "daemon/outside/alert_delivery.h"

#include <curl/curl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <string_view>
#include <utility>

#include "daemon/outside/alert_template.h"
#include "daemon/work/output_log.h"
#include "daemon/work/process_run.h"
#include "daemon/work/real_system.h"
#include "daemon/work/stored_output.h"
#include "schema/limits.h"

namespace pawl {
namespace {

using How = AlertDelivery::How;

constexpr std::size_t answer_bytes_kept = 200;
constexpr off_t command_log_bytes_max = 1024 * 1024;

// ---- command ----------------------------------------------------------------------------------------------------

std::string variable_of(const AlertFact& fact) {
  std::string variable = "PAWL_ALERT_";
  for (const char byte : fact.name) variable += byte == '_' ? '_' : static_cast<char>(byte - 'a' + 'A');
  return variable + "=" + fact.value;
}

std::string said_by(const CommandExit& exit) {
  switch (exit.how) {
    case CommandExit::How::exited:
      return "exit code " + std::to_string(exit.code);
    case CommandExit::How::signalled:
      return "ended by signal " + std::to_string(exit.code);
    case CommandExit::How::timed_out:
      return "ended: exceeded its time limit of " + std::to_string(limits::alert_command_timeout_s) + " s";
    case CommandExit::How::lost:
      return "called off";
  }
  return {};
}

AlertDelivery run_command(System& system, const std::vector<std::string>& command, const std::string& data_folder,
                          const Alert& alert, const CancelToken& cancel_token) {
  const std::string log_path = data_folder + "/logs/alert-command.log";
  const std::string log_name = std::filesystem::absolute(log_path).lexically_normal().string();
  const Result<std::shared_ptr<OutputLog>> log = open_log(log_path);
  if (!log) return {.how = How::later, .why = log.error().message};
  const auto stored = StoredOutput::look_at(log_path);
  // A command that printed too much has left parts. Later output in the head file would wrongly precede them.
  const bool is_long = stored && (stored->produced() > command_log_bytes_max || stored->kept() < stored->produced());
  if (is_long && !empty_log(**log)) {
    return {.how = How::later, .why = log_name + ": cannot be truncated"};
  }

  std::error_code ignored;
  RunRequest request;
  request.command = command;
  request.folder = data_folder;
  request.environment = system.clean_environment();
  for (const AlertFact& fact : facts_of(alert)) request.environment.push_back(variable_of(fact));
  // So that the command can run what PAWL_ALERT_INCIDENT says.
  request.environment.push_back("PAWL_DATA=" + std::filesystem::canonical(data_folder, ignored).string());
  request.output_bytes_max = 2 * command_log_bytes_max;  // parts begin beyond the length that counts as too long
  request.purpose = "alert of " + record_of(alert);
  Result<PreparedProcess> run = PreparedProcess::prepare(system, request, *log);
  if (!run) return {.how = How::later, .why = run.error().message};
  const CommandExit exit =
      run->start_and_wait({limits::alert_command_timeout_s, limits::alert_kill_after_s}, &cancel_token);
  if (run->exec_failure()) return {.how = How::later, .why = *run->exec_failure()};
  if (exit.how == CommandExit::How::exited && exit.code == 0) return {};
  return {.how = How::later, .why = said_by(exit) + ", see " + log_name};
}

Result<void> check_program(const std::string& program) {
  if (program.find('/') == std::string::npos) return {};  // looked up in PATH on each use
  if (program.front() != '/') {
    return Error{ErrorCode::malformed, "--alert-command " + program + ": must be a name in PATH or an absolute path"};
  }
  if (::access(program.c_str(), X_OK) != 0) {
    return Error{ErrorCode::missing, "--alert-command " + program + ": no such executable file"};
  }
  return {};
}

// ---- webhook ----------------------------------------------------------------------------------------------------

struct FreeHandle {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, FreeList>;

std::size_t keep_answer(char* bytes, std::size_t size, std::size_t count, void* into) {
  std::string& answer = *static_cast<std::string*>(into);
  const std::size_t room = answer_bytes_kept - std::min(answer_bytes_kept, answer.size());
  answer.append(bytes, std::min(room, size * count));
  return size * count;
}

int is_called_off(void* cancel_token, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const CancelToken*>(cancel_token)->called() ? 1 : 0;
}

/// Makes foreign text fit for one line of a log.
std::string in_one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char byte) { return (byte >= 0 && byte < ' ') || byte == 127; }, ' ');
  return text;
}

bool append(HeaderList& list, const std::string& header) {
  curl_slist* longer = curl_slist_append(list.get(), header.c_str());
  if (!longer) return false;
  [[maybe_unused]] curl_slist* same = list.release();
  list.reset(longer);
  return true;
}

bool is_content_type(const std::string& header) {
  return curl_strnequal(header.c_str(), "content-type:", sizeof("content-type:") - 1) != 0;
}

/// A webhook. Keeps its connection open for the next alert.
class Webhook {
 public:
  Webhook(std::string url, std::vector<std::string> headers, AlertTemplate body)
      : handle_(curl_easy_init()), url_(std::move(url)), headers_(std::move(headers)), body_(std::move(body)) {
    PAWL_ASSERT(handle_);
  }

  AlertDelivery post(const Alert& alert, const CancelToken& cancel_token) {
    const std::string body = body_.fill(facts_of(alert));
    HeaderList headers;
    bool complete = append(headers, "Expect:");
    if (raw(alert.seq) != 0) complete = complete && append(headers, "Pawl-Alert: " + std::to_string(raw(alert.seq)));
    if (std::none_of(headers_.begin(), headers_.end(), is_content_type)) {
      complete = complete && append(headers, "Content-Type: application/json");
    }
    for (const std::string& header : headers_) complete = complete && append(headers, header);
    if (!complete) return {.how = How::later, .why = "out of memory"};

    std::string answer;
    std::array<char, CURL_ERROR_SIZE> reason{};
    CURL* const handle = handle_.get();
    curl_easy_reset(handle);  // resets the options only: the connection stays open
    curl_easy_setopt(handle, CURLOPT_URL, url_.c_str());
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_USERAGENT, "pawl");
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, body.data());
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, static_cast<long>(limits::alert_connect_timeout_s));
    curl_easy_setopt(handle, CURLOPT_TIMEOUT, static_cast<long>(limits::alert_post_timeout_s));
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, keep_answer);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, &answer);
    curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, is_called_off);
    curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &cancel_token);
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, reason.data());
    const CURLcode code = curl_easy_perform(handle);
    if (code == CURLE_ABORTED_BY_CALLBACK) return {.how = How::later, .why = "called off"};
    if (code != CURLE_OK) {
      return {.how = How::later, .why = in_one_line(reason[0] ? reason.data() : curl_easy_strerror(code))};
    }
    return judged(in_one_line(answer));
  }

 private:
  AlertDelivery judged(const std::string& answer) const {
    long status = 0;
    curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && status < 300) return {};
    AlertDelivery delivery{.how = How::refused, .why = "HTTP " + std::to_string(status) + ": " + answer};
    const bool may_pass = status >= 500 || status == 408 || status == 425 || status == 429;
    if (!may_pass) return delivery;
    delivery.how = How::later;
    curl_off_t wait_s = 0;
    curl_easy_getinfo(handle_.get(), CURLINFO_RETRY_AFTER, &wait_s);
    delivery.not_before = std::chrono::seconds(std::clamp<std::int64_t>(wait_s, 0, limits::alert_backoff_s_max));
    return delivery;
  }

  std::unique_ptr<CURL, FreeHandle> handle_;
  std::string url_;
  std::vector<std::string> headers_;
  AlertTemplate body_;
};

/// The host is not a secret; the parts of the URL before and after it may be.
std::string host_of(const std::string& url) {
  CURLU* parsed = curl_url();
  PAWL_ASSERT(parsed);
  char* host = nullptr;
  std::string found = "?";
  if (curl_url_set(parsed, CURLUPART_URL, url.c_str(), 0) == CURLUE_OK &&
      curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
    found = host;
  }
  curl_free(host);
  curl_url_cleanup(parsed);
  return found;
}

}  // namespace

Result<std::vector<AlertDestination>> alert_destinations(const AlertOptions& options, const std::string& data_folder) {
  std::vector<AlertDestination> destinations;
  if (!options.command.empty()) {
    PAWL_TRY(check_program(options.command.front()));
    destinations.push_back(
        {"command", [system = std::make_shared<RealSystem>(RealSystem::Options{.data_folder = data_folder}),
                     command = options.command, data_folder](const Alert& alert, const CancelToken& cancel_token) {
           return run_command(*system, command, data_folder, alert, cancel_token);
         }});
  }
  const std::string url = PAWL_TRY(alert_url(options));
  std::vector<std::string> headers = PAWL_TRY(alert_headers(options));
  AlertTemplate body = AlertTemplate::of_all_facts();
  if (!options.body_file.empty()) body = PAWL_TRY(AlertTemplate::read(options.body_file));
  if (url.empty()) {
    if (options.body_file.empty() && headers.empty()) return destinations;
    return Error{ErrorCode::malformed, "--alert-body and --alert-header need --alert-url or --alert-url-file"};
  }
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return Error{ErrorCode::io, "libcurl cannot be started"};
  const auto webhook = std::make_shared<Webhook>(url, std::move(headers), std::move(body));
  destinations.push_back({"webhook at " + host_of(url), [webhook](const Alert& alert, const CancelToken& cancel_token) {
                            return webhook->post(alert, cancel_token);
                          }});
  return destinations;
}

}  // namespace pawl
