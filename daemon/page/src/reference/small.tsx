// Small parts of the page of the calls.
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { visible } from '../words/visible';
import { proseOf, type Call } from './document';

export function Method({ of }: { of: Call }): JSX.Element {
  return <span class={`method${of.changes ? ' changes' : ''}`}>{of.method}</span>;
}

/// A path, which may be broken behind each of its slashes.
export function Path({ of }: { of: Call }): JSX.Element {
  return (
    <span class="call-path">
      {of.path.split(/(?<=\/)/).map((part) => (
        <>
          {part}
          <wbr />
        </>
      ))}
    </span>
  );
}

/// A text of the document.
export function Prose({ text }: { text: string }): JSX.Element {
  return (
    <>
      {proseOf(text).map((part, at) => (part.isCode ? <code key={at}>{visible(part.text)}</code> : visible(part.text)))}
    </>
  );
}

/// Copies a text, and says so. Where the browser lets no page copy (it does on https and loopback addresses alone), the
/// text is selected instead.
export function Copy({ text, select }: { text: string; select: () => void }): JSX.Element {
  const said = useSignal('');
  useEffect(() => {
    said.value = '';
  }, [text]);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      said.value = 'Copied';
    } catch {
      select();
      said.value = 'Selected: copy it with the keyboard';
    }
  };
  return (
    <>
      <span class="aside" role="status">
        {said.value}
      </span>
      <button type="button" class="small" onClick={() => void copy()}>
        Copy
      </button>
    </>
  );
}
