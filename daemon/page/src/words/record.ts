// A sentence for each record, in the words of `pawl explain`: "monitor moves task 7 to review".
import type { LogRecord, Value } from '../api/types';

const text = (value: Value | undefined): string =>
  typeof value === 'string' ? value : value === null || value === undefined ? '' : JSON.stringify(value);
const because = (value: Value | undefined): string => (text(value) === '' ? '' : `: ${text(value)}`);
const commit = (value: Value | undefined): string => text(value).slice(0, 12);
const spaced = (value: Value | undefined): string => text(value).replace(/_/g, ' ');

const tiers: { [tier: string]: string } = {
  '1': 'its process is dead',
  '2': 'its finalizer is dead',
  '3': 'it ran too long',
  restart: 'its boot is dead',
};
const settlers: { [by: string]: string } = {
  command: 'its command',
  probe: 'its probe',
  rerun: 'its rerun',
  operator: 'an operator',
};

/// Verb in the third person, and what follows it.
type Words = [verb: string, rest: string];

function gateWords(data: LogRecord['data']): string {
  if (data['passed'] === true) return 'green';
  if (data['passed'] === false) return 'red';
  return data['later'] === true ? 'undecided, to be asked again later' : 'in error';
}

const ofCommit = (data: LogRecord['data']): string => (data['head'] ? `, commit ${commit(data['head'])}` : '');

function priorityWords(data: LogRecord['data']): string {
  const words: string[] = [];
  if (typeof data['priority'] === 'number') words.push(`priority ${data['priority']}`);
  if (data['not_before']) words.push(`not before ${text(data['not_before'])}`);
  if (data['clear_not_before'] === true) words.push('start at any time');
  return words.join(', ');
}

function leaseWords(data: LogRecord['data']): string {
  const edge = data['edge'] ? ` for ${text(data['edge']).replace('->', ' → ')}` : '';
  return data['ttl'] ? `${edge}, for at most ${text(data['ttl'])} s` : edge;
}

function settledWords(data: LogRecord['data']): string {
  const by = settlers[text(data['by'])] ?? text(data['by']);
  return data['reason'] ? `${by}; its last line: ${text(data['reason'])}` : by;
}

function wordsOf({ type, data }: LogRecord): Words {
  const task = `task ${text(data['task'])}`;
  const job = `job ${text(data['job'])}`;
  switch (type) {
    case 'BootStarted':
      return ['starts', `${text(data['name'])}, pid ${text(data['pid'])}`];
    case 'BootEnded':
      return ['ends', `boot ${text(data['boot_id'])}: ${spaced(data['reason'])}`];
    case 'PipelineDefined':
      return ['defines', `the pipeline ${text(data['name'])}`];
    case 'SettingChanged':
      return ['sets', `${text(data['key'])} to ${text(data['value'])}`];
    case 'TaskCreated': {
      const branch = data['branch'] ? `, branch ${text(data['branch'])}` : '';
      return ['creates', `a task for ${text(data['work_item'])} of ${text(data['repo'])}${branch}`];
    }
    case 'StageTransition':
      return ['moves', `${task} to ${text(data['to'])}${because(data['reason'])}`];
    case 'LeaseAcquired':
      return [data['token'] ? 'renews' : 'takes', `the lease ${text(data['key'])}${leaseWords(data)}`];
    case 'LeaseReleased':
      return ['releases', `the lease ${text(data['key'])}`];
    case 'LeaseReclaimed':
      return ['reclaims', `the lease ${text(data['key'])}: ${spaced(data['reason'])}`];
    case 'JobQueued':
      return ['queues', `a job for ${task}${because(data['reason'])}`];
    case 'JobClaimed':
      return ['claims', `${job}${data['ttl'] ? `, to be renewed within ${text(data['ttl'])} s` : ''}`];
    case 'RunStarted':
      return ['starts', `${job}, attempt ${text(data['attempt'])}: pid ${text(data['pid'])}`];
    case 'RunExited':
      return ['reports', `that the agent of ${job} exited with ${text(data['exit_code'])}`];
    case 'JobFinished':
      return ['ends', `${job} as ${text(data['result'])}`];
    case 'JobReaped':
      return ['reaps', `${job} (${tiers[text(data['tier'])] ?? text(data['tier'])}), outcome ${text(data['outcome'])}`];
    case 'FinalizerMarked':
      return ['marks', `${job} as being finalized`];
    case 'FinalizerCleared':
      return ['clears', `the mark of ${job}`];
    case 'GateEvaluated':
      return ['reports', `the gate of ${text(data['gate'])} ${gateWords(data)}${because(data['reason'])}`];
    case 'StepStarted':
      return ['starts', `the step ${text(data['step'])} of the crossing to ${text(data['to'])}`];
    case 'StepFinished':
      return ['reports', `the step ${text(data['step'])}: ${spaced(data['outcome'])}, by ${settledWords(data)}`];
    case 'TaskBlocked':
      return ['blocks', `${task}${because(data['reason'])}`];
    case 'TaskUnblocked':
      return ['unblocks', `${task}${because(data['reason'])}`];
    case 'CancelRequested':
      return ['asks', `to cancel ${task}${because(data['reason'])}`];
    case 'TaskCancelled':
      return ['cancels', task];
    case 'TaskNote':
      return ['notes', `: ${text(data['text'])}`];
    case 'RefusalsFolded':
      return ['folds', `${text(data['count'])} more refusals like record ${text(data['seq'])}`];
    case 'TimeGap':
      return ['notes', 'that nothing could act for a while: that time ages nothing'];
    case 'PreviousGone':
      return ['reports', `that process ${text(data['pid'])}, left behind by ${job}, is gone`];
    case 'LogRestored':
      return ['restores', `the log from a backup that ended at record ${text(data['from'])}`];
    case 'ClaimRenewed':
      return ['renews', `the claim of ${job}`];
    case 'ClaimReturned':
      return ['returns', `${job}: its claim was not delivered`];
    case 'BranchSeen':
      return [
        'sees',
        data['begun'] === true
          ? `that origin does not have the branch: it begins at ${commit(data['head'])}`
          : `the branch at origin at ${commit(data['head'])}`,
      ];
    case 'HoldPlaced':
      return [
        'holds',
        `${text(data['place'])}${data['until'] ? ` until ${text(data['until'])}` : ''}${because(data['reason'])}`,
      ];
    case 'HoldLifted':
      return ['lifts', `the hold of ${text(data['place'])}${because(data['reason'])}`];
    case 'HoldOverridden':
      return ['lets', `${task} past what holds it${because(data['reason'])}`];
    case 'FreezePlanned':
      return ['plans', `the freezes of ${text(data['pipeline'])}`];
    case 'ApprovalAsked':
      return ['asks', `for an approval of ${task} at version ${text(data['version'])}${ofCommit(data)}`];
    case 'ApprovalGiven':
      return [data['approved'] === true ? 'approves' : 'rejects', `${task}${ofCommit(data)}${because(data['reason'])}`];
    case 'TaskPrioritized':
      return ['sets', `${task} to ${priorityWords(data)}${because(data['reason'])}`];
    case 'RepoDeclared':
      return ['declares', `the repository ${text(data['repo'])}`];
    case 'RepoRemoved':
      return ['removes', `the repository ${text(data['repo'])}`];
    default:
      return ['records', type];
  }
}

