// The output of an agent, gate, step or probe; it follows while that runs. Draws only the lines that can be seen.
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import { client } from '../api/session';
import type { LogRun } from '../api/types';
import { spansOf, type Style } from '../output/ansi';
import { OutputReader } from '../output/reader';
import type { Found } from '../output/text';
import { msOf } from '../store/clock';
import { Empty } from '../ui/parts';
import { remPx } from '../ui/size';
import { bytes, counted, timeOfDay } from '../words/time';
import { visible } from '../words/visible';

const lineRem = 1.4; // the style sheet has the same
/// Browsers lay out nothing that is taller than some 16 million pixels.
const tallPxMax = 8_000_000;

export function nameOfRun(run: LogRun): string {
  const name = run.name === null ? run.stage : `${run.name} of ${run.stage}`;
  const attempt = run.attempt === null ? '' : `, attempt ${run.attempt}`;
  return `${run.what} ${name}${attempt}`;
}

function classOf(style: Style): string {
  const { colour, ground } = style.inverse ? { colour: style.ground ?? -1, ground: style.colour ?? -1 } : style;
  return [
    colour === null ? '' : colour === -1 ? 'c-ground' : `c${colour}`,
    ground === null ? '' : ground === -1 ? 'g-ink' : `g${ground}`,
    style.bold && 'b',
    style.faint && 'f',
    style.italic && 'i',
    style.underline && 'u',
  ]
    .filter(Boolean)
    .join(' ');
}

function OutputLine({
  number,
  text,
  style,
  isFound,
}: {
  number: number;
  text: string;
  style: Style;
  isFound: boolean;
}): JSX.Element {
  const { spans } = spansOf(text, style);
  return (
    <div class={`out-line${isFound ? ' is-found' : ''}`}>
      <span class="out-number" aria-hidden="true">
        {number + 1}
      </span>
      <span class="out-text">
        {spans.map((span, at) => (
          <span key={at} class={classOf(span.style)}>
            {visible(span.text)}
          </span>
        ))}
      </span>
    </div>
  );
}

export function OutputView({
  task,
  runs,
  chosen,
  choose,
}: {
  task: number;
  runs: readonly LogRun[];
  chosen: string | null;
  choose: (run: string) => void;
}): JSX.Element {
  const run = runs.find((each) => each.run === chosen) ?? runs[0];
  return (
    <section class="panel output-panel" aria-label="Output">
      <div class="panel-head">
        <h2>Output</h2>
        {run && (
          <select
            class="run-choice"
            aria-label="Run"
            value={run.run}
            onChange={(event) => choose(event.currentTarget.value)}
          >
            {runs.map((each) => (
              <option key={each.run} value={each.run}>
                {timeOfDay(msOf(each.began_at))} {visible(nameOfRun(each))} ({bytes(each.bytes)}
                {each.ended_at === null ? ', running' : ''})
              </option>
            ))}
          </select>
        )}
      </div>
      {run ? <Viewer key={run.run} task={task} run={run} /> : <Empty title="Nothing has printed anything yet" />}
    </section>
  );
}

function foundWords({ lines, isAll }: Found, at: number): string {
  if (lines.length === 0) return 'not found';
  return `${at + 1} of ${lines.length.toLocaleString('en')}${isAll ? '' : '+'} lines`;
}

