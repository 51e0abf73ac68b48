// The rows that the page knows: tasks, jobs, leases and what they name. Each task's signal is its own, so a change
// draws what shows that task again and nothing else.
import { batch, signal, type Signal } from '@preact/signals';
import type { Boot, Definition, Job, Lease, LogRecord, Pipeline, Repo, Task } from '../api/types';
import { questionOf } from './approvals';
import { Columns } from './columns';
import { Holds } from './holds';
import type { Past } from './past';
import { isTerminal } from './stages';

export interface Entry {
  task: Task;
  job: Job | null; // queued or running
  lease: Lease | null;
}

export function taskOfKey(key: string): number | null {
  const found = /^task:(\d+)$/.exec(key);
  return found ? Number(found[1]) : null;
}

export const numberOf = (value: unknown): number | null => (typeof value === 'number' ? value : null);
export const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null);

export class Rows {
  readonly columns = new Columns();
  readonly tasks = new Map<number, Signal<Entry>>();
  readonly tasksAdded: Signal<number> = signal(0);
  readonly leases = new Map<string, Lease>();
  readonly leasesVersion: Signal<number> = signal(0);
  /// Those whose gate asks for an approval.
  readonly asked = new Set<number>();
  readonly askedVersion: Signal<number> = signal(0);
  readonly jobs = new Map<number, Job>();
  readonly jobsVersion: Signal<number> = signal(0);
  readonly boots: Signal<Boot[]> = signal([]);
  readonly pipelines: Signal<Pipeline[]> = signal([]);
  readonly repos: Signal<Repo[]> = signal([]);
  readonly holds = new Holds();
  /// By boot: the time of the last record that it asked for.
  readonly heard = new Map<string, string>();

  protected readonly definitions = new Map<number, Definition | null>();
  protected readonly jobOfTask = new Map<number, number>();
  protected maxTask = 0;
  protected maxJob = 0;

  /// A live task. Who asks for one that is not here is told when that changes.
  entry(id: number): Signal<Entry> | undefined {
    const entry = this.tasks.get(id);
    if (!entry) void this.tasksAdded.value;
    return entry;
  }

  /// The definition that a task runs by: the one it started with.
  definitionOf(seq: number): Definition | null {
    return this.definitions.get(seq) ?? null;
  }

  pipelineNameOf(task: Task): string {
    return this.definitionOf(task.pipeline)?.name ?? `pipeline ${task.pipeline}`;
  }

  /// Whether a boot is one of the daemon's. Its name is reserved for it.
  isDaemon(boot: string): boolean {
    return this.boots.value.some(({ boot_id, name }) => boot_id === boot && name === 'pawld');
  }

  nameOfBoot(boot: string): string | null {
    return this.boots.value.find(({ boot_id }) => boot_id === boot)?.name ?? null;
  }

  *placed(): Iterable<[number, Task, string]> {
    for (const [id, entry] of this.tasks) yield [id, entry.value.task, this.pipelineNameOf(entry.value.task)];
  }

  protected clear(): void {
    batch(() => {
      for (const id of [...this.tasks.keys()]) this.removeTask(id);
      this.clearHeld();
      this.definitions.clear();
      this.heard.clear();
      this.maxTask = 0;
      this.maxJob = 0;
    });
  }

  /// Shows other rows in one change. A card that stays keeps its entry: it would not hear of another one.
  protected become(past: Past): void {
    const stays = new Set(past.tasks.map(({ id }) => id));
    for (const id of [...this.tasks.keys()]) if (!stays.has(id)) this.removeTask(id);
    this.clearHeld();
    this.pipelines.value = past.pipelines;
    this.repos.value = past.repos;
    this.boots.value = past.boots;
    this.holds.all.value = past.holds;
    for (const { seq, definition } of past.pipelines) this.definitions.set(seq, definition);
    for (const lease of past.leases) this.leases.set(lease.key, lease);
    past.jobs.forEach((job) => this.putJob(job));
    past.tasks.forEach((task) => this.putTask(task));
  }

  private clearHeld(): void {
    this.leases.clear();
    this.jobs.clear();
    this.jobOfTask.clear();
    this.leasesVersion.value++;
    this.jobsVersion.value++;
  }

  protected leaseTaken(record: LogRecord): void {
    const key = textOf(record.data['key']) ?? '';
    const owner = record.data['owner'] as unknown as Lease['owner'];
    const held = this.leases.get(key);
    const ttl = numberOf(record.data['ttl']);
    const isRenewal = held !== undefined && numberOf(record.data['token']) === held.token;
    if (record.unchecked && !isRenewal) return; // ownership is off: it grants nothing
    this.leases.set(
      key,
      isRenewal
        ? { ...held, renewed_at: record.time, ttl: ttl ?? held.ttl }
        : {
            key,
            token: record.seq,
            owner,
            edge: textOf(record.data['edge']),
            ttl,
            acquired_at: record.time,
            renewed_at: record.time,
          },
    );
    this.leaseChanged(key);
  }

  protected leaseFreed(key: string): void {
    if (this.leases.delete(key)) this.leaseChanged(key);
  }

  private leaseChanged(key: string): void {
    this.leasesVersion.value++;
    const id = taskOfKey(key);
    const entry = id === null ? undefined : this.tasks.get(id);
    if (entry) entry.value = { ...entry.peek(), lease: this.leases.get(key) ?? null };
  }

  protected putTask(task: Task): void {
    this.maxTask = Math.max(this.maxTask, task.id);
    if (isTerminal(task.stage)) {
      // For the task's own page, which may be open.
      const ended = this.tasks.get(task.id);
      if (ended) ended.value = { task, job: null, lease: null };
      return this.removeTask(task.id);
    }
    const job = this.jobs.get(this.jobOfTask.get(task.id) ?? -1) ?? null;
    const fresh: Entry = { task, job, lease: this.leases.get(`task:${task.id}`) ?? null };
    const known = this.tasks.get(task.id);
    if (known) known.value = fresh;
    else {
      this.tasks.set(task.id, signal(fresh));
      this.tasksAdded.value++;
    }
    this.columns.update(task.id, task, this.pipelineNameOf(task));
    this.noteAsked(task);
  }

  private noteAsked(task: Task): void {
    const wasAsked = this.asked.has(task.id);
    const isAsked = questionOf(task) !== null;
    if (!wasAsked && !isAsked) return;
    if (isAsked) this.asked.add(task.id);
    else this.asked.delete(task.id);
    this.askedVersion.value++; // what was said to it may have changed
  }

  protected removeTask(id: number): void {
    if (!this.tasks.delete(id)) return;
    if (this.asked.delete(id)) this.askedVersion.value++;
    this.columns.update(id, null, '');
  }

  protected putJob(job: Job): void {
    this.maxJob = Math.max(this.maxJob, job.id);
    if (job.status !== 'queued' && job.status !== 'running') return this.removeJob(job.id);
    this.jobs.set(job.id, job);
    this.jobOfTask.set(job.task, job.id);
    this.jobsVersion.value++;
    const entry = this.tasks.get(job.task);
    if (entry) entry.value = { ...entry.peek(), job };
  }

  protected removeJob(id: number): void {
    const job = this.jobs.get(id);
    if (!job) return;
    this.jobs.delete(id);
    this.jobsVersion.value++;
    if (this.jobOfTask.get(job.task) !== id) return;
    this.jobOfTask.delete(job.task);
    const entry = this.tasks.get(job.task);
    if (entry) entry.value = { ...entry.peek(), job: null };
  }
}
