#include "tools/commands/what_if.h"

#include <optional>
#include <string>

#include "schema/json/json_text.h"
#include "tools/commands/output.h"
#include "tools/forensics/defences.h"
#include "tools/forensics/what_if_report.h"

namespace pawl {

Exit run_what_if(const RecordedLog& log, const std::vector<Change>& changes, ReportForm form) {
  const auto retold = retell(log, changes);
  if (!retold) return fail(retold.error());
  const std::optional<InQuestion> target = in_question(log.found());
  if (form == ReportForm::json) {
    print(what_if_json(log, changes, *retold, target ? &*target : nullptr) + '\n');
  } else {
    print_for_people(what_if_text(log, changes, *retold, target ? &*target : nullptr));
  }
  return Exit::done;
}

Exit run_each_defence(const RecordedLog& log, ReportForm form) {
  const std::optional<InQuestion> target = in_question(log.found());
  if (!target) {
    print(form == ReportForm::json ? "{\"target\":null,\"defences\":[]}\n" : "check finds nothing that went wrong\n");
    return Exit::done;
  }
  const auto found = defences_against(log, *target, Effort::all);
  if (!found) return fail_to_read(found.error());
  const Defences& all = *found;
  if (form == ReportForm::json) {
    std::string out = "{\"target\":{\"kind\":";
    append_json_text(out, name(target->finding.kind));
    out += ",\"seq\":" + std::to_string(raw(target->finding.seq)) + "},\"defences\":[";
    for (const Defence& defence : all.tried) {
      if (out.back() != '[') out += ',';
      out += what_if_json(log, {defence.change}, defence.retold, &*target);
    }
    print(out + "]}\n");
    return Exit::done;
  }
  print_for_people("the " + finding_in_words(target->finding) + ": " + printable(target->finding.what) + "\n\n" +
                   defences_in_words(*target, all));
  return Exit::done;
}

}  // namespace pawl
