// The report of one incident: its cause, what ended badly, how that came about, and what would have prevented it.
import { useSignal } from '@preact/signals';
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { errorWords, Refused } from '../api/client';
import { client } from '../api/session';
import { hashOf, numberTyped, viewHash } from '../route';
import { msOf } from '../store/clock';
import { causeAlone, fileOf, patiently, reportOf, type Report, type Traced } from '../store/incidents';
import { allOf, linesOf, type Told } from '../store/told';
import { Cell, Empty, Failure, Name, Rows } from '../ui/parts';
import { save } from '../ui/save';
import { refusalWords } from '../words/record';
import { dateAndTime, span, timeOfDay } from '../words/time';
import { Ended } from './incidents';
import { Decided, Seq } from './seqs';

const number = (value: number): string => value.toLocaleString('en');
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/// That something goes on, and for how long.
function Working({ what }: { what: string }): JSX.Element {
  const began = useRef(Date.now());
  const ms = useSignal(0);
  useEffect(() => {
    const timer = setInterval(() => (ms.value = Date.now() - began.current), 1000);
    return () => clearInterval(timer);
  }, []);
  return (
    <p class="loading" role="status">
      {what} … <span class="age">{ms.value >= 1000 ? span(ms.value) : ''}</span>
    </p>
  );
}

function Part({ title, count, children }: { title: string; count?: number; children: ComponentChildren }): JSX.Element {
  return (
    <section class="panel" aria-label={title}>
      <h2>
        {title} {count !== undefined && <span class="count">{count}</span>}
      </h2>
      {children}
    </section>
  );
}

function Sentences({ lines }: { lines: string[] }): JSX.Element {
  return (
    <ul class="sentences">
      {lines.map((line) => (
        <li key={line}>
          <Name text={line} />
        </li>
      ))}
    </ul>
  );
}

function Trace({ trace, cause }: { trace: Traced[]; cause: number }): JSX.Element {
  return (
    <ol class="trace">
      {trace.map(({ seq, time, actor, says, outcome, decided }) => (
        <li key={seq} class={seq === cause ? 'is-cause' : ''}>
          <Seq seq={seq} word="" />
          <time dateTime={time} title={dateAndTime(msOf(time))}>
            {timeOfDay(msOf(time))}
          </time>
          <div>
            <span class="says">
              <Name text={actor} class="actor" /> <Name text={says} />
              {outcome !== 'accepted' && <span class="problem"> refused: {refusalWords(outcome)}</span>}
              {seq === cause && <span class="tag bad">the cause</span>}
            </span>
            <Decided lines={decided} />
          </div>
        </li>
      ))}
    </ol>
  );
}

const verdicts: { [verdict: string]: [words: string, kind: string] } = {
  prevented: ['prevented', 'good'],
  not_prevented: ['not prevented', ''],
  not_known: ['not known', 'warn'],
};

function Defences({ report }: { report: Report }): JSX.Element {
  const { defences, untried } = report;
  return (
    <Part title="What would have prevented it" count={defences.length}>
      {defences.length === 0 && <Empty title="No setting was found that would have" />}
      {defences.length > 0 && (
        <Rows label="Defences" heads={[{ name: 'Change' }, { name: 'Verdict' }, { name: 'Why' }]}>
          {defences.map(({ change, undoes, verdict, why }) => {
            const [words, kind] = verdicts[verdict] ?? [verdict.replace(/_/g, ' '), ''];
            return (
              <tr key={change}>
                <Cell of="Change">
                  <Name text={change} class="mono" />
                  {undoes !== null && (
                    <p class="chain">
                      undoes <Seq seq={undoes} />
                    </p>
                  )}
                </Cell>
                <Cell of="Verdict">
                  <span class={`tag ${kind}`}>{words}</span>
                </Cell>
                <Cell of="Why">
                  <Name text={why} />
                </Cell>
              </tr>
            );
          })}
        </Rows>
      )}
      {untried.length > 0 && (
        <p class="aside">
          Not tried, because one is enough (<code>pawl replay --each-defence</code> tries each):{' '}
          {untried.map((change, at) => (
            <>
              {at > 0 && ', '}
              <Name key={change} text={change} class="mono" />
            </>
          ))}
        </p>
      )}
    </Part>
  );
}

/// Drawn when it is opened: a story may be long.
function StoryPart({ story }: { story: Told }): JSX.Element {
  const isOpen = useSignal(false);
  const lines = isOpen.value ? allOf(linesOf(story, [])) : [];
  return (
    <details class="story" onToggle={(event) => (isOpen.value = event.currentTarget.open)}>
      <summary>
        <Name text={story.subject} /> <span class="count">{story.entries.length}</span>
      </summary>
      <ol class="trace">
        {lines.map(({ record, actor, says, notes, isRefused }) => (
          <li key={record.seq} class={isRefused ? 'is-refused' : ''}>
            <Seq seq={record.seq} word="" />
            <time dateTime={record.time} title={dateAndTime(msOf(record.time))}>
              {timeOfDay(msOf(record.time))}
            </time>
            <div>
              <span class="says">
                <Name text={actor} class="actor" /> <Name text={says} />
              </span>
              {notes.length > 0 && <Sentences lines={notes} />}
            </div>
          </li>
        ))}
      </ol>
    </details>
  );
}

