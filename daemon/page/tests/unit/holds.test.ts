import { beforeEach, describe, expect, it } from 'vitest';
import type { Hold, Task } from '../../src/api/types';
import { chosenAtFirst, problemOf, titleOf, type Act } from '../../src/store/acts';
import { setTime } from '../../src/store/clock';
import { holdOf, Holds, placeOf, placeWords } from '../../src/store/holds';

const at = (minute: number): string => `2030-01-01T00:${String(minute).padStart(2, '0')}:00.000000Z`;

const task = {
  id: 12,
  repo: 'shop',
  stage: 'review',
  version: 3,
  let_through: null,
} as unknown as Task;

const held = (place: string, more: Partial<Hold> = {}): Hold => ({
  place,
  active: true,
  freeze: false,
  stages: [],
  since_at: at(0),
  until_at: null,
  reason: null,
  seq: 1,
  by: 'token:ada',
  boot: 'b',
  ...more,
});

beforeEach(() => setTime(at(10)));

describe('held places', () => {
  it('are named in two parts', () => {
    expect(placeOf('repo:team/shop:x')).toEqual({ kind: 'repo', name: 'team/shop:x' });
    for (const wrong of ['review', 'stage:', 'room:5', '', ':x']) expect(placeOf(wrong), wrong).toBeNull();
    expect(placeWords('task:7')).toBe('task 7');
    expect(placeWords('repo:shop')).toBe('the repository shop');
  });

  it('hold the tasks that are at them, and no other', () => {
    for (const place of ['task:12', 'stage:review', 'repo:shop', 'pipeline:delivery'])
      expect(holdOf(task, 'delivery', null, [held(place)])?.place, place).toBe(place);
    for (const place of ['task:1', 'task:121', 'stage:deploy', 'repo:shop2', 'pipeline:other', 'agent:tester'])
      expect(holdOf(task, 'delivery', null, [held(place)]), place).toBeNull();
    expect(holdOf(task, 'delivery', 'tester', [held('agent:tester')])?.place).toBe('agent:tester');
  });

  it('do not hold a task that was let past at its version', () => {
    expect(holdOf({ ...task, let_through: 3 }, 'delivery', null, [held('stage:review')])).toBeNull();
    expect(holdOf({ ...task, let_through: 2 }, 'delivery', null, [held('stage:review')])).not.toBeNull();
  });

  it('of a freeze are those of its stages alone', () => {
    const freeze = (stages: string[]): Hold => held('pipeline:delivery', { freeze: true, stages });
    expect(holdOf(task, 'delivery', null, [freeze(['deploy'])])).toBeNull();
    expect(holdOf(task, 'delivery', null, [freeze(['deploy', 'review'])])).not.toBeNull();
  });

  it('are told by the one that lasts longest', () => {
    const short = held('repo:shop', { until_at: at(20) });
    const long = held('task:12', { until_at: at(30) });
    const endless = held('stage:review');
    expect(holdOf(task, 'delivery', null, [short, long])?.place).toBe('task:12');
    expect(holdOf(task, 'delivery', null, [short, endless, long])?.place).toBe('stage:review');
  });

  it('begin and end by time alone', () => {
    const holds = new Holds();
    holds.all.value = [
      held('stage:review', { until_at: at(12) }),
      held('pipeline:delivery', { freeze: true, since_at: at(11), until_at: at(13) }),
    ];
    const places = (): string[] => holds.inForce.value.map(({ place }) => place);
    expect(places()).toEqual(['stage:review']);
    const before = holds.inForce.value;
    setTime(at(10));
    expect(holds.inForce.value).toBe(before);
    setTime(at(11));
    expect(places()).toEqual(['stage:review', 'pipeline:delivery']);
    expect(holds.hasOver.value).toBe(false);
    setTime(at(12));
    expect(places()).toEqual(['pipeline:delivery']);
    expect(holds.hasOver.value).toBe(true);
  });
});

describe('hold that is asked for', () => {
  const act: Act = { kind: 'hold', place: null };
  const problem = (more: object): string | null =>
    problemOf(act, { ...chosenAtFirst(act, null, []), placeName: 'review', why: 'because', ...more }, true);

  it('needs a name, a number for a task, a time to come and a reason', () => {
    expect(problem({})).toBeNull();
    expect(problem({ placeName: ' ' })).toBe('Name the stage.');
    expect(problem({ placeKind: 'task', placeName: 'W-1' })).toContain('A task has a number');
    expect(problem({ placeKind: 'task', placeName: '7' })).toBeNull();
    expect(problem({ until: '2029-12-31T00:00' })).toContain('That time is over');
    expect(problem({ until: 'x' })).toBe('That is not a time.');
    expect(problem({ until: '2031-01-01T00:00' })).toBeNull();
    expect(problem({ why: ' ' })).toContain('Say why');
  });

  it('has the name of its place in its title, once there is one', () => {
    expect(titleOf(act)).toBe('Hold a place');
    expect(titleOf({ kind: 'hold', place: 'stage:review' })).toBe('Hold the stage review');
  });
});
