#include "daemon/outside/alert_delivery.h"

#include <unistd.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include "daemon/outside/alert_mail.h"
#include "daemon/outside/alert_template.h"
#include "daemon/outside/alert_webhook.h"
#include "daemon/outside/curl_parts.h"
#include "daemon/outside/web_call.h"
#include "daemon/work/output_log.h"
#include "daemon/work/process_run.h"
#include "daemon/work/real_system.h"
#include "daemon/work/stored_output.h"
#include "schema/limits.h"

namespace pawl {
namespace {

using How = AlertDelivery::How;

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

// ---- webhook and mail -------------------------------------------------------------------------------------------

Result<std::optional<AlertDestination>> webhook_destination(const AlertOptions& options) {
  const std::string url = PAWL_TRY(alert_url(options));
  AlertHeaders headers = PAWL_TRY(alert_headers(options));
  const std::string method = PAWL_TRY(alert_method(options));
  AlertTemplate body = AlertTemplate::of_all_facts();
  if (!options.body_file.empty()) body = PAWL_TRY(AlertTemplate::read(options.body_file));
  if (url.empty()) {
    if (options.body_file.empty() && headers.all.empty() && options.method.empty()) return {std::nullopt};
    return Error{ErrorCode::malformed,
                 "--alert-body, --alert-header and --alert-method need --alert-url or --alert-url-file"};
  }
  std::vector<std::string> secrets = std::move(headers.secrets);
  if (!options.url_file.empty()) {
    for (std::string& secret : secrets_of_url(url)) secrets.push_back(std::move(secret));
  }
  const auto webhook = std::make_shared<AlertWebhook>(AlertWebhook::Options{.method = method,
                                                                            .url = url,
                                                                            .headers = std::move(headers.all),
                                                                            .secrets = std::move(secrets),
                                                                            .ca_file = options.ca_file},
                                                      std::move(body));
  return {AlertDestination{
      "webhook at " + host_of(url),
      [webhook](const Alert& alert, const CancelToken& cancel_token) { return webhook->post(alert, cancel_token); }}};
}

Result<std::optional<AlertDestination>> mail_destination(const AlertOptions& options) {
  auto given = PAWL_TRY(alert_mail(options));
  if (!given) return {std::nullopt};
  const std::string name = "mail server at " + host_of(given->url);
  const auto mail = std::make_shared<AlertMail>(AlertMail::Options{.url = given->url,
                                                                   .from = given->from,
                                                                   .to = given->to,
                                                                   .user = given->user,
                                                                   .password = given->password,
                                                                   .needs_tls = given->needs_tls,
                                                                   .ca_file = options.ca_file});
  return {AlertDestination{
      name, [mail](const Alert& alert, const CancelToken& cancel_token) { return mail->send(alert, cancel_token); }}};
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
  PAWL_TRY(check_ca_file("--ca-file", options.ca_file));
  PAWL_TRY(start_curl());
  if (auto webhook = PAWL_TRY(webhook_destination(options))) destinations.push_back(*std::move(webhook));
  if (auto mail = PAWL_TRY(mail_destination(options))) destinations.push_back(*std::move(mail));
  return destinations;
}

}  // namespace pawl
