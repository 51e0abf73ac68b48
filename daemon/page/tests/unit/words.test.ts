// Addresses, commands, sentences and columns.
import { describe, expect, it } from 'vitest';
import type { LogRecord, LogRun, Task } from '../../src/api/types';
import { hashOf, placeOf } from '../../src/route';
import { effectsOf } from '../../src/store/acts';
import { actsOf, wordsOf } from '../../src/store/commands';
import { Columns, noFilter } from '../../src/store/columns';
import { lanesOf, ticksOf } from '../../src/store/lanes';
import { sentenceOf, winnerOf } from '../../src/words/record';
import { bytes, shortSpan, span } from '../../src/words/time';
import { visible } from '../../src/words/visible';

describe('addresses', () => {
  it('say view, task, filters and position, and come back the same', () => {
    for (const hash of [
      '#/board',
      '#/task/7',
      '#/board?repo=a%2Fb&text=x%20y',
      '#/queue@345',
      '#/task/7@12',
      '#/board?text=a%40b@9',
    ]) {
      const place = placeOf(hash);
      expect(place.view).not.toBeNull();
      expect(hashOf({ view: place.view as 'board', id: place.id, filters: place.filters, at: place.at })).toBe(hash);
    }
    expect(placeOf('').view).toBe('board');
    expect(placeOf('#/board?text=a%40b@9')).toMatchObject({ filters: { text: 'a@b' }, at: 9 });
  });
  it('that name nothing are known as such', () => {
    for (const hash of ['#/nothing', '#/board/7', '#/task', '#/task/7/8', '#/<script>', '#/%E0%A4%A'])
      expect(placeOf(hash).view, hash).toBeNull();
    expect(placeOf('#/task/x').id).toBe('x');
  });
});

describe('commands of pawl stuck', () => {
  it('are acts', () => {
    expect(actsOf('pawl retry 2')).toEqual([{ kind: 'retry', task: 2 }]);
    expect(actsOf('pawl retry 2 --take origin (or --take ours)')).toEqual([{ kind: 'retry', task: 2 }]);
    expect(actsOf('pawl unblock 3')).toEqual([{ kind: 'unblock', task: 3 }]);
    expect(actsOf('pawl resolve 4 merge --happened (or --did-not)')).toEqual([
      {
        kind: 'resolve',
        task: 4,
        step: 'merge',
      },
    ]);
    expect(actsOf("pawl release --work-item 'it'\\''s mine' --repo shop")).toEqual([
      {
        kind: 'force',
        work_item: "it's mine",
        repo: 'shop',
      },
    ]);
    expect(actsOf('pawl release repo:shop --token 9')).toEqual([{ kind: 'release', key: 'repo:shop', token: 9 }]);
    expect(actsOf('pawl settings stop.enabled=true')).toEqual([{ kind: 'setting', key: 'stop.enabled', value: true }]);
    expect(actsOf('pawl reap')).toEqual([{ kind: 'reap' }]);
    expect(actsOf('pawl override 12 --reason WHY')).toEqual([{ kind: 'override', task: 12 }]);
  });
  it('are two acts where they say what else there is', () => {
    expect(actsOf("pawl resume 'repo:a b' (or, for this task alone: pawl override 12 --reason WHY)")).toEqual([
      { kind: 'resume', place: 'repo:a b' },
      { kind: 'override', task: 12 },
    ]);
    expect(actsOf('kill -KILL 77 (or, if it is gone: pawl unblock 3)')).toEqual([{ kind: 'unblock', task: 3 }]);
  });
  it('that this page cannot do are left as text', () => {
    for (const command of [
      'pawl task 3',
      'start a worker that claims jobs',
      'pawl retry',
      'pawl retry x',
      'pawl resume nowhere',
      'rm -rf /',
      "pawl retry '2",
    ])
      expect(actsOf(command), command).toEqual([]);
    expect(wordsOf('a "b c" d\\ e')).toEqual(['a', 'b c', 'd e']);
  });
  it('say what they will do without a task, too', () => {
    for (const command of [
      'pawl retry 2',
      'pawl unblock 2',
      'pawl advance 2',
      'pawl cancel 2',
      'pawl reap',
      'pawl release k --token 1',
      'pawl settings a.b=false',
      'pawl resume stage:review',
      'pawl override 2',
    ]) {
      const [act] = actsOf(command);
      expect(act && effectsOf(act, null, null).length, command).toBeGreaterThan(0);
    }
  });
});

