// What `pawl check` finds in a log, in words.
import { grouped } from '../store/grouped';

/// The kinds of findings, what matters most first.
const kinds: [kind: string, heading: string][] = [
  ['incident', 'Incidents'],
  ['violation', 'An invariant was broken'],
  ['divergence', 'Decided differently from what the rules say'],
  ['contradiction', 'Two ways at once'],
  ['double_effect', 'A step may have had its effect twice'],
  ['reaped_alive', 'Reaped while its owner was alive'],
  ['double_entry', 'A crossing was entered twice'],
  ['overdue', 'Outlived its limit'],
  ['rewritten', 'A witness saw another record'],
  ['cut_off', 'A witness saw more records'],
  ['gap', 'Records are missing'],
  ['time_backwards', 'Time went back'],
  ['taken_on_word', 'Begun again because it was said not to have happened'],
  ['unchecked', 'Decided with ownership off'],
];

export const headingOf = (kind: string): string => kinds.find(([each]) => each === kind)?.[1] ?? kindName(kind);

/// The kind as a tag: "reaped alive".
export const kindName = (kind: string): string => kind.replace(/_/g, ' ');

/// By kind, in the order above.
export const byKind = <T extends { kind: string }>(findings: readonly T[]): [kind: string, findings: T[]][] =>
  grouped(
    findings,
    ({ kind }) => kind,
    kinds.map(([kind]) => kind),
  );
