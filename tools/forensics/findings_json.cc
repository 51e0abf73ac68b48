#include "tools/forensics/findings_json.h"

#include "schema/json/json_text.h"

namespace pawl {

void append_seqs(std::string& out, const std::vector<Seq>& seqs) {
  out += '[';
  for (const Seq seq : seqs) {
    if (out.back() != '[') out += ',';
    append_json_integer(out, raw(seq));
  }
  out += ']';
}

void append_finding(std::string& out, const Finding& finding, const std::optional<Heading>& heading) {
  out += "{\"kind\":";
  append_json_text(out, name(finding.kind));
  out += ",\"invariant\":" + (finding.invariant > 0 ? std::to_string(finding.invariant) : "null");
  out += ",\"seq\":" + std::to_string(raw(finding.seq)) + ",\"time\":";
  heading ? append_json_time(out, heading->time) : append_json_text_or_null(out, "");
  out += ",\"boot\":";
  append_json_text_or_null(out, heading ? heading->boot : "");
  out += ",\"actor\":";
  append_json_text_or_null(out, heading ? heading->actor : "");
  out += ",\"type\":";
  append_json_text_or_null(out, heading ? heading->type : "");
  out += ",\"task\":" + (finding.task != TaskId{0} ? std::to_string(raw(finding.task)) : "null") + ",\"what\":";
  append_json_text(out, finding.what);
  out += ",\"led_by\":";
  append_seqs(out, finding.led_by);
  out += ",\"followed_by\":";
  append_seqs(out, finding.followed_by);
  out += ",\"decided\":";
  append_json_texts(out, finding.decided);
  out += '}';
}

void append_end(std::string& out, const BadEnd& end) {
  out += "{\"task\":" + (end.task != TaskId{0} ? std::to_string(raw(end.task)) : "null") + ",\"work_item\":";
  append_json_text_or_null(out, end.work_item);
  out += ",\"seq\":" + (end.at ? std::to_string(raw(end.at.seq)) : "null") + ",\"what\":";
  append_json_text(out, end.words);
  out += ",\"cause\":" + (end.cause != Seq{0} ? std::to_string(raw(end.cause)) : "null") + ",\"by_itself\":";
  append_json_text_or_null(out, end.why);
  out += ",\"let_go\":" + (end.let_go ? std::to_string(raw(end.let_go.seq)) : "null") + ",\"decided\":";
  append_json_texts(out, end.decided);
  out += '}';
}

}  // namespace pawl