let seq = 0;
function record(type: string, data: LogRecord['data'], more: Partial<LogRecord> = {}): LogRecord {
  seq++;
  return {
    seq,
    group: seq,
    time: new Date(1_700_000_000_000 + seq * 1000).toISOString(),
    boot: 'b',
    actor: 'monitor',
    type,
    data,
    outcome: 'accepted',
    unchecked: false,
    ...more,
  };
}

describe('sentences', () => {
  it('say who did what', () => {
    const said = (each: LogRecord): string => `${sentenceOf(each).actor} ${sentenceOf(each).does}`;
    expect(said(record('StageTransition', { task: 7, to: 'review', reason: 'advanced' }))).toBe(
      'monitor moves task 7 to review: advanced',
    );
    expect(said(record('LeaseAcquired', { key: 'task:7', edge: 'a->b', ttl: 60, token: null }))).toBe(
      'monitor takes the lease task:7 for a → b, for at most 60 s',
    );
    expect(said(record('GateEvaluated', { gate: 'review', passed: false, reason: 'no' }))).toBe(
      'monitor reports the gate of review red: no',
    );
    expect(said(record('TaskNote', { text: 'look' }))).toBe('monitor notes: look');
    expect(said(record('SomethingNew', {}))).toBe('monitor records SomethingNew');
  });
  it('say that it was tried, and why it was refused', () => {
    const { does, refused } = sentenceOf(
      record('StageTransition', { task: 7, to: 'review' }, { outcome: 'lease_held' }),
    );
    expect(does).toBe('tries to move task 7 to review');
    expect(refused).toBe('the lease is held');
  });
  it('know who won', () => {
    const took = record('LeaseAcquired', { key: 'task:7', token: null }, { actor: 'deployer' });
    const moved = record('StageTransition', { task: 7, to: 'review' });
    const late = record('StageTransition', { task: 7, to: 'review' }, { outcome: 'version_conflict' });
    const held = record('LeaseAcquired', { key: 'task:7', token: null }, { outcome: 'lease_held' });
    const after = record('StageTransition', { task: 7, to: 'done' });
    const all = [took, moved, late, held, after];
    expect(winnerOf(late, all)).toBe(moved);
    expect(winnerOf(held, all)).toBe(took);
    expect(winnerOf(record('TaskNote', {}, { outcome: 'skipped' }), all)).toBeNull();
  });
});

