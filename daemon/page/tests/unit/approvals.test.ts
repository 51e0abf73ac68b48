import { beforeEach, describe, expect, it } from 'vitest';
import { Client, Refused } from '../../src/api/client';
import type { Approval, LogRecord, Me, Said, Task } from '../../src/api/types';
import { chosenAtFirst, problemOf, type Act } from '../../src/store/acts';
import { approvalsOf, leaveOf, questionOf, standingOf, waitsFor } from '../../src/store/approvals';
import { carryOut, refusedWords } from '../../src/store/carry';
import { msOf, setTime } from '../../src/store/clock';
import type { Entry } from '../../src/store/rows';
import { sentenceOf } from '../../src/words/record';

const at = (minute: number): string => `2030-01-01T00:${String(minute).padStart(2, '0')}:00.000000Z`;
const now = msOf(at(10));
const head = 'c0ffee1234567890';

const said = (principal: string, approved: boolean): Said => ({
  principal,
  as: null,
  approved,
  reason: null,
  seq: 9,
  said_at: at(5),
});

function asked(more: Partial<Approval> = {}, ofTask: Partial<Task> = {}): { task: Task; question: Approval } {
  const question: Approval = {
    version: 3,
    head,
    asked_at: at(1),
    until_at: null,
    by: ['token:ada', 'token:grace', 'group:release'],
    need: 2,
    not_submitter: true,
    said: [],
    ...more,
  };
  const task = { id: 7, stage: 'review', version: 3, principal: 'token:linus', approval: question, ...ofTask };
  return { task: task as unknown as Task, question };
}

const who = (principal: string, ...names: string[]): Me => ({
  role: 'read',
  token: null,
  principal,
  names,
  limits: null,
});

beforeEach(() => setTime(at(10)));

describe('question for approvals', () => {
  it('is asked at the version of the task, and of no task that has ended', () => {
    expect(questionOf(asked().task)).not.toBeNull();
    expect(questionOf(asked({ version: 2 }).task)).toBeNull();
    expect(questionOf(asked({}, { stage: 'cancelled' }).task)).toBeNull();
    expect(questionOf(asked({}, { approval: null }).task)).toBeNull();
  });

  it('is open until enough have approved, one has rejected, or its time is over', () => {
    const standing = (more: Partial<Approval>): string => standingOf(asked(more).question, now);
    expect(standing({})).toBe('open');
    expect(standing({ said: [said('token:ada', true)] })).toBe('open');
    expect(standing({ said: [said('token:ada', true), said('token:grace', true)] })).toBe('approved');
    expect(standing({ need: 1, said: [said('token:ada', true), said('token:ada', false)] })).toBe('rejected');
    expect(standing({ until_at: at(10) })).toBe('lapsed');
    expect(standing({ until_at: at(11) })).toBe('open');
    expect(standing({ until_at: at(9), need: 1, said: [said('token:ada', true)] })).toBe('approved');
    expect(approvalsOf(asked({ said: [said('a', true), said('b', false)] }).question)).toBe(1);
  });

  it('may be answered by those whom it names, and approved by no submitter', () => {
    const { task, question } = asked();
    expect(leaveOf(task, question, who('token:ada'))).toBe('yes');
    expect(leaveOf(task, question, who('token:eve'))).toBe('no');
    expect(leaveOf(task, question, null)).toBe('no');
    expect(leaveOf(task, question, who('token:eve', 'group:ops'))).toBe('no');
    expect(leaveOf(task, question, who('token:eve', 'group:ops', 'group:release'))).toBe('yes');
    const own = asked({}, { principal: 'token:ada' });
    expect(leaveOf(own.task, own.question, who('token:ada'))).toBe('submitter');
    expect(leaveOf(own.task, { ...own.question, not_submitter: false }, who('token:ada'))).toBe('yes');
    const once = asked({ said: [said('token:ada', true)] });
    expect(leaveOf(once.task, once.question, who('token:ada'))).toBe('said');
  });

  it('waits for those alone who can still say something', () => {
    const waits = (more: Partial<Approval>, principal = 'token:ada'): boolean =>
      waitsFor(asked(more).task, who(principal), now);
    expect(waits({})).toBe(true);
    expect(waits({}, 'token:eve')).toBe(false);
    expect(waits({ said: [said('token:ada', true)] })).toBe(false);
    expect(waits({ said: [said('token:grace', false)] })).toBe(false);
    expect(waits({ until_at: at(2) })).toBe(false);
  });
});

