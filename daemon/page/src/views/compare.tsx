// Two positions of the log, compared: what came, what went, and what is different.
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { errorWords, isForGood, Refused } from '../api/client';
import { client } from '../api/session';
import { hashOf, numberTyped, place, setFilter } from '../route';
import { msOf } from '../store/clock';
import {
  differencesIn,
  readComparison,
  shownValue,
  tasksMissing,
  turned,
  type Change,
  type Comparison,
  type Difference,
  type FieldChange,
} from '../store/compare';
import { Empty, Failure, Loading, moreWords, Name, When } from '../ui/parts';
import { useSlow } from '../ui/slow';
import { counted, span } from '../words/time';
import { world } from '../world';

const headings: { [kind: string]: string } = {
  task: 'Tasks',
  job: 'Jobs',
  lease: 'Leases',
  hold: 'Holds',
  freeze: 'Freezes',
  boot: 'Workers',
  pipeline: 'Pipelines',
  setting: 'Settings',
};
const colours: { [change in Change]: string } = { added: 'good', removed: 'bad', changed: 'run' };
const shownStep = 100;
const followMs = 2000;
const rowsStep = 256;

const number = (seq: number): string => seq.toLocaleString('en');

interface Sides {
  from: number;
  to: number;
}
type Missing = ReturnType<typeof tasksMissing>;

function Fields({ fields, change }: { fields: FieldChange[]; change: Change }): JSX.Element {
  return (
    <dl class={`field-changes ${change}`}>
      {fields.map(({ path, before, after }) => (
        <div key={path}>
          <dt>
            <code>{path === '' ? 'value' : path}</code>
          </dt>
          {change !== 'added' && (
            <dd class="before">
              <span class="unseen">before: </span>
              <Name text={shownValue(before)} />
            </dd>
          )}
          {change !== 'removed' && (
            <dd class="after">
              {change === 'changed' && <span aria-hidden="true">→ </span>}
              <span class="unseen">after: </span>
              <Name text={shownValue(after)} />
            </dd>
          )}
        </div>
      ))}
    </dl>
  );
}

function Row({ difference, missing, from, to }: { difference: Difference; missing: Missing } & Sides): JSX.Element {
  const { row, change, name, task, fields } = difference;
  const isOpen = useSignal(false);
  const ofTask = task === null || row.row === 'lease' ? '' : `task ${task}`;
  return (
    <li class="difference">
      <p class="difference-head">
        <span class={`tag ${colours[change]}`}>{change}</span> <Name text={name} class="difference-name" />
        {ofTask !== '' && ofTask !== name && <span class="quiet-text">{ofTask}</span>}
        {task !== null && (
          <span class="difference-links">
            {!missing.from.has(task) && <a href={hashOf({ view: 'task', id: task, at: from })}>at {number(from)}</a>}
            {!missing.to.has(task) && <a href={hashOf({ view: 'task', id: task, at: to })}>at {number(to)}</a>}
          </span>
        )}
      </p>
      {change === 'changed' ? (
        <Fields fields={fields} change={change} />
      ) : (
        <details onToggle={(event) => (isOpen.value = event.currentTarget.open)}>
          <summary class="quiet-text">{counted(fields.length, 'field')}</summary>
          {isOpen.value && <Fields fields={fields} change={change} />}
        </details>
      )}
    </li>
  );
}

function Kind({
  kind,
  differences,
  ...rest
}: { kind: string; differences: Difference[]; missing: Missing } & Sides): JSX.Element {
  const shown = useSignal(shownStep);
  const hidden = differences.length - shown.value;
  const heading = headings[kind] ?? kind;
  return (
    <section class="panel" aria-label={heading}>
      <h2>
        {heading} <span class="count">{differences.length}</span>
      </h2>
      <ul>
        {differences.slice(0, shown.value).map((difference) => (
          <Row key={difference.row.id} difference={difference} {...rest} />
        ))}
      </ul>
      {hidden > 0 && (
        <button type="button" onClick={() => (shown.value += shownStep)}>
          {moreWords(shownStep, hidden)}
        </button>
      )}
    </section>
  );
}

function Side({ name, seq, time }: { name: string; seq: number; time: string | null }): JSX.Element {
  return (
    <div class="side">
      <dt>{name}</dt>
      <dd>
        <a href={hashOf({ view: 'board', at: seq })}>record {number(seq)}</a> {time !== null && <When time={time} />}
      </dd>
    </div>
  );
}

