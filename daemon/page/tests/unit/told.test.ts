// The story of a task as lines, and how it is asked for.
import { describe, expect, it, vi } from 'vitest';
import { refusalOf, Refused, type Client } from '../../src/api/client';
import type { LogRecord } from '../../src/api/types';
import { causeAlone, patiently } from '../../src/store/incidents';
import { Story } from '../../src/store/story';
import { allOf, linesOf, type Told } from '../../src/store/told';
import type { World } from '../../src/store/world';
import { byKind, headingOf } from '../../src/words/finding';

const record = (seq: number, more: Partial<LogRecord> = {}): LogRecord => ({
  seq,
  group: seq,
  time: new Date(1_700_000_000_000 + seq * 1000).toISOString(),
  boot: 'b',
  actor: 'monitor',
  type: 'TaskNote',
  data: { text: `n${seq}`, task: 7 },
  outcome: 'accepted',
  unchecked: false,
  ...more,
});
const entry = (seq: number, more: Partial<Told['entries'][number]> = {}): Told['entries'][number] => ({
  seq,
  lane: 0,
  refused: false,
  says: `says ${seq}`,
  notes: [],
  because: [],
  findings: [],
  like: null,
  record: record(seq),
  ...more,
});
const told = (...entries: Told['entries']): Told => ({
  subject: 'task 7',
  lanes: ['monitor of w', 'deployer'],
  findings: [{ kind: 'incident', seq: 2, what: 'it went wrong', led_by: [], followed_by: [], decided: [] }],
  entries,
});

describe('lines of a history', () => {
  it("are the page's own words until the story has come, and behind its end", () => {
    expect(linesOf(null, [record(3), record(4)]).map(({ says }) => says)).toEqual(['notes: n3', 'notes: n4']);
    const lines = linesOf(told(entry(3)), [record(3), record(4)]);
    expect(lines.map(({ actor, says }) => `${actor} ${says}`)).toEqual(['monitor of w says 3', 'monitor notes: n4']);
  });
  it('have notes, what they rest on, and what was found', () => {
    const refused = record(4, { outcome: 'lease_held' });
    const [first, second] = linesOf(
      told(
        entry(2, { findings: [0, 9], because: [1] }),
        entry(4, { lane: 1, refused: true, notes: ['it was held'], record: refused }),
      ),
      [],
    );
    expect(first).toMatchObject({ because: [1], findings: [{ what: 'it went wrong' }], isRefused: false });
    expect(second).toMatchObject({
      actor: 'deployer',
      isRefused: true,
      notes: ['refused: the lease is held', 'it was held'],
    });
    expect(linesOf(null, [refused])[0]).toMatchObject({ isRefused: true, notes: ['refused: the lease is held'] });
  });
  it('that repeat one are folded into it', () => {
    const lines = linesOf(
      told(entry(2), entry(3, { like: 2 }), entry(4, { like: 2 }), entry(5), entry(6, { like: 1 })),
      [],
    );
    expect(lines.map(({ record: { seq }, like }) => [seq, like.length])).toEqual([
      [2, 2],
      [5, 0],
      [6, 0],
    ]);
    expect(allOf(lines).map(({ record: { seq } }) => seq)).toEqual([2, 3, 4, 5, 6]);
  });
});

/// A pawld that has `records` of task 7, and tells or refuses its story.
function pawld(records: LogRecord[], story: () => Told): { client: Client; asked: () => number } {
  let asked = 0;
  const get = async (path: string, query: { after?: number } = {}): Promise<unknown> => {
    if (path.endsWith('/story')) {
      asked++;
      return story();
    }
    if (path.endsWith('/history')) return { items: records.filter(({ seq }) => seq > (query.after ?? 0)), next: null };
    return path.endsWith('/logs') ? { items: [] } : { id: 7 };
  };
  return { client: { get, at: null } as unknown as Client, asked: () => asked };
}

