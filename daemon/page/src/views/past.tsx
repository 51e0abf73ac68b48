// The bar of a position in the log: where it is, what happened there, and the ways to another one.
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { client } from '../api/session';
import type { LogRecord } from '../api/types';
import { hashOf, numberTyped, place, setPosition } from '../route';
import { msOf } from '../store/clock';
import { recordAt, recordOfTask } from '../store/moments';
import { Name, When } from '../ui/parts';
import { sentenceOf } from '../words/record';
import { world } from '../world';

const dragMs = 150;
const minuteMs = 60_000;

/// The sentence of the record at the position.
function Happened({ at }: { at: number }): JSX.Element | null {
  const record = useSignal<LogRecord | null>(null);
  useEffect(() => {
    const wanted = new AbortController();
    client
      .recordAfter(at - 1, wanted.signal)
      .then((found) => {
        record.value = found?.seq === at ? found : null;
      })
      .catch(() => {});
    return () => wanted.abort();
  }, [at]);
  if (!record.value || record.value.seq !== at) return null;
  const { actor, does } = sentenceOf(record.value);
  return (
    <span class="position-what">
      <When time={record.value.time} /> · <Name text={actor} class="actor" /> <Name text={does} />
    </span>
  );
}

/// Asks for the other position.
function CompareWith({ at }: { at: number }): JSX.Element {
  const isOpen = useSignal(false);
  const typed = useSignal('');
  const problem = useSignal('');
  const head = world.head.value;
  const go = (event: SubmitEvent): void => {
    event.preventDefault();
    const field = (event.currentTarget as HTMLFormElement).elements.namedItem('other') as HTMLInputElement;
    const other = numberTyped(typed.value.trim().replace(/,/g, ''));
    if (other === null) problem.value = 'a record has a number from 1 on';
    else if (other > head) problem.value = `the log ends at record ${head.toLocaleString('en')}`;
    else location.hash = hashOf({ view: 'compare', id: at, at: other });
    if (problem.value !== '') field.focus();
  };
  if (!isOpen.value) {
    return (
      <button
        type="button"
        class="small"
        onClick={() => {
          typed.value = String(head);
          isOpen.value = true;
        }}
      >
        Compare with…
      </button>
    );
  }
  return (
    <form class="compare-with" onSubmit={(event) => go(event as SubmitEvent)} noValidate>
      <label>
        with record
        <input
          type="text"
          name="other"
          inputMode="numeric"
          size={8}
          value={typed.value}
          autofocus
          aria-invalid={problem.value !== ''}
          aria-describedby="compare-problem"
          onInput={(event) => {
            typed.value = event.currentTarget.value;
            problem.value = '';
          }}
          onKeyDown={(event) => event.key === 'Escape' && (isOpen.value = false)}
        />
      </label>
      <button type="submit" class="small">
        Compare
      </button>
      <span id="compare-problem" class="problem" role="alert">
        {problem.value}
      </span>
    </form>
  );
}

export function PastBar({ at }: { at: number }): JSX.Element {
  const { view, id } = place.value;
  const head = world.head.value;
  const shown = useSignal(at); // under the hand, before the view follows
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  const isSearching = useSignal(false);
  useEffect(() => {
    shown.value = at;
  }, [at]);
  const go = (to: number, afterMs = 0): void => {
    const fits = Math.max(1, head === 0 ? to : Math.min(to, head)); // 0: not known yet
    shown.value = fits;
    if (timer.current) clearTimeout(timer.current);
    timer.current = setTimeout(() => setPosition(fits), afterMs);
  };
  const search = (find: () => Promise<number | null>): void => {
    if (isSearching.value) return;
    isSearching.value = true;
    find()
      .then((to) => {
        if (to !== null) go(to);
      })
      .catch(() => {}) // the next read says what is wrong
      .finally(() => (isSearching.value = false));
  };
  const byMinute = (direction: 1 | -1): void => {
    const standing = world.standing.peek();
    const time = standing.kind === 'past' ? standing.time : null;
    if (time === null) return;
    search(async () => {
      const to = await recordAt(client, msOf(time) + direction * minuteMs, head);
      return direction === 1 && to <= shown.value ? shown.value + 1 : to;
    });
  };
  const task = view === 'task' && id !== null ? numberTyped(id) : null;
  const byTask = (direction: 1 | -1): void => {
    if (task !== null) search(() => recordOfTask(client, task, shown.value, direction));
  };
  const onKey = (event: KeyboardEvent): void => {
    const direction = { ArrowLeft: -1, ArrowDown: -1, PageDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 1 }[
      event.key
    ] as 1 | -1 | undefined;
    if (direction === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    if (event.key.startsWith('Page')) byMinute(direction);
    else if (event.shiftKey) byTask(direction);
    else go(shown.value + direction, dragMs);
  };
  return (
    <section class="position" aria-label="Position in the log">
      <div class="position-where">
        <button
          type="button"
          class="small icon"
          aria-label="One record back"
          disabled={shown.value <= 1}
          onClick={() => go(shown.value - 1)}
        >
          ‹
        </button>
        <input
          type="range"
          aria-label="Record"
          title="← →: a record; with Shift: a record of this task; Page Up, Page Down: a minute"
          min={1}
          max={Math.max(head, shown.value)}
          value={shown.value}
          aria-valuetext={`record ${shown.value} of ${head}`}
          onInput={(event) => go(Number(event.currentTarget.value), dragMs)}
          onKeyDown={onKey}
        />
        <button
          type="button"
          class="small icon"
          aria-label="One record on"
          disabled={head !== 0 && shown.value >= head}
          onClick={() => go(shown.value + 1)}
        >
          ›
        </button>
        {view !== 'compare' && <CompareWith at={at} />}
        <button type="button" class="small" onClick={() => setPosition(null)}>
          Live
        </button>
      </div>
      <p class="position-words">
        <b>
          Record {shown.value.toLocaleString('en')} of {head.toLocaleString('en')}
        </b>{' '}
        <Happened at={at} />
        {task !== null && (
          <>
            {' '}
            <button type="button" class="quiet small" onClick={() => byTask(-1)}>
              earlier record of this task
            </button>
            <button type="button" class="quiet small" onClick={() => byTask(1)}>
              later one
            </button>
          </>
        )}
      </p>
    </section>
  );
}
