// Records as links to where they can be seen.
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { recordHash } from '../route';
import { Name } from '../ui/parts';

export function Seq({
  seq,
  task = null,
  word = 'record ',
}: {
  seq: number;
  task?: number | null;
  word?: string;
}): JSX.Element {
  return <a href={recordHash(seq, task)}>{`${word}${seq.toLocaleString('en')}`}</a>;
}

const shownMax = 16;

/// Many: the first, and the others on demand.
export function Seqs({ seqs, task = null }: { seqs: number[]; task?: number | null }): JSX.Element {
  const isAll = useSignal(false);
  const shown = isAll.value ? seqs : seqs.slice(0, shownMax);
  return (
    <span class="seqs">
      {shown.map((seq) => (
        <Seq key={seq} seq={seq} task={task} word="" />
      ))}
      {seqs.length > shown.length && (
        <button type="button" class="link" onClick={() => (isAll.value = true)}>
          and {seqs.length - shown.length} more
        </button>
      )}
    </span>
  );
}

/// By which values records were decided.
export function Decided({ lines }: { lines: string[] }): JSX.Element | null {
  if (lines.length === 0) return null;
  return (
    <ul class="decided">
      {lines.map((line) => (
        <li key={line}>
          <span class="tag">decided</span> <Name text={line} />
        </li>
      ))}
    </ul>
  );
}
