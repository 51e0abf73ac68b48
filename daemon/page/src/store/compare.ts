// Two positions of the log, compared: which rows came, went or changed between them, and which of their fields.
import type { Client } from '../api/client';
import type { Value } from '../api/types';
import { grouped } from './grouped';
import { taskOfKey } from './rows';

export interface ComparedRow {
  row: string; // 'task', 'job' …
  id: number | string; // of a task, job or pipeline; all others have their key here
  before: Value;
  after: Value;
}

export interface Comparison {
  from: number;
  from_time: string;
  to: number;
  to_time: string;
  rows: ComparedRow[];
  rows_total: number;
}

/// The same, seen from the other side: pawld is asked from the earlier position to the later one.
export function turned({ from, from_time, to, to_time, rows, rows_total }: Comparison): Comparison {
  const other = rows.map((row) => ({ ...row, before: row.after, after: row.before }));
  return { from: to, from_time: to_time, to: from, to_time: from_time, rows: other, rows_total };
}

const perRead = 256;

/// The first `count` rows that differ, page by page, from the earlier position to the later one.
export async function readComparison(
  client: Client,
  sides: { from: number; to: number },
  count: number,
  signal: AbortSignal,
): Promise<Comparison> {
  const page = (skip: number): Promise<Comparison> =>
    client.get<Comparison>('v1/compare', { ...sides, limit: perRead, skip }, signal);
  const all = await page(0);
  for (let skip = perRead; skip < Math.min(count, all.rows_total); skip += perRead)
    all.rows.push(...(await page(skip)).rows);
  return all;
}

export type Change = 'added' | 'removed' | 'changed';

/// A field that differs; null in place of one that is not there. Its path is as in `run.owner.pid` or `steps[0].state`.
export interface FieldChange {
  path: string;
  before: Value;
  after: Value;
}

export interface Difference {
  row: ComparedRow;
  change: Change;
  name: string; // for people
  task: number | null; // whose row it is
  fields: FieldChange[]; // of a row that came or went: all that it has
}

type Fields = { [name: string]: Value };
const isFields = (value: Value | undefined): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function collect(path: string, before: Value | undefined, after: Value | undefined, found: FieldChange[]): void {
  if (JSON.stringify(before ?? null) === JSON.stringify(after ?? null)) return;
  if (
    isFields(before ?? after ?? null) &&
    (isFields(before) || (before ?? null) === null) &&
    (isFields(after) || (after ?? null) === null)
  ) {
    const [one, two] = [(before ?? {}) as Fields, (after ?? {}) as Fields];
    const names = new Set([...Object.keys(one), ...Object.keys(two)]);
    for (const name of names) collect(path === '' ? name : `${path}.${name}`, one[name], two[name], found);
  } else if (Array.isArray(before ?? []) && Array.isArray(after ?? []) && hasFields(before, after)) {
    const [one, two] = [(before ?? []) as Value[], (after ?? []) as Value[]];
    for (let at = 0; at < Math.max(one.length, two.length); at++) collect(`${path}[${at}]`, one[at], two[at], found);
  } else {
    found.push({ path, before: before ?? null, after: after ?? null });
  }
}

/// A list of numbers or words is one value; one of objects is compared object by object.
const hasFields = (...lists: (Value | undefined)[]): boolean =>
  lists.some((list) => Array.isArray(list) && list.some(isFields));

/// The fields that differ, those of objects within by their paths.
export function fieldsBetween(before: Value, after: Value): FieldChange[] {
  const found: FieldChange[] = [];
  collect('', before ?? undefined, after ?? undefined, found);
  return found;
}

const textIn = (value: Value, ...path: string[]): string => {
  const found = path.reduce<Value | undefined>((at, name) => (isFields(at) ? at[name] : undefined), value);
  return typeof found === 'string' ? found : '';
};

function nameOf({ row, id, before, after }: ComparedRow): string {
  const value = after ?? before;
  switch (row) {
    case 'task':
      return textIn(value, 'work_item') || `task ${id}`;
    case 'job':
      return `job ${id}${textIn(value, 'agent') === '' ? '' : `, ${textIn(value, 'agent')}`}`;
    case 'pipeline':
      return textIn(value, 'definition', 'name') || textIn(value, 'name') || `pipeline ${id}`;
    case 'boot':
      return textIn(value, 'name') || String(id);
    default:
      return String(id);
  }
}

function taskOf({ row, id, before, after }: ComparedRow): number | null {
  if (row === 'task') return Number(id);
  if (row === 'lease') return taskOfKey(String(id));
  const value = after ?? before;
  return row === 'job' && isFields(value) && typeof value['task'] === 'number' ? value['task'] : null;
}

export function differenceOf(row: ComparedRow): Difference {
  const change: Change = row.before === null ? 'added' : row.after === null ? 'removed' : 'changed';
  return { row, change, name: nameOf(row), task: taskOf(row), fields: fieldsBetween(row.before, row.after) };
}

/// A value in one line.
export const shownValue = (value: Value): string =>
  value === null ? '–' : typeof value === 'string' ? value : JSON.stringify(value);

const order = ['task', 'job', 'lease', 'hold', 'freeze', 'boot', 'pipeline', 'setting'];

/// Which tasks are not there at the first of the two positions, and which at the second.
export function tasksMissing(rows: readonly ComparedRow[]): { from: Set<number>; to: Set<number> } {
  const idsOf = (change: Change): number[] =>
    rows
      .map(differenceOf)
      .flatMap((each) => (each.row.row === 'task' && each.change === change ? [Number(each.row.id)] : []));
  return { from: new Set(idsOf('added')), to: new Set(idsOf('removed')) };
}

/// The differences that have every word of the filter in their name, kind or fields; by kind, tasks first.
export function differencesIn(
  rows: readonly ComparedRow[],
  filter: string,
): [kind: string, differences: Difference[]][] {
  const words = filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  const passes = ({ row, change, name, task, fields }: Difference): boolean => {
    const ofTask = task === null ? '' : `task ${task}`;
    const text = [
      row.row,
      change,
      name,
      row.id,
      ofTask,
      ...fields.map(({ path, before, after }) => `${path} ${shownValue(before)} ${shownValue(after)}`),
    ];
    const all = text.join(' ').toLowerCase();
    return words.every((word) => all.includes(word));
  };
  return grouped(rows.map(differenceOf).filter(passes), ({ row }) => row.row, order);
}
