// Approvals: the question that a gate asks people, what was said to it, and whether the one who is here may answer.
// Whether a word counts is decided by pawld alone; this is for what to show and to whom first.
import type { Approval, Me, Task } from '../api/types';
import { msOf } from './clock';
import { isTerminal } from './stages';

/// The question that is asked at the task's version; null if there is none.
export function questionOf(task: Task): Approval | null {
  const { approval } = task;
  return approval && approval.version === task.version && !isTerminal(task.stage) ? approval : null;
}

export const approvalsOf = ({ said }: Approval): number => said.filter(({ approved }) => approved).length;

export type QuestionStanding = 'open' | 'approved' | 'rejected' | 'lapsed';

export function standingOf(question: Approval, now: number): QuestionStanding {
  if (question.said.some(({ approved }) => !approved)) return 'rejected';
  if (approvalsOf(question) >= question.need) return 'approved';
  return question.until_at !== null && msOf(question.until_at) <= now ? 'lapsed' : 'open';
}

/// Whether a person may answer. `submitter` and `said` may still reject.
export type Leave = 'yes' | 'no' | 'submitter' | 'said';

export function leaveOf(task: Task, question: Approval, me: Me | null): Leave {
  if (!me) return 'no';
  const { principal, names } = me;
  if (question.said.some((said) => said.principal === principal && said.approved)) return 'said';
  if (![principal, ...names].some((name) => question.by.includes(name))) return 'no';
  return question.not_submitter && task.principal === principal ? 'submitter' : 'yes';
}

/// Whether the task waits for a word that the person can give.
export function waitsFor(task: Task, me: Me | null, now: number): boolean {
  const question = questionOf(task);
  if (!question || standingOf(question, now) !== 'open') return false;
  return leaveOf(task, question, me) === 'yes';
}
