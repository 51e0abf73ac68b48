// What went wrong in this log: what `pawl check` finds in it, and what ended badly.
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { client } from '../api/session';
import { hashOf, place, taskHash } from '../route';
import { readIncidents, type BadEnd, type Incidents, type LogFinding } from '../store/incidents';
import { Empty, Failure, Loading, Name, When } from '../ui/parts';
import { useWhole } from '../ui/whole';
import { byKind, headingOf } from '../words/finding';
import { Decided, Seq, Seqs } from './seqs';

const listedStep = 256;
const behindMs = 1500;

const number = (value: number): string => value.toLocaleString('en');

/// From what led to it to what shows it.
function Chain({ finding }: { finding: LogFinding }): JSX.Element | null {
  const { led_by, seq, followed_by, task } = finding;
  if (led_by.length + followed_by.length === 0) return null;
  return (
    <p class="chain">
      {led_by.length > 0 && (
        <>
          <span>led by</span> <Seqs seqs={led_by} task={task} /> <span aria-hidden="true">→</span>{' '}
        </>
      )}
      <b>{number(seq)}</b>
      {followed_by.length > 0 && (
        <>
          {' '}
          <span aria-hidden="true">→</span> <span>shown by</span> <Seqs seqs={followed_by} task={task} />
        </>
      )}
    </p>
  );
}

function Found({ finding }: { finding: LogFinding }): JSX.Element {
  const { kind, seq, time, actor, type, task, what, decided, invariant } = finding;
  const words = <Name text={what} />;
  return (
    <li class="finding">
      <p class="finding-head">
        <Seq seq={seq} task={task} />
        {time !== null && <When time={time} />}
        {actor !== null && (
          <span class="quiet-text">
            <Name text={actor} /> {type}
          </span>
        )}
        {task !== null && <a href={taskHash(task)}>task {task}</a>}
        {invariant !== null && <span class="tag">invariant {invariant}</span>}
      </p>
      <p class="finding-what">
        {kind === 'incident' ? (
          <a class="finding-link" href={hashOf({ view: 'incident', id: seq })}>
            {words}
          </a>
        ) : (
          words
        )}
      </p>
      <Chain finding={finding} />
      <Decided lines={decided} />
    </li>
  );
}

/// `within`: the cause that is known where it is shown.
export function Ended({ end, within = null }: { end: BadEnd; within?: number | null }): JSX.Element {
  const { task, work_item, seq, what, cause, by_itself, let_go, decided } = end;
  return (
    <li class="finding">
      <p class="finding-head">
        {task !== null && (
          <a href={taskHash(task)}>
            <Name text={work_item ?? `task ${task}`} />
          </a>
        )}
        {seq !== null && <Seq seq={seq} task={task} />}
        {let_go !== null && <span class="tag good">let go on by record {number(let_go)}</span>}
      </p>
      <p class="finding-what">
        <Name text={what} />
      </p>
      {(cause === null || cause !== within) && (
        <p class="chain">
          {cause === null ? (
            'by itself'
          ) : (
            <a href={hashOf({ view: 'incident', id: cause })}>the cause is record {number(cause)}</a>
          )}
          {by_itself !== null && (
            <>
              : <Name text={by_itself} />
            </>
          )}
        </p>
      )}
      <Decided lines={decided} />
    </li>
  );
}

function Off(): JSX.Element {
  return (
    <Empty title="This pawld does not look for incidents">
      <p>
        Start it with <code>--audit-percent 5</code>, or without that option: it then follows its own log with at most 5
        % of one core. <code>pawl check</code> looks once, on the data folder.
      </p>
    </Empty>
  );
}

function Audited({ incidents }: { incidents: Incidents }): JSX.Element {
  const { audited, head, first, stopped_at } = incidents;
  const isBehind = stopped_at === null && (audited ?? 0) < head;
  return (
    <>
      <p class="aside" role="status">
        {audited === null
          ? `Nothing is looked at yet of ${number(head)} records`
          : `As of record ${number(audited)} of ${number(head)}`}
        {isBehind && ': pawld still reads its log'}
        {first !== null && first > 1 && `. It begins with record ${number(first)}`}
        {place.value.at !== null && '. This is about the whole log, also while you look back'}.
      </p>
      {stopped_at !== null && (
        <p class="banner bad">
          Record {number(stopped_at)} cannot be read on from: <code>pawl check</code> says why. What is here is about
          the records before it.
        </p>
      )}
    </>
  );
}

function MoreListed({ total, shown, ask }: { total: number; shown: number; ask: () => void }): JSX.Element | null {
  if (total <= shown) return null;
  return (
    <p class="more-listed">
      The first {number(shown)} of {number(total)} are here.{' '}
      <button type="button" onClick={ask}>
        Show {number(Math.min(listedStep, total - shown))} more
      </button>
    </p>
  );
}

export function IncidentsView(): JSX.Element {
  const wanted = useSignal(listedStep);
  const { reading, again } = useWhole('incidents', () => readIncidents(client, wanted.peek()));
  const more = (total: number, shown: number): JSX.Element | null => (
    <MoreListed
      total={total}
      shown={shown}
      ask={() => {
        wanted.value += listedStep;
        again();
      }}
    />
  );
  const { value, failed } = reading.value;
  const isBehind =
    value !== null && value.percent > 0 && value.stopped_at === null && (value.audited ?? 0) < value.head;
  // Asked again while it comes nearer; a new record is told of anyway.
  useEffect(() => {
    if (!isBehind) return;
    const timer = setTimeout(again, behindMs);
    return () => clearTimeout(timer);
  }, [isBehind, value]);
  const isOff = value?.percent === 0;
  return (
    <div class="page">
      <h1>
        Incidents{' '}
        {value && !isOff && (
          <span class="count">{value.findings.filter(({ kind }) => kind === 'incident').length}</span>
        )}
      </h1>
      {failed !== null && <Failure words={failed} again={again} />}
      {!value && failed === null && <Loading what="what was found" />}
      {isOff && <Off />}
      {value && !isOff && (
        <>
          <Audited incidents={value} />
          {value.findings_total === 0 && value.ended_total === 0 && value.audited !== null && (
            <Empty title="Nothing went wrong">
              <p>No invariant is broken in this log, and nothing in it ended badly.</p>
            </Empty>
          )}
          {byKind(value.findings).map(([kind, findings]) => (
            <section key={kind} class="panel" aria-label={headingOf(kind)}>
              <h2>
                {headingOf(kind)} <span class="count">{findings.length}</span>
              </h2>
              <ul>
                {findings.map((finding) => (
                  <Found key={`${finding.seq}/${finding.what}`} finding={finding} />
                ))}
              </ul>
            </section>
          ))}
          {more(value.findings_total, value.findings.length)}
          {value.ended_total > 0 && (
            <section class="panel" aria-label="What ended badly">
              <h2>
                What ended badly <span class="count">{number(value.ended_total)}</span>
              </h2>
              <ul>
                {value.ended.map((end) => (
                  <Ended key={`${end.seq}/${end.what}`} end={end} />
                ))}
              </ul>
              {more(value.ended_total, value.ended.length)}
            </section>
          )}
        </>
      )}
    </div>
  );
}
