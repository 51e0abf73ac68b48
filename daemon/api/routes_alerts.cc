// Alerts: a test of where they go.
#include <utility>
#include <vector>

#include "daemon/api/call.h"
#include "schema/json/json_text.h"
#include "schema/printable.h"

namespace pawl {
namespace {

std::string_view name_of(AlertDelivery::How how) {
  switch (how) {
    case AlertDelivery::How::delivered:
      return "delivered";
    case AlertDelivery::How::refused:
      return "refused";
    case AlertDelivery::How::later:
      return "failed";
  }
  return "";
}

HttpResponse answer_to_test(Seq seq, const std::vector<AlertTest>& tests) {
  HttpResponse response;
  std::string& out = response.body;
  out = '{';
  append_json_member(out, "seq", raw(seq));
  append_json_member(out, "destinations");
  out += '[';
  for (const AlertTest& test : tests) {
    if (out.back() != '[') out += ',';
    out += '{';
    append_json_member(out, "name");
    append_json_text(out, test.destination);
    append_json_member(out, "result");
    append_json_text(out, name_of(test.delivery.how));
    append_json_member(out, "why");
    append_json_text_or_null(out, printable(test.delivery.why));
    out += '}';
  }
  out += "]}";
  return response;
}

}  // namespace

void alerts_test(Call call) {
  const Services& services = call.context.services;
  const auto answer = [&sequencer = call.sequencer(), reply = call.reply](const std::vector<AlertTest>& tests) {
    reply(answer_to_test(sequencer.durable_seq(), tests));
  };
  if (!services.test_alert) return answer({});
  const Requester& requester = call.requester;
  services.test_alert(test_alert(call.sequencer().now(), services.boot_id, requester.actor, requester.principal),
                      answer);
}

}  // namespace pawl