function Download({ seq, what, label }: { seq: number; what: 'page' | 'log'; label: string }): JSX.Element {
  const isBusy = useSignal(false);
  const failed = useSignal<string | null>(null);
  const stopper = useRef(new AbortController());
  useEffect(() => () => stopper.current.abort(), []);
  const load = async (): Promise<void> => {
    if (isBusy.value) return;
    isBusy.value = true;
    failed.value = null;
    const { signal } = stopper.current;
    try {
      const file = await patiently(
        () => fileOf(client, seq, what, signal),
        () => signal.aborted,
        pause,
      );
      if (file) save(file, `incident-${seq}.${what === 'page' ? 'html' : 'jsonl'}`);
    } catch (error) {
      if (!signal.aborted) failed.value = errorWords(error);
    } finally {
      isBusy.value = false;
    }
  };
  return (
    <>
      <button type="button" aria-disabled={isBusy.value} onClick={() => void load()}>
        {isBusy.value ? 'Making it …' : label}
      </button>
      {failed.value !== null && (
        <p class="problem" role="alert">
          {failed.value}
        </p>
      )}
    </>
  );
}

function ReportView({ report, seq }: { report: Report; seq: number }): JSX.Element {
  const { incident, ended, trace, by_itself, others, open, unknown, stories } = report;
  if (!incident) return <Empty title={`Record ${number(seq)} has no part in an incident`} />;
  const task = ended.find((end) => end.task !== null)?.task ?? null;
  return (
    <>
      <header class="task-head">
        <div>
          <p class="crumbs">
            <a href={viewHash('incidents')}>Incidents</a> / record {number(incident.seq)}
          </p>
          <h1>The incident that began with record {number(incident.seq)}</h1>
        </div>
        <div class="acts" role="group" aria-label="Files">
          <Download seq={seq} what="page" label="Download as a page" />
          <Download seq={seq} what="log" label="Download as a redacted log" />
        </div>
      </header>
      <div class="task-body">
        <div class="task-main">
          <Part title="The cause">
            <p class="finding-head">
              <Seq seq={incident.seq} task={task} />
            </p>
            <p class="finding-what">
              <Name text={causeAlone(report)} />
            </p>
          </Part>
          <Part title="What ended badly" count={ended.length}>
            {ended.length === 0 ? (
              <p>
                <Name text={incident.what} />
              </p>
            ) : (
              <ul>
                {ended.map((end) => (
                  <Ended key={`${end.seq}/${end.what}`} end={end} within={incident.seq} />
                ))}
              </ul>
            )}
          </Part>
          <Part title="How it came about" count={trace.length}>
            <Trace trace={trace} cause={incident.seq} />
          </Part>
          {stories.length > 0 && (
            <Part title="The stories" count={stories.length}>
              {stories.map((story) => (
                <StoryPart key={story.subject} story={story} />
              ))}
            </Part>
          )}
        </div>
        <aside class="task-side">
          <Defences report={report} />
          {unknown.length > 0 && (
            <Part title="What is not known" count={unknown.length}>
              <Sentences lines={unknown} />
            </Part>
          )}
          {others.length > 0 && (
            <Part title="Other incidents" count={others.length}>
              <ul>
                {others.map((other) => (
                  <li key={other.seq} class="finding">
                    <a href={hashOf({ view: 'incident', id: other.seq })}>record {number(other.seq)}</a>:{' '}
                    <Name text={other.what} />
                  </li>
                ))}
              </ul>
            </Part>
          )}
          {by_itself.length > 0 && (
            <Part title="Ended badly, without an incident" count={by_itself.length}>
              <ul>
                {by_itself.map((end) => (
                  <Ended key={`${end.seq}/${end.what}`} end={end} />
                ))}
              </ul>
            </Part>
          )}
          {open.length > 0 && (
            <Part title="Not ended at the end of the log" count={open.length}>
              <Sentences lines={open} />
            </Part>
          )}
        </aside>
      </div>
    </>
  );
}

export function IncidentView({ typed }: { typed: string }): JSX.Element {
  const seq = numberTyped(typed);
  if (seq === null) {
    return (
      <div class="page">
        <Empty title="That is not the number of a record">
          <p>
            The address says <Name text={typed} class="mono" />. <a href={viewHash('incidents')}>Go to the incidents</a>
          </p>
        </Empty>
      </div>
    );
  }
  return <Asked key={seq} seq={seq} />;
}

function Asked({ seq }: { seq: number }): JSX.Element {
  const report = useSignal<Report | null>(null);
  const failed = useSignal<{ words: string; isUnknown: boolean } | null>(null);
  const turn = useSignal(0);
  useEffect(() => {
    const stopper = new AbortController();
    const { signal } = stopper;
    patiently(
      () => reportOf(client, seq, signal),
      () => signal.aborted,
      pause,
    ).then(
      (found) => (report.value = found),
      (error: unknown) => {
        if (signal.aborted || (error instanceof Refused && error.status === 401)) return;
        failed.value = { words: errorWords(error), isUnknown: error instanceof Refused && error.status === 404 };
      },
    );
    return () => stopper.abort();
  }, [turn.value]);
  return (
    <div class="page">
      {report.value && <ReportView report={report.value} seq={seq} />}
      {!report.value && failed.value === null && (
        <>
          <h1>The incident around record {number(seq)}</h1>
          <Working what="pawld makes the report: it replays the log for each setting that might have prevented it" />
        </>
      )}
      {failed.value?.isUnknown && (
        <Empty title={`There is no incident around record ${number(seq)}`}>
          <p>
            <Name text={failed.value.words} />. <a href={viewHash('incidents')}>Go to the incidents</a>
          </p>
        </Empty>
      )}
      {failed.value && !failed.value.isUnknown && (
        <Failure
          words={failed.value.words}
          again={() => {
            failed.value = null;
            turn.value++;
          }}
        />
      )}
    </div>
  );
}
