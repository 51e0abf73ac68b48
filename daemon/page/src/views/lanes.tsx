// The swim lanes of a task on a real time axis.
import { useSignal, type Signal } from '@preact/signals';
import type { JSX } from 'preact';
import type { LogRecord, LogRun } from '../api/types';
import { msOf, nowMs } from '../store/clock';
import { lanesOf, ticksOf, type Bar, type Lane, type Mark } from '../store/lanes';
import { Name } from '../ui/parts';
import { remPx } from '../ui/size';
import { exactSpan, timeOfDay } from '../words/time';
import { visible } from '../words/visible';

const shownMax = 800;
const signs: { [kind in Mark['kind']]: string } = {
  refused: '✕',
  moved: '▸',
  blocked: '■',
  unblocked: '□',
  cancel: '⊘',
  note: '✎',
  gate: '◆',
};

interface Range {
  begin: number;
  end: number;
}

const percent = (at: number, { begin, end }: Range): number => ((at - begin) / (end - begin)) * 100;
const clamp = (value: number): number => Math.max(-0.5, Math.min(100.5, value));

function BarBox({
  bar,
  range,
  now,
  select,
}: {
  bar: Bar;
  range: Range;
  now: number;
  select: (seq: number) => void;
}): JSX.Element {
  const end = bar.end ?? now;
  const left = clamp(percent(bar.begin, range));
  const right = clamp(percent(end, range));
  const took = `${bar.end === null ? 'for' : 'took'} ${exactSpan(end - bar.begin)}`;
  const words = `${bar.label}, ${took}, at ${timeOfDay(bar.begin)}`;
  return (
    <button
      type="button"
      class={`bar ${bar.kind} ${bar.state}`}
      style={{ left: `${left}%`, width: `max(4px, ${right - left}%)` }}
      title={visible(words)}
      aria-label={visible(words)}
      onClick={() => select(bar.seq)}
    />
  );
}

function MarkSign({ mark, range, select }: { mark: Mark; range: Range; select: (seq: number) => void }): JSX.Element {
  const lost = mark.winner === null ? '' : `; it lost to record ${mark.winner}`;
  const words = visible(`${timeOfDay(mark.at)}: ${mark.label}${lost}`);
  return (
    <button
      type="button"
      class={`mark ${mark.kind}`}
      style={{ left: `${percent(mark.at, range)}%` }}
      title={words}
      aria-label={words}
      onClick={() => select(mark.winner ?? mark.seq)}
    >
      {signs[mark.kind]}
    </button>
  );
}

/// The whole history; with some air on both sides.
function wholeOf(records: readonly LogRecord[], now: number, isRunning: boolean): Range {
  const begin = msOf(records[0]?.time ?? '') || now - 1000;
  const last = msOf(records[records.length - 1]?.time ?? '') || now;
  const end = Math.max(isRunning ? now : last, begin + 100);
  const air = (end - begin) * 0.015;
  return { begin: begin - air, end: end + air };
}