/// What a call of the page sends.
async function sent(act: Act, more: object = {}, entry: Entry | null = null): Promise<[string, unknown]> {
  const calls: [string, unknown][] = [];
  const client = new Client('http://pawl/', () => null);
  client.act = async (method: string, path: string, options: { body?: unknown } = {}) => {
    calls.push([`${method} ${path}`, options.body]);
    return null as never;
  };
  await carryOut(client, act, { ...chosenAtFirst(act, entry, []), ...more }, entry);
  return calls[0] ?? ['nothing', null];
}

describe('answer', () => {
  const act = (kind: 'approve' | 'reject', of: string | null = head): Act => ({ kind, task: 7, version: 3, head: of });

  it('is to the version and the commit that were shown', async () => {
    expect(await sent(act('approve'))).toEqual(['POST v1/tasks/7/approval', { approved: true, version: 3, head }]);
    expect(await sent(act('reject', null), { why: ' no tests ' })).toEqual([
      'POST v1/tasks/7/approval',
      { approved: false, version: 3, reason: 'no tests' },
    ]);
  });

  it('needs a reason to reject, and none to approve', () => {
    const chosen = chosenAtFirst(act('reject'), null, []);
    expect(problemOf(act('reject'), chosen, true)).toContain('Say why');
    expect(problemOf(act('approve'), chosen, true)).toBeNull();
    expect(problemOf(act('approve'), { ...chosen, why: 'ü'.repeat(513) }, true)).toContain('longer than 1,024 bytes');
  });

  it('that is refused says how to go on', () => {
    const words = (code: string): string => refusedWords(new Refused(409, code, 'the sentence of pawld'));
    for (const code of ['version_conflict', 'stale_head', 'not_asked', 'may_not_approve', 'already_said'])
      expect(words(code), code).toMatch(/^pawld refused this: the sentence of pawld\. [A-Z].*\.$/);
    expect(words('terminal')).toBe('pawld refused this: the sentence of pawld');
    expect(refusedWords(new Refused(0, 'unreachable', 'pawld cannot be reached'))).toBe('pawld cannot be reached');
  });

  it('is a sentence in the history', () => {
    const record = (data: object, outcome = 'accepted'): LogRecord =>
      ({ actor: 'ada', type: 'ApprovalGiven', outcome, data: { task: 7, version: 3, head, ...data } }) as never;
    expect(sentenceOf(record({ approved: true })).does).toBe('approves task 7, commit c0ffee123456');
    expect(sentenceOf(record({ approved: false, reason: 'no tests' })).does).toBe(
      'rejects task 7, commit c0ffee123456: no tests',
    );
    expect(sentenceOf(record({ approved: true }, 'stale_head'))).toMatchObject({
      does: 'tries to approve task 7, commit c0ffee123456',
      refused: 'the question is about another commit',
    });
  });
});

describe('priority', () => {
  const act: Act = { kind: 'priority', task: 7 };
  const entry = (task: object): Entry => ({ task, job: null, lease: null }) as unknown as Entry;

  it('begins with what is so, and sends both', async () => {
    const chosen = chosenAtFirst(act, entry({ priority: 5, not_before_at: null }), []);
    expect(chosen).toMatchObject({ priority: '5', notBefore: '' });
    expect(await sent(act, { priority: '-7', why: 'less' })).toEqual([
      'POST v1/tasks/7/priority',
      { priority: -7, not_before: null, reason: 'less' },
    ]);
    const time = new Date(2031, 0, 2, 3, 4);
    const at4 = chosenAtFirst(act, entry({ priority: null, not_before_at: time.toISOString() }), []);
    expect(at4).toMatchObject({ priority: '0', notBefore: '2031-01-02T03:04' });
    expect((await sent(act, at4))[1]).toEqual({ priority: 0, not_before: time.toISOString() });
  });

  it('is a whole number within its bounds', () => {
    const problem = (priority: string, notBefore = ''): string | null =>
      problemOf(act, { ...chosenAtFirst(act, null, []), priority, notBefore }, true);
    for (const fit of ['0', '-100', '100', ' 7 ', '+3']) expect(problem(fit), fit).toBeNull();
    for (const wrong of ['', 'x', '1.5', '101', '-101', '1e2', '0x1'])
      expect(problem(wrong), wrong).toContain('whole number');
    expect(problem('1', 'x')).toBe('That is not a time.');
    expect(problem('1', '2020-01-01T00:00')).toBeNull(); // it is over: it may start now
  });
});
