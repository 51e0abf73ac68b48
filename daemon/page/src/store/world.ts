// What the page knows, kept up by the log. A record touches only what it concerns: its task, job or lease. What the
// machine made of it is asked for (a batch of reads, a few times a second), so no rule of the machine is repeated here.
import { batch, effect, signal, type Signal } from '@preact/signals';
import { errorWords, isForGood, Refused, type Client } from '../api/client';
import type { Boot, Definition, Hold, Job, Lease, LogRecord, Pipeline, Readiness, Repo, Task } from '../api/types';
import { follow } from '../live/follow';
import type { News } from '../live/stream';
import { heardTime, stopAt } from './clock';
import { itemsOf, readPast } from './past';
import { numberOf, Rows, textOf } from './rows';

export type Standing =
  | { kind: 'loading' }
  | { kind: 'live' }
  | { kind: 'past'; at: number; time: string | null } // as it was after the record that the client asks about
  | { kind: 'lost'; words: string }
  | { kind: 'failed'; words: string };

const flushMs = 200;
const flushHiddenMs = 1000;
const refreshMs = 2000;
const timesMax = 500;

/// Something that is read as a whole, and read again after a record that may have changed it.
export type Whole = 'boots' | 'pipelines' | 'repos' | 'settings' | 'queue' | 'stuck' | 'incidents';

export class World extends Rows {
  readonly standing: Signal<Standing> = signal({ kind: 'loading' });
  readonly head: Signal<number> = signal(0);
  readonly about: Signal<Readiness | null> = signal(null);
  readonly watchers = new Set<(record: LogRecord) => void>();
  /// Counts up when a whole is no longer what the views have read.
  readonly outdated: Record<Whole, Signal<number>> = {
    boots: signal(0),
    pipelines: signal(0),
    repos: signal(0),
    settings: signal(0),
    queue: signal(0),
    stuck: signal(0),
    incidents: signal(0),
  };

  private readonly times = new Map<number, Signal<string | null>>();
  private touchedTasks = new Set<number>();
  private touchedJobs = new Set<number>();
  private hasNewTasks = false;
  private hasNewJobs = false;
  private hasNewHolds = false;
  private flushTimer: ReturnType<typeof setTimeout> | null = null;
  private isFlushing = false;
  private refreshTimer: ReturnType<typeof setTimeout> | null = null;
  private readonly refresh = new Set<Whole>();
  private unfollow: () => void = () => {};
  private caughtUp: Promise<void> = Promise.resolve();
  private held: LogRecord[] | null = null; // the stream's, while the gap before them is read
  private generation = 0;

  constructor(
    private readonly client: Client,
    private readonly token: () => string | null,
  ) {
    super();
    effect(() => {
      if (!this.holds.hasOver.value || this.client.at !== null) return;
      this.hasNewHolds = true;
      this.flushSoon();
    });
  }

  /// Shows everything as it was after a record, and stays there; null: the present.
  async goTo(at: number | null): Promise<void> {
    this.client.at = at;
    await this.start();
    batch(() => Object.values(this.outdated).forEach((whole) => whole.value++));
  }

  /// Reads everything, then follows the log. Again after a restore of the log, or a new token.
  async start(): Promise<void> {
    this.stop();
    const generation = ++this.generation;
    const isOver = (): boolean => generation !== this.generation;
    const { at } = this.client;
    if (at !== null) return this.startPast(at, isOver);
    stopAt(null);
    this.standing.value = { kind: 'loading' };
    this.clear();
    let pauseMs = 500;
    while (!isOver()) {
      try {
        await this.load();
        if (isOver()) return;
        this.standing.value = { kind: 'live' };
        this.followLog();
        return;
      } catch (error) {
        if (isOver() || (error instanceof Refused && error.status === 401)) return;
        this.standing.value = { kind: isForGood(error) ? 'failed' : 'lost', words: errorWords(error) };
        if (isForGood(error)) return;
        await new Promise((done) => setTimeout(done, pauseMs));
        pauseMs = Math.min(pauseMs * 2, 5000);
      }
    }
  }

