// What is going on with a task, for its card: from its rows and its pipeline.
import type { Definition } from '../api/types';
import { approvalsOf, questionOf, standingOf, type QuestionStanding } from './approvals';
import { nowMs } from './clock';
import type { Entry } from './rows';

export type Doing =
  | { kind: 'blocked'; words: string }
  | { kind: 'step' | 'gate' | 'agent'; name: string; since: string | null; seq: number | null; limitS: number | null }
  | { kind: 'held'; by: string; since: string }
  | { kind: 'finishing'; since: string }
  | { kind: 'asked'; got: number; need: number; since: string; standing: QuestionStanding }
  | { kind: 'queued'; since: string; until: string | null }
  | { kind: 'idle' };

export function doingOf(
  { task, job, lease }: Entry,
  definition: Definition | null,
  isDaemon: (boot: string) => boolean,
): Doing {
  const stage = definition?.stages.find(({ name }) => name === task.stage);
  const open = task.steps.find((step) => step.state === 'started' && step.version === task.version);
  if (open) {
    const limitS = stage?.steps.find(({ name }) => name === open.step)?.timeout_s ?? null;
    return { kind: 'step', name: open.step, since: null, seq: open.started, limitS };
  }
  if (task.blocked !== null) return { kind: 'blocked', words: task.blocked };
  if (lease) {
    const isJudged = task.gate !== null && task.gate.version === task.version && task.gate.seq > lease.token;
    const isGate =
      stage?.gate?.run && !isJudged && isDaemon(lease.owner.boot_id) && lease.edge?.startsWith(`${task.stage}->`);
    if (isGate) {
      return {
        kind: 'gate',
        name: task.stage,
        since: lease.acquired_at,
        seq: null,
        limitS: stage.gate?.timeout_s ?? null,
      };
    }
    return { kind: 'held', by: lease.owner.actor, since: lease.acquired_at };
  }
  if (job?.run) {
    if (job.run.exit_code !== null) return { kind: 'finishing', since: job.run.exited_at ?? job.run.claimed_at };
    const isOurs = isDaemon(job.run.owner.boot_id);
    const limitS = isOurs ? (definition?.agents.find(({ name }) => name === job.agent)?.timeout_s ?? null) : null;
    return { kind: 'agent', name: job.agent, since: job.run.started_at ?? job.run.claimed_at, seq: null, limitS };
  }
  const question = questionOf(task);
  if (question) {
    const standing = standingOf(question, nowMs.peek());
    return { kind: 'asked', got: approvalsOf(question), need: question.need, since: question.asked_at, standing };
  }
  if (job) return { kind: 'queued', since: job.queued_at, until: job.not_before_at };
  return { kind: 'idle' };
}

/// The last line that the task's gate or step printed, if it failed at this version.
export function lastLineOf({ task }: Entry): string | null {
  const step = [...task.steps]
    .reverse()
    .find(({ version, state, reason }) => version === task.version && state === 'failed' && reason);
  if (step) return `${step.step}: ${step.reason ?? ''}`;
  if (task.gate && task.gate.passed !== true && task.gate.version === task.version && task.gate.reason)
    return task.gate.reason;
  return null;
}