function Viewer({ task, run }: { task: number; run: LogRun }): JSX.Element {
  const version = useSignal(0);
  const follows = useSignal(run.ended_at === null);
  const first = useSignal(0); // the line at the top
  const query = useSignal('');
  const found = useSignal<Found>({ lines: [], isAll: true });
  const at = useSignal(-1); // which of the found
  const box = useRef<HTMLDivElement>(null);
  const reader = useMemo(() => new OutputReader(client, task, run.run, () => version.value++), [task, run.run]);

  useEffect(() => {
    void reader.read();
    return () => reader.stop();
  }, [reader]);

  void version.value;
  const { text, progress } = reader;
  const linePx = lineRem * remPx();
  const count = text.lines;
  const height = box.current?.clientHeight ?? 400;
  const rows = Math.ceil(height / linePx) + 1;
  const tall = Math.min(count * linePx + 8, tallPxMax);
  const isScaled = count * linePx + 8 > tallPxMax;
  const lastFirst = Math.max(0, count - rows + 2);

  const scrollToLine = (line: number): void => {
    const list = box.current;
    if (!list) return;
    const wanted = Math.max(0, Math.min(line, lastFirst));
    first.value = wanted;
    list.scrollTop = isScaled ? (wanted / Math.max(1, lastFirst)) * (tall - list.clientHeight) : wanted * linePx;
  };
  const onScroll = (): void => {
    const list = box.current;
    if (!list) return;
    const end = list.scrollHeight - list.clientHeight;
    first.value = isScaled
      ? Math.round((list.scrollTop / Math.max(1, end)) * lastFirst)
      : Math.floor(list.scrollTop / linePx);
    if (list.scrollTop < end - linePx * 2) follows.value = false;
  };
  useLayoutEffect(() => {
    if (follows.value) scrollToLine(lastFirst);
  });

  // Looks again when more has come, but not on every piece of a long output.
  const searched =
    query.value === '' ? '' : `${query.value}\n${progress.isOver ? 'all' : Math.floor(progress.bytes / (4 << 20))}`;
  useEffect(() => {
    if (query.value === '') {
      found.value = { lines: [], isAll: true };
      at.value = -1;
      return;
    }
    let isOver = false;
    const timer = setTimeout(() => {
      void text
        .find(query.value, () => isOver)
        .then((result) => {
          if (isOver) return;
          found.value = result;
          if (at.value === -1 && result.lines[0] !== undefined) goTo(0);
        });
    }, 150);
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [searched]);
  const goTo = (place: number): void => {
    const { lines } = found.value;
    if (lines.length === 0) return;
    at.value = (place + lines.length) % lines.length;
    follows.value = false;
    scrollToLine((lines[at.value] ?? 0) - 3);
  };

  const foundLine = found.value.lines[at.value] ?? -1;
  const top = isScaled ? (box.current?.scrollTop ?? 0) : first.value * linePx;
  const shown: JSX.Element[] = [];
  for (let number = first.value; number < Math.min(count, first.value + rows); number++) {
    const line = text.line(number);
    shown.push(
      <OutputLine key={number} number={number} text={line.text} style={line.style} isFound={number === foundLine} />,
    );
  }
  return (
    <>
      <div class="out-tools">
        <form
          role="search"
          onSubmit={(event) => {
            event.preventDefault();
            goTo(at.value + 1);
          }}
        >
          <input
            type="search"
            class="search"
            placeholder="Search the output"
            aria-label="Search the output"
            value={query.value}
            onInput={(event) => {
              query.value = event.currentTarget.value;
              at.value = -1;
            }}
          />
          {query.value !== '' && (
            <>
              <span class="shown" role="status">
                {foundWords(found.value, at.value)}
              </span>
              <button type="button" class="quiet small" aria-label="Previous match" onClick={() => goTo(at.value - 1)}>
                ↑
              </button>
              <button type="submit" class="quiet small" aria-label="Next match">
                ↓
              </button>
            </>
          )}
        </form>
        <span class="shown">
          {counted(count, 'line')}, {bytes(progress.bytes)}
          {!progress.isOver && progress.failed === null && (run.ended_at === null ? ' · running' : ' · reading')}
        </span>
        <label class="check">
          <input
            type="checkbox"
            checked={follows.value}
            onChange={(event) => (follows.value = event.currentTarget.checked)}
          />
          Follow
        </label>
      </div>
      {progress.failed !== null && (
        <p class="problem" role="alert">
          {visible(progress.failed)}
        </p>
      )}
      <div
        class="out"
        style={{ height: `min(32rem, 62vh, ${Math.max(8, count + 1) * linePx}px)` }}
        ref={box}
        onScroll={onScroll}
        tabIndex={0}
        role="log"
        aria-live="off"
        aria-label={visible(`Output of ${nameOfRun(run)}`)}
      >
        <div class="out-tall" style={{ height: `${tall}px` }}>
          <div class="out-lines" style={{ transform: `translateY(${top}px)` }}>
            {shown}
          </div>
        </div>
      </div>
    </>
  );
}