  /// What is shown stays until all of the past is read: a step through the log is one change of the view.
  private async startPast(at: number, isOver: () => boolean): Promise<void> {
    for (let pauseMs = 250; !isOver(); pauseMs = Math.min(pauseMs * 2, 5000)) {
      try {
        const past = await readPast(this.client);
        if (isOver()) return;
        stopAt(past.time);
        batch(() => {
          this.become(past);
          this.about.value = past.about;
          this.head.value = Math.max(past.about.seq ?? 0, at);
          this.standing.value = { kind: 'past', at, time: past.time };
        });
        return await this.readDefinitions();
      } catch (error) {
        if (isOver() || (error instanceof Refused && error.status === 401)) return;
        if (isForGood(error)) {
          // How far the log goes, for the sentence about a position behind its end.
          const about = await this.client.get<Readiness>('readyz').catch(() => null);
          if (isOver()) return;
          this.clear();
          this.head.value = about?.seq ?? 0;
          this.standing.value = { kind: 'failed', words: errorWords(error) };
          return;
        }
        // Others look back too: one after another, each has its turn.
        if (!(error instanceof Refused && error.code === 'too_many_past'))
          this.standing.value = { kind: 'lost', words: errorWords(error) };
        await new Promise((done) => setTimeout(done, pauseMs));
      }
    }
  }

  stop(): void {
    this.generation++;
    this.unfollow();
    this.unfollow = () => {};
    if (this.flushTimer) clearTimeout(this.flushTimer);
    this.flushTimer = null;
  }

  /// When a record was written; null until that has been asked.
  timeOf(seq: number): Signal<string | null> {
    let time = this.times.get(seq);
    if (time) return time;
    time = signal<string | null>(null);
    this.keepTime(seq, time);
    const found = time;
    void this.client
      .recordAfter(seq - 1)
      .then((record) => {
        if (record?.seq === seq) found.value = record.time;
      })
      .catch(() => this.times.delete(seq));
    return time;
  }

  private keepTime(seq: number, time: Signal<string | null>): void {
    const oldest = this.times.keys().next();
    if (this.times.size >= timesMax && !oldest.done) this.times.delete(oldest.value);
    this.times.set(seq, time);
  }

  protected override clear(): void {
    super.clear();
    this.times.clear();
    this.touchedTasks.clear();
    this.touchedJobs.clear();
    this.held = null;
  }

  private async load(): Promise<void> {
    // Open to all, and still an answer while the log is replayed.
    const about = await this.client.get<Readiness>('readyz').catch((error: unknown) => {
      const body = error instanceof Refused ? (error.body as Readiness | null) : null;
      if (body && typeof body.seq === 'number') return body;
      if (body && body.reason === 'starting')
        throw new Refused(503, 'starting', 'pawld is starting: it replays its log');
      throw error;
    });
    this.about.value = about;
    this.head.value = about.seq ?? 0;
    await Promise.all([this.readPipelines(), this.readRepos(), this.readBoots(), this.readHolds()]);
    await this.client.pages<Lease>('v1/leases', {}, (leases) => {
      for (const lease of leases) this.leases.set(lease.key, lease);
      this.leasesVersion.value++;
    });
    for (const status of ['running', 'queued']) {
      await this.client.pages<Job>('v1/jobs', { status }, (jobs) =>
        batch(() => jobs.forEach((job) => this.putJob(job))),
      );
    }
    await this.readNewTasks();
  }

  private async readNewTasks(): Promise<void> {
    await this.client.pages<Task>('v1/tasks', { live: true, after: this.maxTask }, (tasks) =>
      batch(() => tasks.forEach((task) => this.putTask(task))),
    );
    await this.readDefinitions();
  }

  /// A narrow token may not list pipelines: their stages are then those of the tasks.
  private async readPipelines(): Promise<void> {
    this.pipelines.value = await itemsOf<Pipeline>(this.client, 'v1/pipelines');
    for (const { seq, definition } of this.pipelines.value) this.definitions.set(seq, definition);
  }
  private async readRepos(): Promise<void> {
    this.repos.value = await itemsOf<Repo>(this.client, 'v1/repos');
  }
  private async readBoots(): Promise<void> {
    this.boots.value = await itemsOf<Boot>(this.client, 'v1/boots');
  }

  private async readHolds(): Promise<void> {
    this.holds.all.value = await itemsOf<Hold>(this.client, 'v1/holds');
  }

