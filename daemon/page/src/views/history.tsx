// The history of a task, in sentences; and the record behind each.
import { useSignal, type Signal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { LogRecord } from '../api/types';
import { msOf } from '../store/clock';
import { Empty, Name } from '../ui/parts';
import { dateAndTime, exactSpan, timeOfDay } from '../words/time';
import { sentenceOf, winnerOf } from '../words/record';
import { visible } from '../words/visible';

const shownStep = 200;

const isQuiet = ({ type, outcome }: LogRecord): boolean =>
  outcome === 'accepted' && ['LeaseAcquired', 'LeaseReleased', 'RunStarted', 'ClaimRenewed', 'BranchSeen', 'JobFinished'].includes(type);

function Line({ record, gapMs, winner, selected }: { record: LogRecord; gapMs: number; winner: LogRecord | null; selected: Signal<number | null> }): JSX.Element {
  const { actor, does, refused } = sentenceOf(record);
  const line = useRef<HTMLLIElement>(null);
  const isChosen = selected.value === record.seq;
  useEffect(() => {
    if (!isChosen) return;
    line.current?.scrollIntoView({ block: 'nearest' });
    line.current?.querySelector('summary')?.focus({ preventScroll: true });
  }, [isChosen]);
  return (
    <li ref={line} class={`line${refused !== null ? ' is-refused' : ''}${isChosen ? ' is-chosen' : ''}${isQuiet(record) ? ' is-minor' : ''}`}>
      <details>
        <summary>
          <time dateTime={record.time} title={record.time}>
            {timeOfDay(msOf(record.time))}
          </time>
          <span class="line-words">
            <Name text={actor} class="actor" /> <Name text={does.replace(' : ', ': ')} />
            {refused !== null && (
              <span class="refused-words">
                {' '}
                — refused: {refused}
              </span>
            )}
          </span>
          <span class="line-gap">{gapMs >= 1000 ? `+${exactSpan(gapMs)}` : ''}</span>
        </summary>
        <dl class="record">
          <dt>Record</dt>
          <dd>
            {record.seq}, {record.type}
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
      </details>
      {winner && (
        <button type="button" class="link winner" onClick={() => (selected.value = winner.seq)}>
          It lost to <Name text={winner.actor} />, who {visible(sentenceOf(winner).does)} (record {winner.seq})
        </button>
      )}
    </li>
  );
}

export function HistoryView({ records, selected, isAll }: { records: readonly LogRecord[]; selected: Signal<number | null>; isAll: boolean }): JSX.Element {
  const shown = useSignal(shownStep);
  const only = useSignal<'all' | 'refused'>('all');
  const wanted = only.value === 'all' ? records : records.filter(({ outcome }) => outcome !== 'accepted');
  const chosen = wanted.findIndex(({ seq }) => seq === selected.value);
  const first = Math.max(0, Math.min(wanted.length - shown.value, chosen === -1 ? Infinity : chosen - 20));
  const refusals = records.filter(({ outcome }) => outcome !== 'accepted').length;
  return (
    <section class="panel history" aria-label="History">
      <div class="panel-head">
        <h2>
          What happened <span class="count">{records.length}</span>
        </h2>
        {refusals > 0 && (
          <label class="check">
            <input type="checkbox" checked={only.value === 'refused'} onChange={(event) => (only.value = event.currentTarget.checked ? 'refused' : 'all')} />
            Refused acts ({refusals})
          </label>
        )}
      </div>
      {wanted.length === 0 && <Empty title="No record names this task" />}
      {!isAll && <p class="aside">This history is long: its first {records.length.toLocaleString('en')} records are here.</p>}
      {first > 0 && (
        <button type="button" class="quiet" onClick={() => (shown.value += shownStep)}>
          Show {Math.min(first, shownStep)} earlier of {first}
        </button>
      )}
      <ol class="lines">
        {wanted.slice(first).map((record, at) => {
          const before = wanted[first + at - 1];
          return (
            <Line
              key={record.seq}
              record={record}
              gapMs={before ? msOf(record.time) - msOf(before.time) : 0}
              winner={record.outcome === 'accepted' ? null : winnerOf(record, records)}
              selected={selected}
            />
          );
        })}
      </ol>
    </section>
  );
}
