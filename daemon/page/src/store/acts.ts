// What an operator can do at this page, and what each act will do, in words.
import type { Definition, Hold, Stage } from '../api/types';
import { fieldTime } from '../words/time';
import { msOf, nowMs } from './clock';
import { placeOf, placeWords, type PlaceKind } from './holds';
import { taskOfKey, type Entry } from './rows';

export type Act =
  | { kind: 'advance' | 'retry' | 'unblock' | 'cancel' | 'note'; task: number }
  | { kind: 'resolve'; task: number; step: string }
  | { kind: 'release'; key: string; token: number }
  | { kind: 'force'; work_item: string; repo: string }
  | { kind: 'hold'; place: string | null } // null: the person names it
  | { kind: 'resume'; place: string }
  | { kind: 'override' | 'priority'; task: number }
  /// The answer is to the question as it was shown: pawld refuses it if the task or its branch has moved since.
  | { kind: 'approve' | 'reject'; task: number; version: number; head: string | null }
  | { kind: 'reap' }
  | { kind: 'setting'; key: string; value: boolean };

/// What the person has chosen in the dialog.
export interface Chosen {
  why: string;
  take: '' | 'origin' | 'ours';
  keepBranch: boolean;
  happened: boolean | null;
  placeKind: PlaceKind;
  placeName: string;
  until: string; // as the browser's field for times has it: local, '2026-12-24T18:00'; empty: none
  priority: string;
  notBefore: string; // as `until`
}

const nothingChosen: Chosen = {
  why: '',
  take: '',
  keepBranch: false,
  happened: null,
  placeKind: 'stage',
  placeName: '',
  until: '',
  priority: '0',
  notBefore: '',
};

/// What is chosen at first: what is so now.
export function chosenAtFirst(act: Act, entry: Entry | null, holds: readonly Hold[]): Chosen {
  const field = (time: string | null | undefined): string => (time ? fieldTime(msOf(time)) : '');
  if (act.kind === 'hold' && act.place !== null) {
    const held = holds.find(({ place, freeze }) => place === act.place && !freeze);
    return { ...nothingChosen, until: field(held?.until_at) };
  }
  if (act.kind !== 'priority') return nothingChosen;
  const task = entry?.task;
  return { ...nothingChosen, priority: String(task?.priority ?? 0), notBefore: field(task?.not_before_at) };
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
    case 'hold':
      return act.place === null ? 'Hold a place' : `Hold ${placeWords(act.place)}`;
    case 'resume':
      return `Resume ${placeWords(act.place)}`;
    case 'override':
      return `Let task ${act.task} past what holds it`;
    case 'priority':
      return `Priority of task ${act.task}`;
    case 'approve':
      return `Approve task ${act.task}`;
    case 'reject':
      return `Reject task ${act.task}`;
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
    hold: 'Hold',
    resume: 'Resume',
    override: 'Override',
    priority: 'Set priority',
    approve: 'Approve',
    reject: 'Reject',
    reap: 'Run the reaper',
    setting: 'Set',
  })[act.kind];

/// Whether a reason can be recorded with it: by the act itself or, where the act has none, as a note before it.
export function takesWhy(act: Act, entry: Entry | null): boolean {
  if (act.kind === 'reap' || act.kind === 'setting') return false;
  if (act.kind === 'release') return taskOfRelease(act, entry) !== null;
  return act.kind !== 'force' || entry !== null;
}

export function taskOfRelease(act: Act, entry: Entry | null): number | null {
  if (act.kind === 'release') return taskOfKey(act.key);
  return act.kind === 'force' ? (entry?.task.id ?? null) : null;
}

/// Whether the reason may be left out.
export const mayLeaveOutWhy = ({ kind }: Act): boolean => kind === 'approve' || kind === 'priority';

/// The task that it is about; null: none, or one that only its work item names.
export function taskOf(act: Act): number | null {
  if ('task' in act) return act.task;
  if (act.kind === 'release') return taskOfKey(act.key);
  return (act.kind === 'hold' || act.kind === 'resume') && act.place !== null ? taskOfKey(act.place) : null;
}

const whyMax = 1024;
const noteMax = 4096;

const isTooLong = (text: string, max: number): boolean => new TextEncoder().encode(text).length > max;

/// Where the reason becomes a note, words of this page stand before it.
const whyMaxOf = ({ kind }: Act): number =>
  kind === 'note' ? noteMax : ['advance', 'release', 'force'].includes(kind) ? noteMax - 64 : whyMax;

