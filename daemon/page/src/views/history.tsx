// The history of a task, in sentences; and the record behind each.
import { useSignal, type Signal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { LogRecord } from '../api/types';
import { hashOf, recordHash } from '../route';
import { msOf } from '../store/clock';
import { allOf, type Finding, type Line } from '../store/told';
import { Empty, Name } from '../ui/parts';
import { counted, dateAndTime, exactSpan, timeOfDay } from '../words/time';
import { kindName } from '../words/finding';
import { visible } from '../words/visible';

const shownStep = 200;

const isQuiet = ({ record, findings }: Line): boolean =>
  findings.length === 0 &&
  record.outcome === 'accepted' &&
  ['LeaseAcquired', 'LeaseReleased', 'RunStarted', 'ClaimRenewed', 'BranchSeen', 'JobFinished'].includes(record.type);

interface Shown {
  selected: Signal<number | null>;
  isHere: (seq: number) => boolean; // whether a record has its line in this list
}

/// Earlier records that a line rests on: those of this list are chosen there, others lead to the log.
function Because({ seqs, selected, isHere }: { seqs: number[] } & Shown): JSX.Element | null {
  if (seqs.length === 0) return null;
  return (
    <li>
      because of {seqs.length === 1 ? 'record' : 'records'}{' '}
      {seqs.map((seq, at) => (
        <>
          {at > 0 && ', '}
          {isHere(seq) ? (
            <button key={seq} type="button" class="link" onClick={() => (selected.value = seq)}>
              {seq}
            </button>
          ) : (
            <a key={seq} href={recordHash(seq)}>
              {seq}
            </a>
          )}
        </>
      ))}
    </li>
  );
}

function Found({ finding }: { finding: Finding }): JSX.Element {
  return (
    <li class="line-finding">
      {finding.kind === 'incident' ? (
        <a class="tag bad" href={hashOf({ view: 'incident', id: finding.seq })}>
          incident
        </a>
      ) : (
        <span class="tag bad">{kindName(finding.kind)}</span>
      )}{' '}
      <Name text={finding.what} />
    </li>
  );
}

function Record({ record }: { record: LogRecord }): JSX.Element {
  return (
    <>
      <dl class="record">
        <dt>Record</dt>
        <dd>
          <a href={hashOf({ view: 'board', at: record.seq })}>{record.seq}</a>, {record.type}
        </dd>
        <dt>Time</dt>
        <dd>{dateAndTime(msOf(record.time))}</dd>
        <dt>Requested by</dt>
        <dd>
          <Name text={record.principal ?? 'the daemon'} class="mono" />
        </dd>
        <dt>Outcome</dt>
        <dd>{record.outcome}</dd>
      </dl>
      <pre>{visible(JSON.stringify(record.data, null, 1))}</pre>
    </>
  );
}

function LineView({ line, gapMs, ...shown }: { line: Line; gapMs: number } & Shown): JSX.Element {
  const { record, actor, says, notes, because, findings, isRefused, like } = line;
  const { selected } = shown;
  const element = useRef<HTMLLIElement>(null);
  const isOpen = useSignal(false);
  const isChosen = selected.value === record.seq;
  const hasChosen = like.some((each) => each.record.seq === selected.value);
  useEffect(() => {
    if (!isChosen) return;
    element.current?.scrollIntoView({ block: 'nearest' });
    element.current?.querySelector('summary')?.focus({ preventScroll: true });
  }, [isChosen]);
  const more = notes.length + because.length + findings.length > 0;
  return (
    <li
      ref={element}
      class={`line${isRefused ? ' is-refused' : ''}${isChosen ? ' is-chosen' : ''}${isQuiet(line) ? ' is-minor' : ''}`}
    >
      <details onToggle={(event) => (isOpen.value = event.currentTarget.open)}>
        <summary>
          <time dateTime={record.time} title={record.time}>
            {timeOfDay(msOf(record.time))}
          </time>
          <span class="line-words">
            <Name text={actor} class="actor" /> <Name text={says} />
          </span>
          <span class="line-gap">{gapMs >= 1000 ? `+${exactSpan(gapMs)}` : ''}</span>
        </summary>
        {isOpen.value && <Record record={record} />}
      </details>
      {more && (
        <ul class="line-notes">
          {notes.map((note, at) => (
            <li key={at}>
              <Name text={note} />
            </li>
          ))}
          {findings.map((finding, at) => (
            <Found key={`finding${at}`} finding={finding} />
          ))}
          <Because seqs={because} {...shown} />
        </ul>
      )}
      {like.length > 0 && (
        <details class="likes" open={hasChosen}>
          <summary>and {counted(like.length, 'more record')} like it</summary>
          <ol>
            {like.map((each) => (
              <LineView key={each.record.seq} line={each} gapMs={0} {...shown} />
            ))}
          </ol>
        </details>
      )}
    </li>
  );
}

interface History {
  lines: readonly Line[];
  selected: Signal<number | null>;
  isAll: boolean;
  untold: string | null; // why these are the page's own words
}

export function HistoryView({ lines, selected, isAll, untold }: History): JSX.Element {
  const shown = useSignal(shownStep);
  const only = useSignal<'all' | 'refused'>('all');
  const all = allOf(lines);
  const seqs = new Set(all.map(({ record }) => record.seq));
  const refused = all.filter(({ isRefused }) => isRefused);
  const wanted = only.value === 'all' ? lines : refused.map((line) => ({ ...line, like: [] }));
  const chosen = wanted.findIndex((line) => allOf([line]).some(({ record }) => record.seq === selected.value));
  const first = Math.max(0, Math.min(wanted.length - shown.value, chosen === -1 ? Infinity : chosen - 20));
  return (
    <section class="panel history" aria-label="History">
      <div class="panel-head">
        <h2>
          What happened <span class="count">{all.length}</span>
        </h2>
        {refused.length > 0 && (
          <label class="check">
            <input
              type="checkbox"
              checked={only.value === 'refused'}
              onChange={(event) => (only.value = event.currentTarget.checked ? 'refused' : 'all')}
            />
            Refused acts ({refused.length})
          </label>
        )}
      </div>
      {wanted.length === 0 && <Empty title="No record names this task" />}
      {untold !== null && <p class="aside">The records alone, without what led to each: {visible(untold)}.</p>}
      {!isAll && (
        <p class="aside">This history is long: its first {all.length.toLocaleString('en')} records are here.</p>
      )}
      {first > 0 && (
        <button type="button" class="quiet" onClick={() => (shown.value += shownStep)}>
          Show {Math.min(first, shownStep)} earlier of {first}
        </button>
      )}
      <ol class="lines">
        {wanted.slice(first).map((line, at) => {
          const before = wanted[first + at - 1];
          const end = before ? (before.like.at(-1) ?? before) : null;
          return (
            <LineView
              key={line.record.seq}
              line={line}
              gapMs={end ? msOf(line.record.time) - msOf(end.record.time) : 0}
              selected={selected}
              isHere={(seq) => seqs.has(seq)}
            />
          );
        })}
      </ol>
    </section>
  );
}
