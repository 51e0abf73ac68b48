// Swim lanes: who did what to a task, and when. From its records and its runs; nothing is guessed that these do not
// say.
import type { LogRecord, LogRun } from '../api/types';
import { sentenceOf, winnerOf } from '../words/record';
import { msOf } from './clock';

export interface Bar {
  kind: 'lease' | 'agent' | 'gate' | 'step';
  state: 'good' | 'bad' | 'unsure' | 'running' | 'plain';
  label: string;
  begin: number; // ms
  end: number | null; // null: it still runs
  seq: number; // of the record to look at
}

export interface Mark {
  kind: 'refused' | 'moved' | 'blocked' | 'unblocked' | 'cancel' | 'note' | 'gate';
  at: number;
  label: string;
  seq: number;
  winner: number | null; // for a refused act: the record that it lost to
}

export interface Lane {
  actor: string;
  bars: Bar[];
  marks: Mark[];
}

const numberOf = (value: unknown): number | null => (typeof value === 'number' ? value : null);
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const actorOf = (record: LogRecord): string => {
  const owner = record.data['owner'] as { actor?: string } | undefined;
  return owner?.actor ?? record.actor;
};

const markKinds: { [type: string]: Mark['kind'] } = {
  StageTransition: 'moved',
  TaskBlocked: 'blocked',
  TaskUnblocked: 'unblocked',
  CancelRequested: 'cancel',
  TaskCancelled: 'cancel',
  TaskNote: 'note',
};

class Lanes {
  private readonly lanes = new Map<string, Lane>();
  private readonly leases = new Map<string, Bar>();
  private readonly runs = new Map<number, Bar>();
  private readonly steps = new Map<number, Bar>();

  constructor(private readonly gates: LogRun[]) {}

  all(): Lane[] {
    return [...this.lanes.values()];
  }

  take(record: LogRecord, before: readonly LogRecord[]): void {
    const at = msOf(record.time);
    if (record.outcome !== 'accepted') {
      const { does, refused } = sentenceOf(record);
      this.lane(record.actor).marks.push({
        kind: 'refused',
        at,
        label: `${record.actor} ${does}: refused, ${refused ?? ''}`,
        seq: record.seq,
        winner: winnerOf(record, before)?.seq ?? null,
      });
      return;
    }
    const { data } = record;
    switch (record.type) {
      case 'LeaseAcquired':
        if (data['token'] === null || data['token'] === undefined) this.leaseTaken(record, at);
        return;
      case 'LeaseReleased':
      case 'LeaseReclaimed':
        return this.end(this.leases, textOf(data['key']), at, record.type === 'LeaseReclaimed' ? 'bad' : 'plain');
      case 'JobClaimed':
        return this.claimed(record, at);
      case 'RunExited':
        return this.end(this.runs, numberOf(data['job']), at, data['exit_code'] === 0 ? 'good' : 'bad');
      case 'JobReaped':
      case 'ClaimReturned':
        return this.end(this.runs, numberOf(data['job']), at, 'bad');
      case 'JobFinished':
        return this.end(this.runs, numberOf(data['job']), at, data['result'] === 'done' ? 'good' : 'bad');
      case 'StepStarted':
        return this.stepStarted(record, at);
      case 'StepFinished': {
        const outcome = textOf(data['outcome']);
        return this.end(
          this.steps,
          numberOf(data['started']),
          at,
          outcome === 'done' ? 'good' : outcome === 'failed' ? 'bad' : 'unsure',
        );
      }
      case 'GateEvaluated':
        return this.gate(record, at);
    }
    const kind = markKinds[record.type];
    if (!kind) return;
    const { actor, does } = sentenceOf(record);
    this.lane(record.actor).marks.push({ kind, at, label: `${actor} ${does}`, seq: record.seq, winner: null });
  }

  private lane(actor: string): Lane {
    let lane = this.lanes.get(actor);
    if (!lane) this.lanes.set(actor, (lane = { actor, bars: [], marks: [] }));
    return lane;
  }

  private bar(actor: string, bar: Bar): Bar {
    this.lane(actor).bars.push(bar);
    return bar;
  }