describe('the story of a task', () => {
  const world = { watchers: new Set<(record: LogRecord) => void>(), jobs: new Map() } as unknown as World;
  const tell = (each: LogRecord): void => world.watchers.forEach((watcher) => watcher(each));

  it('is told again when a record of its task comes, at most each 2 s', async () => {
    vi.useFakeTimers();
    const records = [record(1)];
    const { client, asked } = pawld(records, () => told(entry(records.length)));
    const story = new Story(client, world, 7);
    story.start();
    await vi.advanceTimersByTimeAsync(10);
    expect(asked()).toBe(1);
    for (let seq = 2; seq <= 5; seq++) {
      records.push(record(seq));
      tell(record(seq));
      await vi.advanceTimersByTimeAsync(400);
    }
    expect(asked()).toBe(1);
    expect(story.records.value).toHaveLength(5);
    await vi.advanceTimersByTimeAsync(2000);
    expect(asked()).toBe(2);
    expect(story.told.value?.entries[0]?.seq).toBe(5);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked()).toBe(2);
    tell(record(9, { data: { task: 8 } }));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked()).toBe(2);
    story.stop();
    vi.useRealTimers();
  });

  it('that pawld does not tell leaves a sentence; one it has no time for is asked for again', async () => {
    vi.useFakeTimers();
    const answers = [
      new Refused(503, 'too_many_past', 'busy', null, 7),
      new Refused(422, 'story_too_long', 'it is too long'),
    ];
    const { client, asked } = pawld([record(1)], () => {
      throw answers.shift();
    });
    const story = new Story(client, world, 7);
    story.start();
    await vi.advanceTimersByTimeAsync(6000);
    expect([asked(), story.untold.value]).toEqual([1, null]);
    await vi.advanceTimersByTimeAsync(1100);
    expect([asked(), story.untold.value, story.failed.value]).toEqual([2, 'it is too long', null]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked()).toBe(2);
    story.stop();
    vi.useRealTimers();
  });
});

describe('incidents', () => {
  it('are in the order of their weight, unknown kinds last', () => {
    const found = ['unchecked', 'new_kind', 'incident', 'gap', 'incident'].map((kind, at) => ({ kind, at }));
    expect(byKind(found).map(([kind, each]) => [kind, each.map(({ at }) => at)])).toEqual([
      ['incident', [2, 4]],
      ['gap', [3]],
      ['unchecked', [0]],
      ['new_kind', [1]],
    ]);
    expect(headingOf('new_kind')).toBe('new kind');
  });
  it('have their cause without what ended badly', () => {
    const end = {
      task: 1,
      work_item: 'W',
      seq: 9,
      what: 'task 1 was blocked',
      cause: 3,
      by_itself: null,
      let_go: null,
      decided: [],
    };
    const incident = {
      kind: 'incident',
      seq: 3,
      what: 'a; was set; task 1 was blocked; task 2 was blocked',
      led_by: [],
      followed_by: [],
      decided: [],
    };
    expect(causeAlone({ incident, ended: [end] })).toBe('a; was set');
    expect(causeAlone({ incident, ended: [] })).toBe(incident.what);
    expect(causeAlone({ incident: null, ended: [] })).toBe('');
  });
  it('that pawld has no time for say when to ask again', () => {
    const body = JSON.stringify({ error: { code: 'too_many_past', message: 'busy' } });
    expect(refusalOf(503, body, '7')).toMatchObject({ code: 'too_many_past', retryAfterS: 7 });
    for (const header of [null, '', 'Wed, 21 Oct 2026 07:28:00 GMT', '-1'])
      expect(refusalOf(503, body, header).retryAfterS).toBeNull();
  });
  it('are asked for again when pawld says so, and not after a refusal', async () => {
    const answers: (Refused | string)[] = [
      new Refused(503, 'too_many_past', 'busy', null, 3),
      new Refused(503, 'too_many_past', 'busy'),
      'report',
    ];
    const pauses: number[] = [];
    const ask = async (): Promise<string> => {
      const answer = answers.shift();
      if (answer instanceof Refused) throw answer;
      return answer ?? '';
    };
    const pause = async (ms: number): Promise<void> => void pauses.push(ms);
    expect(await patiently(ask, () => false, pause)).toBe('report');
    expect(pauses).toEqual([3000, 1000]);
    answers.push(new Refused(404, 'no_incident', 'none'));
    await expect(patiently(ask, () => false, pause)).rejects.toThrow('none');
    expect(await patiently(ask, () => true, pause)).toBeNull();
  });
});