export function LanesView({
  records,
  runs,
  selected,
}: {
  records: readonly LogRecord[];
  runs: readonly LogRun[];
  selected: Signal<number | null>;
}): JSX.Element {
  const chosen = useSignal<Range | null>(null); // null: everything
  const lanes = lanesOf(records, runs);
  const isRunning = lanes.some(({ bars }) => bars.some(({ end }) => end === null));
  const now = isRunning ? nowMs.value : nowMs.peek();
  const whole = wholeOf(records, now, isRunning);
  const range = chosen.value ?? whole;
  const width = range.end - range.begin;
  const select = (seq: number): void => {
    selected.value = seq;
  };
  const zoom = (factor: number, around = 0.5): void => {
    const fresh = Math.max(50, width * factor);
    if (fresh >= whole.end - whole.begin) {
      chosen.value = null;
      return;
    }
    const centre = range.begin + width * around;
    const begin = Math.max(whole.begin, Math.min(centre - fresh * around, whole.end - fresh));
    chosen.value = { begin, end: begin + fresh };
  };
  const move = (part: number): void => {
    const begin = Math.max(whole.begin, Math.min(range.begin + width * part, whole.end - width));
    if (chosen.value) chosen.value = { begin, end: begin + width };
  };
  const onWheel = (event: WheelEvent): void => {
    if (!event.ctrlKey && !event.shiftKey) return; // an ordinary wheel scrolls the page
    event.preventDefault();
    if (event.shiftKey) return move(Math.sign(event.deltaY + event.deltaX) * 0.1);
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    zoom(event.deltaY > 0 ? 1.25 : 0.8, (event.clientX - box.left) / box.width);
  };
  const sees = (begin: number, end: number): boolean => end >= range.begin && begin <= range.end;
  let drawn = 0;
  const fits = (lane: Lane): { bars: Bar[]; marks: Mark[] } => {
    const bars = lane.bars.filter((bar) => sees(bar.begin, bar.end ?? now)).slice(0, Math.max(0, shownMax - drawn));
    drawn += bars.length;
    const marks = lane.marks.filter((mark) => sees(mark.at, mark.at)).slice(0, Math.max(0, shownMax - drawn));
    drawn += marks.length;
    return { bars, marks };
  };
  // As many labels as fit beside each other.
  const ticksMax = Math.max(2, Math.min(6, Math.floor(innerWidth / (remPx() * 11))));
  const ticks = ticksOf(range.begin, range.end, ticksMax);
  return (
    <section class="panel lanes" aria-label="Swim lanes">
      <div class="panel-head">
        <h2>Who did what</h2>
        <div class="tools" role="group" aria-label="Time axis">
          <button
            type="button"
            class="quiet small"
            aria-label="Earlier"
            onClick={() => move(-0.25)}
            disabled={!chosen.value}
          >
            ←
          </button>
          <button
            type="button"
            class="quiet small"
            aria-label="Zoom out"
            onClick={() => zoom(2)}
            disabled={!chosen.value}
          >
            −
          </button>
          <button type="button" class="quiet small" aria-label="Zoom in" onClick={() => zoom(0.5)}>
            +
          </button>
          <button
            type="button"
            class="quiet small"
            aria-label="Later"
            onClick={() => move(0.25)}
            disabled={!chosen.value}
          >
            →
          </button>
          <button type="button" class="quiet small" onClick={() => (chosen.value = null)} disabled={!chosen.value}>
            All
          </button>
        </div>
      </div>
      <div class="lane-grid" onWheel={onWheel}>
        {lanes.map((lane) => {
          const { bars, marks } = fits(lane);
          return (
            <div class="lane" key={lane.actor} role="group" aria-label={visible(`Acts of ${lane.actor}`)}>
              <div class="lane-name">
                <Name text={lane.actor} />
              </div>
              <div class="lane-line">
                {ticks.map((tick) => (
                  <span class="grid-line" key={tick} style={{ left: `${percent(tick, range)}%` }} />
                ))}
                {bars.map((bar) => (
                  <BarBox key={`${bar.kind}${bar.seq}`} bar={bar} range={range} now={now} select={select} />
                ))}
                {marks.map((mark) => (
                  <MarkSign key={mark.seq} mark={mark} range={range} select={select} />
                ))}
              </div>
            </div>
          );
        })}
        <div class="lane axis" aria-hidden="true">
          <div class="lane-name" />
          <div class="lane-line">
            {ticks
              .filter((tick) => percent(tick, range) < 86)
              .map((tick) => (
                <span class="tick" key={tick} style={{ left: `${percent(tick, range)}%` }}>
                  {timeOfDay(tick)}
                  {width < 5000 && `.${String(tick % 1000).padStart(3, '0')}`}
                </span>
              ))}
          </div>
        </div>
      </div>
      <p class="legend">
        <span class="key lease" /> lease <span class="key agent" /> agent <span class="key gate" /> gate{' '}
        <span class="key step" /> step <span class="key-sign refused">✕</span> refused{' '}
        <span class="key-sign moved">▸</span> moved <span class="key-sign blocked">■</span> blocked
        {drawn >= shownMax && ' · Only the first are drawn: zoom in to see the others.'}
      </p>
    </section>
  );
}