const noTime = 'That is not a time.';
const priorityMost = 100;

/// Infinity: no time is chosen.
const msOfField = (time: string): number => (time === '' ? Infinity : Date.parse(time));

function timeProblem(time: string): string | null {
  const ms = msOfField(time);
  if (Number.isNaN(ms)) return noTime;
  return ms <= nowMs.peek() ? 'That time is over: choose a later one.' : null;
}

function priorityProblem(typed: string): string | null {
  const isFit = /^[-+]?\d{1,3}$/.test(typed.trim()) && Math.abs(Number(typed)) <= priorityMost;
  return isFit ? null : `A priority is a whole number from -${priorityMost} to ${priorityMost}.`;
}

function placeProblem({ placeKind, placeName }: Chosen): string | null {
  const name = placeName.trim();
  if (name === '') return `Name the ${placeKind === 'repo' ? 'repository' : placeKind}.`;
  return placeKind === 'task' && !/^[1-9]\d{0,14}$/.test(name)
    ? 'A task has a number: its work item is not enough.'
    : null;
}

/// What is missing in what the person has chosen, or wrong with it; null: nothing.
export function problemOf(act: Act, chosen: Chosen, wantsWhy: boolean): string | null {
  if (act.kind === 'hold') {
    const problem = (act.place === null ? placeProblem(chosen) : null) ?? timeProblem(chosen.until);
    if (problem !== null) return problem;
  }
  if (act.kind === 'priority') {
    const problem = priorityProblem(chosen.priority) ?? (Number.isNaN(msOfField(chosen.notBefore)) ? noTime : null);
    if (problem !== null) return problem;
  }
  if (wantsWhy && chosen.why.trim() === '' && !mayLeaveOutWhy(act))
    return act.kind === 'note' ? 'Write the note first.' : 'Say why: it goes into the record.';
  const max = whyMaxOf(act);
  if (isTooLong(chosen.why, max)) return `This is longer than ${max.toLocaleString('en')} bytes: shorten it.`;
  return act.kind === 'resolve' && chosen.happened === null ? 'Choose whether the step happened.' : null;
}

function advanceWords(stage: Stage | null): string {
  const gate = stage?.gate?.run ? `, runs the gate of ${stage.name} (at most ${stage.gate.timeout_s} s)` : '';
  const move = stage ? `, and moves it to ${stage.to} if that is green` : ', and drives it over its forward edge';
  return `pawld takes the lease of the task${gate}${move}.`;
}

function answerWords(act: Extract<Act, { kind: 'approve' | 'reject' }>): string[] {
  const head = act.head === null ? '' : `, commit ${act.head.slice(0, 12)}`;
  return [
    `Your word is about version ${act.version} of the task${head}, and about nothing that comes after.`,
    act.kind === 'approve'
      ? 'As soon as enough have approved, pawld goes on: the task crosses to its next stage.'
      : 'The task does not cross, whoever else approves it.',
  ];
}

function holdWords(place: string | null): string[] {
  const isAgent = place !== null && placeOf(place)?.kind === 'agent';
  return [
    isAgent
      ? 'No job of this agent is claimed. Nothing else is held back.'
      : 'Nothing new starts there: no job is claimed, no step begins, and no task moves forward.',
    'What has begun goes on to its end: an agent that runs, a step, a rollback, a cancel.',
    ...(place === null ? ['If the place is held already, its end and its reason are replaced.'] : []),
  ];
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
    case 'hold':
      out.push(...holdWords(act.place));
      break;
    case 'resume':
      out.push(
        `The hold of ${placeWords(act.place)} is lifted: what waits for it goes on.`,
        'A task that another hold or a freeze holds, too, still waits.',
      );
      break;
    case 'override':
      out.push(
        'Nothing holds the task while it stays on this stage: its job may be claimed, and its steps begin.',
        'On its next stage it is held again. For all other tasks nothing changes.',
      );
      break;
    case 'priority':
      out.push(
        'Of the jobs that wait, those of a higher priority are claimed first. One that has waited long enough still ' +
          'comes before them.',
        'Before the time, no work on the task starts. What runs goes on.',
      );
      break;
    case 'approve':
    case 'reject':
      out.push(...answerWords(act));
      break;
    case 'reap':
      out.push('The reaper looks at all running jobs now, and ends those whose process is gone or whose time is over.');
      break;
    case 'setting':
      out.push(`The setting ${act.key} becomes ${String(act.value)} for everything, at once, until it is set again.`);
  }
  return out;
}
