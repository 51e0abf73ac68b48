// What an operator can do at this page: what each act sends, and what it will do, in words.
import type { Client } from '../api/client';
import { newKey } from '../api/client';
import type { Definition, Stage } from '../api/types';
import type { Entry } from './rows';

export type Act =
  | { kind: 'advance' | 'retry' | 'unblock' | 'cancel' | 'note'; task: number }
  | { kind: 'resolve'; task: number; step: string }
  | { kind: 'release'; key: string; token: number }
  | { kind: 'force'; work_item: string; repo: string }
  | { kind: 'reap' }
  | { kind: 'setting'; key: string; value: boolean };

/// What the person has chosen in the dialog.
export interface Chosen {
  why: string;
  take: '' | 'origin' | 'ours';
  keepBranch: boolean;
  happened: boolean | null;
}

/// The words of a command line as a shell takes them apart; null if a quote is not closed.
export function wordsOf(line: string): string[] | null {
  const words: string[] = [];
  let word: string | null = null;
  let quote = '';
  for (let at = 0; at < line.length; at++) {
    const c = line[at] as string;
    if (quote !== '') {
      if (c === quote) quote = '';
      else if (c === '\\' && quote === '"' && at + 1 < line.length) word += line[++at] as string;
      else word += c;
    } else if (c === "'" || c === '"') {
      quote = c;
      word ??= '';
    } else if (c === '\\' && at + 1 < line.length) {
      word = (word ?? '') + (line[++at] as string);
    } else if (/\s/.test(c)) {
      if (word !== null) words.push(word);
      word = null;
    } else {
      word = (word ?? '') + c;
    }
  }
  if (quote !== '') return null;
  if (word !== null) words.push(word);
  return words;
}

/// The act that a command of `pawl stuck` stands for; null if it is not one that this page can do.
export function actOf(command: string): Act | null {
  const words = wordsOf(command);
  if (!words || words[0] !== 'pawl') return null;
  const [, verb, first, second, third, fourth] = words;
  const task = first !== undefined && /^\d+$/.test(first) ? Number(first) : null;
  switch (verb) {
    case 'advance':
    case 'unblock':
    case 'retry':
    case 'cancel':
      return task === null ? null : { kind: verb, task };
    case 'resolve':
      return task === null || second === undefined ? null : { kind: 'resolve', task, step: second };
    case 'reap':
      return { kind: 'reap' };
    case 'release':
      if (first === '--work-item' && second !== undefined && third === '--repo' && fourth !== undefined) {
        return { kind: 'force', work_item: second, repo: fourth };
      }
      if (first !== undefined && second === '--token' && third !== undefined && /^\d+$/.test(third)) {
        return { kind: 'release', key: first, token: Number(third) };
      }
      return null;
    case 'settings': {
      const found = /^([a-z_.]+)=(true|false)$/.exec(first ?? '');
      return found ? { kind: 'setting', key: found[1] as string, value: found[2] === 'true' } : null;
    }
    default:
      return null;
  }
}

export function titleOf(act: Act): string {
  switch (act.kind) {
    case 'advance':
      return `Advance task ${act.task}`;
    case 'retry':
      return `Retry task ${act.task}`;
    case 'unblock':
      return `Unblock task ${act.task}`;
    case 'cancel':
      return `Cancel task ${act.task}`;
    case 'note':
      return `Note on task ${act.task}`;
    case 'resolve':
      return `Resolve step ${act.step} of task ${act.task}`;
    case 'release':
      return `Release the lease ${act.key}`;
    case 'force':
      return `Release the lease of ${act.work_item} by force`;
    case 'reap':
      return 'Run a pass of the reaper';
    case 'setting':
      return `Set ${act.key} to ${String(act.value)}`;
  }
}

export const buttonOf = (act: Act): string =>
  ({
    advance: 'Advance',
    retry: 'Retry',
    unblock: 'Unblock',
    cancel: 'Cancel task',
    note: 'Add note',
    resolve: 'Resolve',
    release: 'Release',
    force: 'Release by force',
    reap: 'Run the reaper',
    setting: 'Set',
  })[act.kind];

/// Whether a reason can be recorded with it: by the act itself or, where the act has none, as a note before it.
export function takesWhy(act: Act, entry: Entry | null): boolean {
  if (act.kind === 'reap' || act.kind === 'setting') return false;
  if (act.kind === 'release') return taskOfRelease(act, entry) !== null;
  return act.kind !== 'force' || entry !== null;
}

function taskOfRelease(act: Act, entry: Entry | null): number | null {
  if (act.kind === 'release') {
    const found = /^task:(\d+)$/.exec(act.key);
    return found ? Number(found[1]) : null;
  }
  return act.kind === 'force' ? (entry?.task.id ?? null) : null;
}

function advanceWords(stage: Stage | null): string {
  const gate = stage?.gate?.run ? `, runs the gate of ${stage.name} (at most ${stage.gate.timeout_s} s)` : '';
  const move = stage ? `, and moves it to ${stage.to} if that is green` : ', and drives it over its forward edge';
  return `pawld takes the lease of the task${gate}${move}.`;
}