  /// Definitions that are no longer in force, but by which tasks still run: from the records that made them.
  private async readDefinitions(): Promise<void> {
    const missing = new Set<number>();
    for (const entry of this.tasks.values()) {
      const { pipeline } = entry.peek().task;
      if (!this.definitions.has(pipeline)) missing.add(pipeline);
    }
    for (const seq of missing) {
      const definition = await this.definitionAt(seq).catch(() => null);
      this.definitions.set(seq, definition);
      batch(() => {
        for (const [id, entry] of this.tasks) {
          const { task } = entry.peek();
          if (task.pipeline === seq) this.columns.update(id, task, this.pipelineNameOf(task));
        }
        this.columns.shape.value++;
      });
    }
  }

  private async definitionAt(seq: number): Promise<Definition | null> {
    const record = await this.client.recordAfter(seq - 1);
    return record?.seq === seq && record.type === 'PipelineDefined' ? (record.data as unknown as Definition) : null;
  }

  // ---- the log
  private followLog(): void {
    const generation = this.generation;
    this.unfollow = follow({
      base: this.client.base,
      token: this.token(),
      after: () => this.head.peek(),
      tell: (news) => {
        if (generation === this.generation) this.told(news);
      },
      behind: (at) => {
        this.held ??= [];
        this.caughtUp = this.caughtUp.then(() => this.catchUp(at, generation));
      },
    });
  }

  private told(news: News): void {
    switch (news.kind) {
      case 'open':
        this.standing.value = { kind: 'live' };
        return void this.checkHead();
      case 'records':
        if (this.held) this.held.push(...news.records);
        else this.apply(news.records);
        return;
      case 'lost':
        this.standing.value = { kind: 'lost', words: news.words };
        return;
      case 'gone':
        return void this.start();
      case 'ended':
        if (news.status === 401) this.client.unauthorized();
        else this.standing.value = { kind: 'failed', words: news.words };
    }
  }

  /// A log that is shorter than what was seen is another one: pawld was started on other data.
  private async checkHead(): Promise<void> {
    const about = await this.client.get<Readiness>('readyz').catch(() => null);
    if (!about) return;
    const isOtherBoot = this.about.peek()?.boot !== about.boot;
    this.about.value = about;
    if (isOtherBoot) this.wantsRefresh('boots');
    if (about.seq !== null && about.seq < this.head.peek()) void this.start();
  }

  private async catchUp(to: number, generation: number): Promise<void> {
    while (this.head.peek() < to && generation === this.generation) {
      try {
        const response = await this.client.raw('GET', 'v1/events', {
          query: { after: this.head.peek(), limit: 10_000 },
        });
        const lines = (await response.text()).split('\n').filter((line) => line !== '');
        const next = Number(response.headers.get('Pawl-Next') ?? to);
        this.apply(lines.map((line) => JSON.parse(line) as LogRecord));
        if (next <= this.head.peek() && lines.length === 0) break;
        this.head.value = Math.max(this.head.peek(), next);
      } catch (error) {
        if (error instanceof Refused && error.status === 410) return void this.start();
        if (error instanceof Refused && error.status === 401) return;
        await new Promise((done) => setTimeout(done, 1000));
      }
    }
    const held = this.held ?? [];
    this.held = null;
    if (generation === this.generation) this.apply(held);
  }

  apply(records: LogRecord[]): void {
    batch(() => {
      for (const record of records) {
        if (record.seq <= this.head.peek()) continue;
        this.head.value = record.seq;
        this.applyOne(record);
        for (const watcher of this.watchers) watcher(record);
      }
    });
  }

  private applyOne(record: LogRecord): void {
    heardTime(record.time);
    this.heard.set(record.boot, record.time);
    if (record.outcome !== 'accepted') return; // it changed nothing
    const { data } = record;
    const task = numberOf(data['task']);
    const job = numberOf(data['job']);
    if (task !== null) this.touchTask(task);
    if (job !== null) this.touchJob(job);
    switch (record.type) {
      case 'LeaseAcquired':
        this.leaseTaken(record);
        break;
      case 'LeaseReleased':
      case 'LeaseReclaimed':
        this.leaseFreed(textOf(data['key']) ?? '');
        break;
      case 'TaskCreated':
        this.hasNewTasks = true;
        this.hasNewJobs = true;
        this.wantsRefresh('repos');
        break;
      case 'StepStarted':
        this.keepTime(record.seq, signal<string | null>(record.time));
        break;
      case 'JobQueued':
      case 'StageTransition':
        this.hasNewJobs = true;
        break;
      case 'BootStarted':
      case 'BootEnded':
        this.wantsRefresh('boots');
        break;
      case 'PipelineDefined':
        this.wantsRefresh('pipelines');
        break;
      case 'RepoDeclared':
      case 'RepoRemoved':
        this.wantsRefresh('repos');
        break;
      case 'HoldPlaced':
      case 'HoldLifted':
      case 'FreezePlanned':
        this.hasNewHolds = true;
        break;
      case 'SettingChanged':
        this.wantsRefresh('settings');
        break;
      case 'LogRestored':
        return void this.start();
    }
    this.wantsRefresh('queue');
    this.wantsRefresh('stuck');
    this.wantsRefresh('incidents');
    this.flushSoon();
  }