/// Refusals in words, where the code alone does not say it.
const refusals: { [code: string]: string } = {
  version_conflict: 'the task has another version than it expected',
  lease_held: 'the lease is held',
  stale_token: 'the lease was taken away',
  not_held: 'the lease is not held',
  stale_attempt: 'the attempt was taken from it',
  not_running: 'the job is not running',
  blocked: 'the task is blocked',
  held: 'it is on hold, or frozen',
  committed: 'a crossing has begun and must be finished first',
  cancel_requested: 'a cancel is requested',
  not_approved: 'its gate needs an approval',
  not_asked: 'no approval is asked for',
  stale_head: 'the question is about another commit',
  may_not_approve: 'the gate does not name it',
  already_said: 'it has approved already',
  not_yet: 'it is not to start before its time',
  skipped: 'another event of its group was refused',
};

export const refusalWords = (outcome: string): string => refusals[outcome] ?? outcome.replace(/_/g, ' ');

export interface Sentence {
  actor: string;
  does: string; // "moves task 7 to review", "tries to move task 7 to review"
  refused: string | null; // why
}

export function sentenceOf(record: LogRecord): Sentence {
  const [verb, rest] = wordsOf(record);
  const joined = rest.startsWith(':') ? rest : ` ${rest}`;
  if (record.outcome === 'accepted') return { actor: record.actor, does: verb + joined, refused: null };
  return {
    actor: record.actor,
    does: `tries to ${verb.slice(0, -1)}${joined}`, // no verb here is irregular
    refused: refusalWords(record.outcome),
  };
}

/// The record that a refused one lost to: what had taken or moved what it wanted. `before`: the records before it.
export function winnerOf(refused: LogRecord, before: readonly LogRecord[]): LogRecord | null {
  const wanted: { [code: string]: string[] } = {
    version_conflict: ['StageTransition'],
    no_such_edge: ['StageTransition'],
    terminal: ['TaskCancelled', 'StageTransition'],
    lease_held: ['LeaseAcquired'],
    lease_required: ['LeaseAcquired'],
    stale_token: ['LeaseReclaimed', 'LeaseAcquired', 'LeaseReleased'],
    not_held: ['LeaseReclaimed', 'LeaseReleased'],
    stale_attempt: ['JobClaimed', 'JobReaped'],
    not_running: ['JobFinished', 'JobReaped', 'JobClaimed'],
    already_exited: ['RunExited'],
    already_done: ['StepFinished'],
    outcome_unknown: ['StepStarted'],
    committed: ['StepStarted'],
    blocked: ['TaskBlocked'],
    cancel_requested: ['CancelRequested'],
    not_asked: ['ApprovalGiven', 'StageTransition'],
    stale_head: ['ApprovalAsked'],
    already_queued: ['JobQueued', 'JobClaimed'],
  };
  const types = wanted[refused.outcome];
  if (!types) return null;
  for (let at = before.length - 1; at >= 0; at--) {
    const record = before[at];
    if (record && record.outcome === 'accepted' && record.seq < refused.seq && types.includes(record.type))
      return record;
  }
  return null;
}
