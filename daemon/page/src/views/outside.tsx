// What pawld counts of the outside: what forges are told, and what webhooks bring.
import type { JSX } from 'preact';
import { Cell, Name, Rows } from '../ui/parts';

/// A figure, and whether it is bad if it is not 0.
type Figure = [name: string, value: number, isBad?: boolean];
type FigureRow = [of: string, figures: Figure[]];
type PerForge = { [forge: string]: number };

export interface Forges {
  waiting: PerForge;
  told: PerForge;
  retried: PerForge;
  refused: PerForge;
}

interface Webhook {
  configured: boolean;
  received: number;
  calls: number;
  ignored: number;
  refused: number;
  bad_signatures: number;
}

/// By source. Beside them is what was refused, which has none of these.
export type Webhooks = { [source: string]: Partial<Webhook> };

const number = (value: number): string => value.toLocaleString('en');

function Figures({ label, first, rows }: { label: string; first: string; rows: FigureRow[] }): JSX.Element {
  const names = rows[0]?.[1].map(([name]) => name) ?? [];
  return (
    <section class="panel" aria-label={label}>
      <h2>{label}</h2>
      <Rows label={label} heads={[{ name: first }, ...names.map((name) => ({ name, class: 'num' }))]}>
        {rows.map(([of, figures]) => (
          <tr key={of}>
            <Cell of={first}>
              <Name text={of} />
            </Cell>
            {figures.map(([name, value, isBad]) => (
              <Cell key={name} of={name} class="num">
                {isBad && value > 0 ? <span class="tag bad">{number(value)}</span> : number(value)}
              </Cell>
            ))}
          </tr>
        ))}
      </Rows>
    </section>
  );
}

/// Only what there is: forges that were told something or are to be, and webhooks that are configured or were called.
export function Outside({ forges, webhooks }: { forges: Forges | null; webhooks: Webhooks | null }): JSX.Element {
  const kinds = Object.keys(forges?.waiting ?? {});
  const told = kinds.flatMap((kind): FigureRow[] => {
    const of = (counts: PerForge | undefined): number => counts?.[kind] ?? 0;
    const row: Figure[] = [
      ['Waiting', of(forges?.waiting)],
      ['Told', of(forges?.told)],
      ['Tried again', of(forges?.retried)],
      ['Refused', of(forges?.refused), true],
    ];
    return row.some(([, value]) => value > 0) ? [[kind, row]] : [];
  });
  const heard = Object.entries(webhooks ?? {}).flatMap(([source, hook]): FigureRow[] => {
    if (!hook.configured && !hook.received) return [];
    const row: Figure[] = [
      ['Received', hook.received ?? 0],
      ['Calls', hook.calls ?? 0],
      ['Ignored', hook.ignored ?? 0],
      ['Refused', hook.refused ?? 0, true],
      ['Bad signatures', hook.bad_signatures ?? 0, true],
    ];
    return [[source, row]];
  });
  return (
    <>
      {told.length > 0 && <Figures label="What forges were told" first="Forge" rows={told} />}
      {heard.length > 0 && <Figures label="Webhooks" first="Source" rows={heard} />}
    </>
  );
}
