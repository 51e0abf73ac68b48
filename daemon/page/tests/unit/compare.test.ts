// Two positions compared: which fields of which rows differ.
import { describe, expect, it } from 'vitest';
import {
  differenceOf,
  differencesIn,
  fieldsBetween,
  shownValue,
  tasksMissing,
  turned,
  type ComparedRow,
} from '../../src/store/compare';

describe('fields between two rows', () => {
  it('are those that differ, by their paths', () => {
    expect(
      fieldsBetween(
        { stage: 'a', version: 1, run: { owner: { pid: 1 }, ttl: null } },
        { stage: 'b', version: 1, run: { owner: { pid: 2 }, ttl: null } },
      ),
    ).toEqual([
      { path: 'stage', before: 'a', after: 'b' },
      { path: 'run.owner.pid', before: 1, after: 2 },
    ]);
  });
  it('of an object that was nothing before are its own; of one that is another thing it is one value', () => {
    expect(fieldsBetween({ run: null }, { run: { pid: 4, ttl: null } })).toEqual([
      { path: 'run.pid', before: null, after: 4 },
    ]);
    expect(fieldsBetween({ run: { pid: 4 } }, { run: null })).toEqual([{ path: 'run.pid', before: 4, after: null }]);
    expect(fieldsBetween({ v: { a: 1 } }, { v: 'x' })).toEqual([{ path: 'v', before: { a: 1 }, after: 'x' }]);
  });
  it('of lists are told by their place if they are objects, and as a whole if not', () => {
    expect(
      fieldsBetween({ steps: [{ state: 'started' }] }, { steps: [{ state: 'done' }, { state: 'started' }] }),
    ).toEqual([
      { path: 'steps[0].state', before: 'started', after: 'done' },
      { path: 'steps[1].state', before: null, after: 'started' },
    ]);
    expect(fieldsBetween({ depends_on: [1, 2] }, { depends_on: [2] })).toEqual([
      { path: 'depends_on', before: [1, 2], after: [2] },
    ]);
  });
  it('of a plain value have no path', () => {
    expect(fieldsBetween(1, 5)).toEqual([{ path: '', before: 1, after: 5 }]);
    expect(fieldsBetween(false, true)).toEqual([{ path: '', before: false, after: true }]);
  });
  it('of a row that came are all that it has and that is not null', () => {
    expect(fieldsBetween(null, { a: 1, b: { c: null, d: 'x' } })).toEqual([
      { path: 'a', before: null, after: 1 },
      { path: 'b.d', before: null, after: 'x' },
    ]);
  });
});

const rows: ComparedRow[] = [
  { row: 'setting', id: 'reaper.enabled', before: true, after: false },
  { row: 'lease', id: 'task:12', before: { token: 4 }, after: null },
  { row: 'job', id: 7, before: null, after: { agent: 'coder', task: 12 } },
  { row: 'task', id: 12, before: { work_item: 'SHOP-1', stage: 'a' }, after: { work_item: 'SHOP-1', stage: 'b' } },
  { row: 'boot', id: 'b-1', before: null, after: { name: '' } },
];

describe('differences', () => {
  it('are the other way round from the other side', () => {
    const one = { from: 3, from_time: 'a', to: 9, to_time: 'b', rows, rows_total: 5 };
    expect(turned(one)).toMatchObject({ from: 9, from_time: 'b', to: 3, to_time: 'a', rows_total: 5 });
    expect(turned(one).rows.map((row) => differenceOf(row).change)).toEqual([
      'changed',
      'added',
      'removed',
      'changed',
      'removed',
    ]);
    expect(turned(turned(one))).toEqual(one);
  });
  it('say what became of a row, what it is called, and whose it is', () => {
    expect(rows.map(differenceOf).map(({ change, name, task }) => [change, name, task])).toEqual([
      ['changed', 'reaper.enabled', null],
      ['removed', 'task:12', 12],
      ['added', 'job 7, coder', 12],
      ['changed', 'SHOP-1', 12],
      ['added', 'b-1', null],
    ]);
  });
  it('know which tasks one of the positions does not have', () => {
    const came: ComparedRow = { row: 'task', id: 3, before: null, after: { stage: 'a' } };
    expect(tasksMissing([...rows, came])).toEqual({ from: new Set([3]), to: new Set() });
  });
  it('are grouped by kind, tasks first, and filtered by every word', () => {
    expect(differencesIn(rows, '').map(([kind]) => kind)).toEqual(['task', 'job', 'lease', 'boot', 'setting']);
    expect(differencesIn(rows, 'TASK 12').map(([kind]) => kind)).toEqual(['task', 'job', 'lease']);
    expect(differencesIn(rows, 'stage b').map(([kind]) => kind)).toEqual(['task']);
    expect(differencesIn(rows, 'removed').map(([kind]) => kind)).toEqual(['lease']);
    expect(differencesIn(rows, 'nothing')).toEqual([]);
    const unknown: ComparedRow = { row: 'new_kind', id: 'k', before: null, after: { a: 1 } };
    const hold: ComparedRow = { row: 'hold', id: 'repo:shop', before: null, after: { until: null } };
    expect(differencesIn([unknown, ...rows, hold], '').map(([kind]) => kind)).toEqual([
      'task',
      'job',
      'lease',
      'hold',
      'boot',
      'setting',
      'new_kind',
    ]);
  });
  it('show values in one line', () => {
    expect([null, 'x', 3, false, [1, 2], { a: 1 }].map(shownValue)).toEqual([
      '–',
      'x',
      '3',
      'false',
      '[1,2]',
      '{"a":1}',
    ]);
  });
});