  private end<K>(open: Map<K, Bar>, key: K | null, at: number, state: Bar['state']): void {
    const bar = key === null ? undefined : open.get(key);
    if (!bar || key === null) return;
    bar.end = at;
    bar.state = state;
    open.delete(key);
  }

  private leaseTaken(record: LogRecord, at: number): void {
    const key = textOf(record.data['key']);
    const edge = textOf(record.data['edge']).replace('->', ' → ');
    const label = `lease ${key}${edge === '' ? '' : ` for ${edge}`}`;
    this.leases.set(
      key,
      this.bar(actorOf(record), { kind: 'lease', state: 'running', label, begin: at, end: null, seq: record.seq }),
    );
  }

  private claimed(record: LogRecord, at: number): void {
    const job = numberOf(record.data['job']) ?? 0;
    this.end(this.runs, job, at, 'bad');
    const label = `job ${job}`;
    this.runs.set(
      job,
      this.bar(actorOf(record), { kind: 'agent', state: 'running', label, begin: at, end: null, seq: record.seq }),
    );
  }

  private stepStarted(record: LogRecord, at: number): void {
    const label = `step ${textOf(record.data['step'])}`;
    this.steps.set(
      record.seq,
      this.bar(record.actor, { kind: 'step', state: 'running', label, begin: at, end: null, seq: record.seq }),
    );
  }

  /// The log has a gate's end alone; its run has the begin.
  private gate(record: LogRecord, at: number): void {
    const { data } = record;
    const state = data['passed'] === true ? 'good' : data['passed'] === false ? 'bad' : 'unsure';
    const colour = { good: 'green', bad: 'red', unsure: 'undecided' }[state];
    const label = `gate of ${textOf(data['gate'])}: ${colour}`;
    const slackMs = 1000;
    const run = this.gates
      .filter(
        (gate) =>
          gate.stage === data['gate'] &&
          gate.version === data['version'] &&
          msOf(gate.began_at) <= at &&
          msOf(gate.ended_at ?? gate.began_at) <= at + slackMs,
      )
      .sort((a, b) => msOf(b.began_at) - msOf(a.began_at))[0];
    if (run)
      this.bar(record.actor, { kind: 'gate', state, label, begin: msOf(run.began_at), end: at, seq: record.seq });
    else
      this.lane(record.actor).marks.push({
        kind: 'gate',
        at,
        label: `${record.actor}: ${label}`,
        seq: record.seq,
        winner: null,
      });
  }

  /// A gate that runs now is in no record yet: it belongs to who holds the lease.
  running(run: LogRun, seq: number): void {
    const holder = [...this.lanes.values()].find((lane) =>
      lane.bars.some((bar) => bar.kind === 'lease' && bar.end === null),
    );
    this.bar(holder?.actor ?? 'pawld', {
      kind: 'gate',
      state: 'running',
      label: `gate of ${run.stage}`,
      begin: msOf(run.began_at),
      end: null,
      seq,
    });
  }
}

/// In the order in which the actors first appear.
export function lanesOf(records: readonly LogRecord[], runs: readonly LogRun[]): Lane[] {
  const gates = runs.filter(({ what }) => what === 'gate');
  const lanes = new Lanes(gates);
  records.forEach((record, at) =>
    lanes.take(record, record.outcome === 'accepted' ? [] : records.slice(Math.max(0, at - 500), at)),
  );
  const last = records[records.length - 1];
  for (const run of gates) if (run.ended_at === null && last) lanes.running(run, last.seq);
  return lanes.all().filter(({ bars, marks }) => bars.length + marks.length > 0);
}

/// Round times for an axis, at most `count` of them.
export function ticksOf(begin: number, end: number, count: number): number[] {
  const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500].concat(
    [
      1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800,
      2592000,
    ].map((s) => s * 1000),
  );
  const wanted = (end - begin) / Math.max(1, count);
  const step = steps.find((each) => each >= wanted) ?? Math.ceil(wanted / 2_592_000_000) * 2_592_000_000;
  const ticks: number[] = [];
  for (let at = Math.ceil(begin / step) * step; at <= end; at += step) ticks.push(at);
  return ticks;
}
