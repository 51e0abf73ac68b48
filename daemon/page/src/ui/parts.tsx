// Small parts that all views use.
import { useSignal } from '@preact/signals';
import type { ComponentChildren, JSX } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { msOf, nowMs } from '../store/clock';
import { dateAndTime, shortSpan, span } from '../words/time';
import { visible } from '../words/visible';

/// A text of others: a name, a reason. It stands by itself, whatever direction it is written in.
export function Name({ text, class: kind = '' }: { text: string; class?: string }): JSX.Element {
  return <bdi class={kind}>{visible(text)}</bdi>;
}

/// How long ago, counting on.
export function Age({ since, short = false }: { since: string; short?: boolean }): JSX.Element {
  const ms = nowMs.value - msOf(since);
  return (
    <time dateTime={since} title={dateAndTime(msOf(since))} class="age">
      {short ? shortSpan(ms) : span(ms)}
    </time>
  );
}

export function When({ time }: { time: string }): JSX.Element {
  return (
    <time dateTime={time} title={time} class="when">
      {dateAndTime(msOf(time))}
    </time>
  );
}

/// A ring that fills while something runs: its elapsed time against its time-out, if it has one.
export function Ring({ since, limitS }: { since: string; limitS: number | null }): JSX.Element {
  const elapsedMs = Math.max(0, nowMs.value - msOf(since));
  const part = limitS ? Math.min(1, elapsedMs / (limitS * 1000)) : 0;
  const length = 2 * Math.PI * 6;
  const kind = part >= 1 ? 'over' : part > 0.8 ? 'late' : '';
  const words = limitS ? `${span(elapsedMs)} of ${span(limitS * 1000)}` : span(elapsedMs);
  return (
    <span class={`ring ${kind}`} title={words}>
      <svg viewBox="0 0 16 16" aria-hidden="true">
        <circle cx="8" cy="8" r="6" class="track" />
        {limitS ? (
          <circle
            cx="8"
            cy="8"
            r="6"
            class="done"
            stroke-dasharray={`${part * length} ${length}`}
            transform="rotate(-90 8 8)"
          />
        ) : (
          <circle cx="8" cy="8" r="2.5" class="dot" />
        )}
      </svg>
      <span class="ring-words">{words}</span>
    </span>
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }): JSX.Element {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children && <div class="empty-more">{children}</div>}
    </div>
  );
}

export function Failure({ words, again }: { words: string; again?: () => void }): JSX.Element {
  return (
    <div class="failure" role="alert">
      <p>{visible(words)}</p>
      {again && (
        <button type="button" onClick={again}>
          Try again
        </button>
      )}
    </div>
  );
}

export function Loading({ what }: { what: string }): JSX.Element {
  return (
    <p class="loading" role="status">
      Reading {what} …
    </p>
  );
}

/// A modal dialog of the browser: it holds the focus, ends with Escape, and gives the focus back. It is about what is
/// behind it, so it ends, too, when the reader goes elsewhere ("back" is not behind it).
export function Dialog({
  title,
  close,
  children,
}: {
  title: string;
  close: () => void;
  children: ComponentChildren;
}): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  // Before the next key is pressed, which may be Escape.
  useLayoutEffect(() => {
    const before = document.activeElement;
    const shown = dialog.current;
    shown?.showModal();
    window.addEventListener('hashchange', close);
    return () => {
      window.removeEventListener('hashchange', close);
      shown?.close(); // until then, nothing outside can have the focus
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      aria-labelledby="dialog-title"
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
      onClick={(event) => {
        if (event.target === dialog.current) close();
      }}
    >
      <div class="dialog">
        <div class="dialog-head">
          <h2 id="dialog-title">{title}</h2>
          <button type="button" class="quiet icon" aria-label="Close" onClick={close}>
            ✕
          </button>
        </div>
        {children}
      </div>
    </dialog>
  );
}

export interface Head {
  name: string;
  class?: string;
  isUnseen?: boolean; // for screen readers alone
}

/// A table that becomes a list of cards on a narrow screen: each cell then has its heading before it.
export function Rows({
  label,
  heads,
  children,
}: {
  label: string;
  heads: Head[];
  children: ComponentChildren;
}): JSX.Element {
  return (
    <table class="rows" aria-label={label}>
      <thead>
        <tr>
          {heads.map((head) => (
            <th key={head.name} scope="col" class={head.class ?? ''}>
              <span class={head.isUnseen ? 'unseen' : ''}>{head.name}</span>
            </th>
          ))}
        </tr>
      </thead>
      <tbody>{children}</tbody>
    </table>
  );
}

export function Cell({
  of,
  class: kind = '',
  children,
}: {
  of: string;
  class?: string;
  children?: ComponentChildren;
}): JSX.Element {
  return (
    <td data-of={of} class={kind}>
      <div class="cell">{children}</div>
    </td>
  );
}

/// For the button that shows the next ones: "Show 200 of 731 more".
export const moreWords = (step: number, hidden: number): string =>
  hidden > step ? `Show ${step} of ${hidden} more` : `Show ${hidden} more`;

/// Shows the first so many, and the rest on demand.
export function More<T>({
  items,
  step = 200,
  each,
}: {
  items: readonly T[];
  step?: number;
  each: (item: T) => JSX.Element;
}): JSX.Element {
  const shown = useSignal(step);
  return (
    <>
      {items.slice(0, shown.value).map(each)}
      {items.length > shown.value && (
        <tr class="more">
          <td colSpan={99}>
            <button type="button" onClick={() => (shown.value += step)}>
              {moreWords(step, items.length - shown.value)}
            </button>
          </td>
        </tr>
      )}
    </>
  );
}
