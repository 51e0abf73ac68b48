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

/// Whether a person may answer. `perhaps`: the question names users or groups of pawld's machine, which this page does
/// not know. `submitter` and `said` may still reject.
export type Leave = 'yes' | 'perhaps' | 'no' | 'submitter' | 'said';

export function leaveOf(task: Task, question: Approval, me: Me | null): Leave {
  if (!me) return 'no';
  const { principal } = me;
  if (question.said.some((said) => said.principal === principal && said.approved)) return 'said';
  const isNamed = question.by.includes(principal);
  const isOfMachine = /^uid:/.test(principal) && question.by.some((name) => /^(user|group):/.test(name));
  if (!isNamed && !isOfMachine) return 'no';
  if (question.not_submitter && task.principal === principal) return 'submitter';
  return isNamed ? 'yes' : 'perhaps';
}

/// Whether the task waits for a word that the person can give.
export function waitsFor(task: Task, me: Me | null, now: number): boolean {
  const question = questionOf(task);
  if (!question || standingOf(question, now) !== 'open') return false;
  const leave = leaveOf(task, question, me);
  return leave === 'yes' || leave === 'perhaps';
}