/// What it will do, as sentences.
export function effectsOf(act: Act, entry: Entry | null, definition: Definition | null): string[] {
  const task = entry?.task ?? null;
  const stage = definition?.stages.find(({ name }) => name === task?.stage) ?? null;
  const running = entry?.job?.status === 'running' ? entry.job : null;
  const out: string[] = [];
  switch (act.kind) {
    case 'advance':
      out.push(advanceWords(stage));
      for (const step of stage?.steps ?? []) {
        out.push(`On the way the step ${step.name} runs${step.irreversible ? ', which cannot be undone' : ''}.`);
      }
      if (entry?.lease) out.push(`${entry.lease.owner.actor} holds its lease now, so it is left to that one.`);
      break;
    case 'retry':
      if (task?.blocked) out.push('The task is no longer blocked.');
      out.push(
        stage?.agent
          ? `A new job for ${stage.agent} is queued, with all its attempts.`
          : 'The stage has no agent: the daemon tries it again.',
      );
      break;
    case 'unblock':
      out.push(task?.blocked ? `The block is lifted: ${task.blocked}` : 'The block is lifted.');
      out.push('The task goes on where it stands; if the cause is still there, it is blocked again.');
      break;
    case 'cancel':
      if (running) out.push(`The running agent ${running.agent} (job ${running.id}) is ended first.`);
      if (entry?.lease) out.push(`It waits until the lease of ${entry.lease.owner.actor} is over.`);
      out.push('The task ends for good: it cannot be started again.', 'Its clone is removed.');
      if (task?.branch)
        out.push(
          `The branch ${task.branch} is deleted at origin if this task began it and it has not moved since, ` +
            'unless it is kept.',
        );
      break;
    case 'note':
      out.push('The sentence is added to the history of the task. Nothing else changes.');
      break;
    case 'resolve':
      out.push(
        `It is recorded that the step ${act.step} happened, or that it did not, because you looked.`,
        'pawl then goes on from there: what has happened is not done again.',
      );
      break;
    case 'release':
      out.push(
        `The lease ${act.key} (token ${act.token}) is taken from its holder, whose next act with it is refused.`,
      );
      break;
    case 'force':
      out.push(
        `The lease of ${act.work_item} in ${act.repo} is taken from its holder, whose next act with it is refused.`,
      );
      if (entry?.lease) out.push(`Its holder is ${entry.lease.owner.actor}, pid ${entry.lease.owner.pid}.`);
      break;
    case 'reap':
      out.push('The reaper looks at all running jobs now, and ends those whose process is gone or whose time is over.');
      break;
    case 'setting':
      out.push(`The setting ${act.key} becomes ${String(act.value)} for everything, at once, until it is set again.`);
  }
  return out;
}

/// Carries it out. Throws Refused.
export async function carryOut(client: Client, act: Act, chosen: Chosen, entry: Entry | null): Promise<void> {
  const why = chosen.why.trim();
  const reason = why === '' ? {} : { reason: why };
  const key = newKey();
  const noteOn = async (task: number | null, words: string): Promise<void> => {
    if (task !== null && why !== '') {
      await client.act('POST', `v1/tasks/${task}/note`, { body: { text: `${words}: ${why}` }, key: newKey() });
    }
  };
  switch (act.kind) {
    case 'advance':
      await noteOn(act.task, 'advanced by hand');
      await client.act('POST', `v1/tasks/${act.task}/advance`, {
        body: entry ? { expected_version: entry.task.version } : {},
      });
      return;
    case 'retry':
      await client.act('POST', `v1/tasks/${act.task}/retry`, {
        body: { ...reason, ...(chosen.take !== '' && { take: chosen.take }) },
        key,
      });
      return;
    case 'unblock':
      await client.act('POST', `v1/tasks/${act.task}/unblock`, { body: reason, key });
      return;
    case 'cancel':
      await client.act('POST', `v1/tasks/${act.task}/cancel`, {
        body: { ...reason, ...(chosen.keepBranch && { keep_branch: true }) },
        key,
      });
      return;
    case 'note':
      await client.act('POST', `v1/tasks/${act.task}/note`, { body: { text: why }, key });
      return;
    case 'resolve':
      await client.act('POST', `v1/tasks/${act.task}/resolve`, {
        body: { ...reason, step: act.step, happened: chosen.happened },
        key,
      });
      return;
    case 'release':
      await noteOn(taskOfRelease(act, entry), 'lease released by hand');
      await client.act('DELETE', 'v1/leases', { query: { key: act.key, token: act.token }, key });
      return;
    case 'force':
      await noteOn(taskOfRelease(act, entry), 'lease released by force');
      await client.act('POST', 'transition-lease/release', {
        query: { work_item: act.work_item, repo: act.repo },
        key,
      });
      return;
    case 'reap':
      await client.act('POST', 'v1/reaper/run', {});
      return;
    case 'setting':
      await client.act('POST', 'v1/settings', { body: { [act.key]: act.value }, key });
  }
}