  private touchTask(id: number): void {
    this.touchedTasks.add(id);
    const job = this.jobOfTask.get(id);
    if (job !== undefined) this.touchedJobs.add(job);
  }

  private touchJob(id: number): void {
    this.touchedJobs.add(id);
    const task = this.jobs.get(id)?.task;
    if (task !== undefined) this.touchedTasks.add(task);
  }

  // ---- what the machine made of it
  private flushSoon(): void {
    if (this.flushTimer || this.isFlushing) return;
    const isHidden = typeof document !== 'undefined' && document.hidden;
    this.flushTimer = setTimeout(() => void this.flush(), isHidden ? flushHiddenMs : flushMs);
  }

  private async flush(): Promise<void> {
    this.flushTimer = null;
    this.isFlushing = true;
    const generation = this.generation;
    const tasks = this.touchedTasks;
    const jobs = this.touchedJobs;
    const { hasNewTasks, hasNewJobs, hasNewHolds } = this;
    this.touchedTasks = new Set();
    this.touchedJobs = new Set();
    this.hasNewTasks = this.hasNewJobs = this.hasNewHolds = false;
    try {
      if (hasNewHolds) await this.readHolds();
      if (hasNewTasks) await this.readNewTasks();
      if (hasNewJobs) {
        await this.client.pages<Job>('v1/jobs', { after: this.maxJob }, (found) =>
          batch(() => found.forEach((job) => this.putJob(job))),
        );
      }
      // Jobs first: a job may tell of a task that has changed with it.
      const jobIds = [...jobs];
      const jobRows = await this.client.readMany<Job>(jobIds.map((id) => `v1/jobs/${id}`));
      for (const job of jobRows) if (job) tasks.add(job.task);
      const taskIds = [...tasks];
      const taskRows = await this.client.readMany<Task>(taskIds.map((id) => `v1/tasks/${id}`));
      if (generation !== this.generation) return;
      batch(() => {
        jobIds.forEach((id, at) => (jobRows[at] ? this.putJob(jobRows[at]) : this.removeJob(id)));
        taskIds.forEach((id, at) => (taskRows[at] ? this.putTask(taskRows[at]) : this.removeTask(id)));
      });
    } catch (error) {
      if (generation !== this.generation || (error instanceof Refused && error.status === 401)) return;
      // Once pawld answers again.
      tasks.forEach((id) => this.touchedTasks.add(id));
      jobs.forEach((id) => this.touchedJobs.add(id));
      this.hasNewTasks ||= hasNewTasks;
      this.hasNewJobs ||= hasNewJobs;
      this.hasNewHolds ||= hasNewHolds;
      await new Promise((done) => setTimeout(done, 1000));
    } finally {
      this.isFlushing = false;
    }
    const isNew = this.hasNewTasks || this.hasNewJobs || this.hasNewHolds;
    const hasMore = isNew || this.touchedTasks.size > 0 || this.touchedJobs.size > 0;
    if (hasMore && generation === this.generation) this.flushSoon();
  }

  // ---- wholes
  private wantsRefresh(whole: Whole): void {
    this.refresh.add(whole);
    this.refreshTimer ??= setTimeout(() => void this.refreshNow(), refreshMs);
  }

  private async refreshNow(): Promise<void> {
    this.refreshTimer = null;
    const wholes = [...this.refresh];
    this.refresh.clear();
    const readers: { [name: string]: (() => Promise<void>) | undefined } = {
      boots: () => this.readBoots(),
      pipelines: () => this.readPipelines(),
      repos: () => this.readRepos(),
    };
    for (const whole of wholes) await readers[whole]?.().catch(() => this.wantsRefresh(whole));
    batch(() => wholes.forEach((whole) => this.outdated[whole].value++));
  }
}