describe('lanes', () => {
  it('have leases, runs, gates and refused acts by actor, as far as the log has them', () => {
    const first = seq;
    const records = [
      record('JobClaimed', { job: 4, owner: { boot_id: 'b', pid: 1, actor: 'executor' } }, { actor: 'executor' }),
      record('RunExited', { job: 4, attempt: 1, exit_code: 0 }),
      record('LeaseAcquired', {
        key: 'task:7',
        token: null,
        edge: 'a->b',
        owner: { boot_id: 'b', pid: 1, actor: 'monitor' },
      }),
      record('StageTransition', { task: 7, to: 'b' }, { actor: 'late', outcome: 'lease_held' }),
      record('GateEvaluated', { task: 7, version: 1, gate: 'a', passed: false }),
      record('LeaseReleased', { key: 'task:7', token: first + 3 }),
    ];
    const run: LogRun = {
      run: 'g',
      what: 'gate',
      name: null,
      stage: 'a',
      version: 1,
      job: null,
      attempt: null,
      began_at: records[2]?.time ?? '',
      ended_at: records[4]?.time ?? '',
      bytes: 0,
      kept: 0,
    };
    const lanes = lanesOf(records, [run]);
    expect(lanes.map(({ actor }) => actor)).toEqual(['executor', 'monitor', 'late']);
    expect(lanes[0]?.bars).toMatchObject([{ kind: 'agent', state: 'good' }]);
    expect(lanes[1]?.bars).toMatchObject([
      { kind: 'lease', state: 'plain' },
      { kind: 'gate', state: 'bad' },
    ]);
    expect((lanes[1]?.bars[0]?.end ?? 0) - (lanes[1]?.bars[0]?.begin ?? 0)).toBe(3000);
    expect(lanes[2]?.marks).toMatchObject([{ kind: 'refused', winner: records[2]?.seq }]);
  });
  it('have round times on their axis', () => {
    expect(ticksOf(1000, 61_000, 6)).toEqual([10_000, 20_000, 30_000, 40_000, 50_000, 60_000]);
    for (const width of [50, 5000, 3_600_000, 1e11]) {
      const ticks = ticksOf(0, width, 6);
      expect(ticks.length).toBeGreaterThan(1);
      expect(ticks.length).toBeLessThan(9);
    }
  });
});

describe('columns', () => {
  const task = (id: number, more: Partial<Task> = {}): Task =>
    ({
      id,
      work_item: `W-${id}`,
      repo: 'shop',
      branch: null,
      pipeline: 1,
      stage: 'a',
      version: 1,
      blocked: null,
      ...more,
    }) as Task;

  it('change where a task is, and nowhere else', () => {
    const columns = new Columns();
    for (const id of [3, 1, 2]) columns.update(id, task(id), 'p');
    const other = columns.of('p', 'b');
    const before = other.version.value;
    columns.update(2, task(2, { version: 2 }), 'p');
    expect(columns.of('p', 'a').ids).toEqual([1, 2, 3]);
    expect(other.version.value).toBe(before);
    columns.update(2, task(2, { stage: 'b' }), 'p');
    expect(columns.of('p', 'a').ids).toEqual([1, 3]);
    expect(other.ids).toEqual([2]);
    columns.update(2, null, 'p');
    expect(other.ids).toEqual([]);
    expect(columns.count.value).toBe(2);
  });
  it('have what passes the filter', () => {
    const columns = new Columns();
    const all = [task(1), task(2, { repo: 'depot' }), task(3, { blocked: 'job_failed' })];
    const placed = (): [number, Task, string][] => all.map((each) => [each.id, each, 'p']);
    for (const each of all) columns.update(each.id, each, 'p');
    columns.setFilter({ ...noFilter, text: 'JOB_f' }, placed());
    expect(columns.of('p', 'a').ids).toEqual([3]);
    columns.setFilter({ ...noFilter, repo: 'depot' }, placed());
    columns.update(4, task(4), 'p');
    expect(columns.of('p', 'a').ids).toEqual([2]);
    columns.setFilter(noFilter, [...placed(), [4, task(4), 'p']]);
    expect(columns.of('p', 'a').ids).toEqual([1, 2, 3, 4]);
  });
});

describe('words', () => {
  it('for times and sizes', () => {
    expect([0, 59_999, 60_000, 200_000, 7_500_000, 90_000_000].map(span)).toEqual([
      '0 s',
      '59 s',
      '1 min',
      '3 min 20 s',
      '2 h 5 min',
      '1 d 1 h',
    ]);
    expect(shortSpan(200_000)).toBe('3 min');
    expect([0, 1023, 1536, 64 << 20].map(bytes)).toEqual(['0 B', '1023 B', '1.5 KiB', '64 MiB']);
  });
  it('show what cannot be seen', () => {
    expect(visible('a\u0000b\u001bc\u007f')).toBe('a\u2400b\u241bc\u2421');
    expect(visible('\u202eevil\u2066')).toBe('\ufffdevil\ufffd');
    expect(visible('<script>\n\tשלום')).toBe('<script>\n\tשלום');
  });
});
