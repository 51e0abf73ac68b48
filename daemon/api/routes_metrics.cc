// GET /metrics. What needs the state is copied on the sequencer's thread, number by number from counts that the state
// keeps: however many tasks there are, nothing is walked there. Everything else is read and written on another thread.
#include <memory>
#include <utility>

#include "daemon/api/call.h"
#include "daemon/api/exposition.h"
#include "daemon/api/figures.h"

namespace pawl {
namespace {

/// What the state says, by the rows of the counters' table. Empty for the other rows.
using OfState = std::vector<std::vector<LabelledCount>>;

OfState read_state(const CounterSources& from) {
  OfState all;
  all.reserve(counters().size());
  for (const Counter& counter : counters()) {
    if (counter.read) {
      all.push_back({LabelledCount{.labels = {}, .count = counter.read(from)}});
    } else {
      all.push_back(counter.read_each ? counter.read_each(from) : std::vector<LabelledCount>());
    }
  }
  return all;
}

Family family_of(const Counter& counter, std::vector<LabelledCount> of_state, const FigureSources& from) {
  if (counter.figure) return {.counter = &counter, .values = counter.figure(from)};
  if (counter.read_histograms) return {.counter = &counter, .values = {}, .histograms = counter.read_histograms(from)};
  return family_of(counter, std::move(of_state));
}

}  // namespace

void metrics_get(Call call) {
  const ExpositionForm form = exposition_form(call.request.accept);
  const auto of_state = std::make_shared<OfState>();
  call.sequencer().read([&context = call.context,
                         of_state](const State& state) { *of_state = read_state(counter_sources(state, context)); },
                        [&context = call.context, of_state, form, reply = call.reply] {
                          context.workers.post([&context, of_state, form, reply] {
                            const Services& services = context.services;
                            const FigureSources from{.services = services,
                                                     .figures = *services.figures,
                                                     .claim_polls = context.claim_waits.waiting(),
                                                     .event_polls = context.record_waits.waiting(),
                                                     .log_bytes = services.log_bytes ? services.log_bytes() : 0,
                                                     .process = look_at_process()};
                            std::vector<Family> families;
                            for (std::size_t i = 0; i < of_state->size(); ++i) {
                              families.push_back(family_of(counters()[i], std::move((*of_state)[i]), from));
                            }
                            HttpResponse response{.content_type = std::string(content_type(form)), .body = {}};
                            response.body = exposition_of(families, form);
                            response.headers.emplace_back("Vary", "Accept");
                            reply(std::move(response));
                          });
                        });
}

}  // namespace pawl
