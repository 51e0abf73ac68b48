// A stage of the board. A long one draws only the cards that can be seen, all of one height.
import { useSignal } from '@preact/signals';
import { memo } from 'preact/compat';
import type { JSX } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { Name } from '../ui/parts';
import { remPx } from '../ui/size';
import { world } from '../world';
import { Card } from './card';

const drawnInFullMax = 60;
const cardRem = 8; // with the gap below it; the style sheet has the same
const spare = 6;

const OneCard = memo(({ id }: { id: number }) => (
  <li>
    <Card id={id} />
  </li>
));

export function Column({ pipeline, stage }: { pipeline: string; stage: string }): JSX.Element {
  const column = world.columns.of(pipeline, stage);
  void column.version.value;
  const { ids } = column;
  const scroller = useRef<HTMLUListElement>(null);
  const view = useSignal({ top: 0, height: 800 });
  const isLong = ids.length > drawnInFullMax;
  const cardPx = cardRem * remPx();

  const look = (): void => {
    const list = scroller.current;
    if (!list || !isLong) return;
    const { scrollTop, clientHeight } = list;
    if (scrollTop === view.value.top && clientHeight === view.value.height) return;
    view.value = { top: scrollTop, height: clientHeight };
  };
  useLayoutEffect(look);

  let first = 0;
  let end = ids.length;
  if (isLong) {
    const { top, height } = view.value;
    first = Math.max(0, Math.min(Math.floor(top / cardPx), ids.length) - spare);
    end = Math.min(ids.length, Math.ceil((top + height) / cardPx) + spare);
  }
  return (
    <section class={`column${ids.length === 0 ? ' is-empty' : ''}`} aria-label={`${stage}: ${ids.length}`}>
      <h3 class="column-head">
        <Name text={stage} class="stage" /> <span class="count">{ids.length.toLocaleString('en')}</span>
      </h3>
      {ids.length > 0 && (
        <ul class={`cards${isLong ? ' is-long' : ''}`} ref={scroller} onScroll={look} tabIndex={-1}>
          {first > 0 && <li class="spacer" style={{ height: `${first * cardPx}px` }} aria-hidden="true" />}
          {ids.slice(first, end).map((id) => (
            <OneCard key={id} id={id} />
          ))}
          {end < ids.length && (
            <li class="spacer" style={{ height: `${(ids.length - end) * cardPx}px` }} aria-hidden="true" />
          )}
        </ul>
      )}
    </section>
  );
}

/// Moves the focus between cards: up and down in a stage, left and right to the next stage that has any.
export function moveFocus(event: KeyboardEvent): void {
  const card = event.target instanceof HTMLElement ? event.target.closest('.card') : null;
  if (!card || event.altKey || event.ctrlKey || event.metaKey) return;
  const item = card.parentElement;
  const column = card.closest('.column');
  let next: Element | null | undefined = null;
  if (event.key === 'ArrowDown') next = item?.nextElementSibling?.querySelector('.card');
  else if (event.key === 'ArrowUp') next = item?.previousElementSibling?.querySelector('.card');
  else if (event.key === 'ArrowRight' || event.key === 'ArrowLeft') {
    const all = [...document.querySelectorAll('.column:not(.is-empty)')];
    next = all[all.indexOf(column as Element) + (event.key === 'ArrowRight' ? 1 : -1)]?.querySelector('.card');
  } else return;
  event.preventDefault();
  if (next instanceof HTMLElement) next.focus();
}