/// Reads it, and again while pawld has no time for it. What was there stays until then.
function useComparison({ from, to }: Sides): {
  comparison: Comparison | null;
  failed: string | null;
  again: () => void;
  more: () => void;
} {
  const state = useSignal<{ comparison: Comparison | null; failed: string | null }>({ comparison: null, failed: null });
  const turn = useSignal(0);
  const count = useSignal(rowsStep);
  useEffect(() => {
    if (from === to || to === 0) return;
    const wanted = new AbortController();
    const read = async (): Promise<void> => {
      for (let pauseMs = 500; !wanted.signal.aborted; pauseMs = Math.min(pauseMs * 2, 5000)) {
        try {
          const sides = { from: Math.min(from, to), to: Math.max(from, to) };
          const found = await readComparison(client, sides, count.value, wanted.signal);
          state.value = { comparison: from < to ? found : turned(found), failed: null };
          return;
        } catch (error) {
          if (wanted.signal.aborted) return;
          const isBusy = error instanceof Refused && error.code === 'too_many_past';
          if (!isBusy)
            state.value = { comparison: isForGood(error) ? null : state.peek().comparison, failed: errorWords(error) };
          if (isForGood(error)) return;
          await new Promise((done) => setTimeout(done, pauseMs));
        }
      }
    };
    void read();
    return () => wanted.abort();
  }, [from, to, turn.value, count.value]);
  return { ...state.value, again: () => turn.value++, more: () => (count.value += rowsStep) };
}

export function CompareView({ typed }: { typed: string }): JSX.Element {
  const from = numberTyped(typed);
  const head = useSlow(world.head, followMs);
  const to = place.value.at ?? head;
  if (from === null) {
    return (
      <div class="page">
        <Empty title="That is not the number of a record">
          <p>
            The address says <Name text={typed} class="mono" />. <a href="#/board">Go to the board</a>
          </p>
        </Empty>
      </div>
    );
  }
  return <Compared from={from} to={to} />;
}

function Compared({ from, to }: Sides): JSX.Element {
  const { comparison, failed, again, more } = useComparison({ from, to });
  const filter = place.value.filters['text'] ?? '';
  const isSame = from === to;
  const shown = isSame ? null : comparison;
  const groups = shown ? differencesIn(shown.rows, filter) : [];
  const missing = tasksMissing(shown?.rows ?? []);
  const sides = shown ? { from: shown.from, to: shown.to } : { from, to };
  const apart = shown ? Math.abs(msOf(shown.to_time) - msOf(shown.from_time)) : null;
  return (
    <div class="page">
      <h1>Compared</h1>
      <div class="compared">
        <dl class="sides">
          <Side name="From" seq={sides.from} time={shown?.from_time ?? null} />
          <Side name={place.value.at === null ? 'To now' : 'To'} seq={sides.to} time={shown?.to_time ?? null} />
        </dl>
        {apart !== null && <span class="quiet-text">{span(apart)} apart</span>}
        <button
          type="button"
          onClick={() => (location.hash = hashOf({ view: 'compare', id: to, filters: place.value.filters, at: from }))}
        >
          Swap
        </button>
      </div>
      {failed !== null && <Failure words={failed} again={again} />}
      {isSame && (
        <Empty title={`Both positions are record ${number(from)}`}>
          <p>
            So nothing differs. Go to another one above{place.value.at === null ? ', or wait for the next record' : ''}.
          </p>
        </Empty>
      )}
      {!isSame && !shown && failed === null && <Loading what="both positions" />}
      {shown && (
        <div class="filters">
          <input
            type="search"
            class="search"
            placeholder="Filter by name, field or value"
            aria-label="Filter the differences"
            value={filter}
            onInput={(event) => setFilter('text', event.currentTarget.value)}
          />
          <span class="shown" role="status">
            {counted(
              groups.reduce((sum, [, each]) => sum + each.length, 0),
              'difference',
            )}
            {filter === '' ? '' : ' shown'}
          </span>
        </div>
      )}
      {shown && shown.rows_total > shown.rows.length && (
        <p class="more-listed">
          The first {number(shown.rows.length)} of {number(shown.rows_total)} differences are here, and a filter looks
          at these alone.{' '}
          <button type="button" onClick={more}>
            Show {number(Math.min(rowsStep, shown.rows_total - shown.rows.length))} more
          </button>
        </p>
      )}
      {shown && groups.length === 0 && (
        <Empty title={filter === '' ? 'Nothing differs' : 'No difference has all of these words'}>
          {filter === '' && <p>The records between these two changed nothing that lasts.</p>}
        </Empty>
      )}
      {groups.map(([kind, differences]) => (
        <Kind key={kind} kind={kind} differences={differences} missing={missing} {...sides} />
      ))}
    </div>
  );
}
