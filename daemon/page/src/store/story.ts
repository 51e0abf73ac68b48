// All that is known of one task, live or ended: its row, its records, its runs, and its story as pawld tells it, kept
// up by the log.
import { batch, signal, type Signal } from '@preact/signals';
import { errorWords, isForGood, Refused, type Client } from '../api/client';
import type { Job, LogRecord, LogRun, Task } from '../api/types';
import { msOf, nowMs } from './clock';
import type { Told } from './told';
import type { World } from './world';

const recordsMax = 20_000;
const pauseMs = 300;
/// A story is told as a whole, by replaying the log: not with each record, and so seldom that one page keeps the thread
/// that tells it busy for at most a tenth of its time.
const tellingMs = 2000;
const tellingPart = 10;

export class Story {
  readonly task: Signal<Task | null> = signal(null);
  readonly records: Signal<LogRecord[]> = signal([]);
  readonly isAll: Signal<boolean> = signal(true);
  readonly runs: Signal<LogRun[]> = signal([]);
  /// The story; null until it has come.
  readonly told: Signal<Told | null> = signal(null);
  /// Why pawld does not tell it.
  readonly untold: Signal<string | null> = signal(null);
  readonly failed: Signal<{ words: string; isUnknown: boolean } | null> = signal(null);
  private readonly jobs = new Set<number>();
  private after = 0;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private isBusy = false;
  private isWanted = false;
  private isOver = false;
  private tellingTimer: ReturnType<typeof setTimeout> | null = null;
  private isTelling = false;
  private toldMs = 0; // when it was last asked for
  private tookMs = 0; // how long pawld took for it
  private toldUpTo = 0; // the last record there was then
  private readonly watcher = (record: LogRecord): void => {
    if (this.concerns(record)) this.soon();
  };

  constructor(
    private readonly client: Client,
    private readonly world: World,
    readonly id: number,
  ) {}

  start(): void {
    this.world.watchers.add(this.watcher);
    void this.read();
  }

  stop(): void {
    this.isOver = true;
    this.world.watchers.delete(this.watcher);
    if (this.timer) clearTimeout(this.timer);
    if (this.tellingTimer) clearTimeout(this.tellingTimer);
  }

  again(): void {
    this.failed.value = null;
    void this.read();
  }

  private concerns({ data, type }: LogRecord): boolean {
    if (data['task'] === this.id || data['key'] === `task:${this.id}`) return true;
    if (type === 'RefusalsFolded') return true;
    return (
      typeof data['job'] === 'number' &&
      (this.jobs.has(data['job']) || this.world.jobs.get(data['job'])?.task === this.id)
    );
  }

  private soon(): void {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      void this.read();
    }, pauseMs);
  }

  private async read(): Promise<void> {
    if (this.isBusy) {
      this.isWanted = true;
      return;
    }
    this.isBusy = true;
    try {
      const task = await this.client.get<Task>(`v1/tasks/${this.id}`);
      const fresh = await this.newRecords();
      const { items: all } = await this.client.get<{ items: LogRun[] }>(`v1/tasks/${this.id}/logs`);
      if (this.isOver) return;
      // Output is not of a moment: what had not begun by then is left out.
      const isPast = this.client.at !== null;
      const runs = isPast ? all.filter(({ began_at }) => msOf(began_at) <= nowMs.peek()) : all;
      batch(() => {
        this.task.value = task;
        if (fresh.length > 0) this.records.value = [...this.records.peek(), ...fresh];
        this.runs.value = runs;
        this.failed.value = null;
      });
      this.tellSoon();
      // A gate that runs is in no record: its run tells when it has ended.
      if (!isPast && runs.some(({ ended_at }) => ended_at === null))
        this.timer ??= setTimeout(() => ((this.timer = null), void this.read()), 2000);
    } catch (error) {
      if (this.isOver || (error instanceof Refused && error.status === 401)) return;
      const isUnknown = error instanceof Refused && error.status === 404;
      this.failed.value = { words: errorWords(error), isUnknown };
      const isDown = error instanceof Refused && (error.status === 0 || error.status >= 500 || error.status === 429);
      if (isDown) this.timer ??= setTimeout(() => ((this.timer = null), void this.read()), 2000);
    } finally {
      this.isBusy = false;
    }
    if (this.isWanted && !this.isOver) {
      this.isWanted = false;
      this.soon();
    }
  }

  private tellSoon(afterMs = 0): void {
    if (this.isOver || this.isTelling || this.tellingTimer || this.toldUpTo === this.after) return;
    const wait = Math.max(afterMs, this.toldMs + Math.max(tellingMs, this.tookMs * tellingPart) - Date.now());
    this.tellingTimer = setTimeout(
      () => {
        this.tellingTimer = null;
        void this.tell();
      },
      Math.max(0, wait),
    );
  }

  private async tell(): Promise<void> {
    const upTo = this.after;
    let pauseMs = 0;
    this.isTelling = true;
    this.toldMs = Date.now();
    try {
      const told = await this.client.get<Told>(`v1/tasks/${this.id}/story`);
      this.tookMs = Date.now() - this.toldMs;
      if (this.isOver) return;
      this.toldUpTo = upTo;
      batch(() => {
        this.told.value = told;
        this.untold.value = null;
      });
    } catch (error) {
      if (this.isOver || (error instanceof Refused && error.status === 401)) return;
      if (isForGood(error)) {
        this.toldUpTo = upTo;
        this.untold.value = errorWords(error);
      } else {
        pauseMs = ((error instanceof Refused ? error.retryAfterS : null) ?? 2) * 1000;
      }
    } finally {
      this.isTelling = false;
    }
    this.tellSoon(pauseMs);
  }

  private async newRecords(): Promise<LogRecord[]> {
    const fresh: LogRecord[] = [];
    let next: number | null = this.after;
    while (next !== null) {
      if (this.records.peek().length + fresh.length >= recordsMax) {
        this.isAll.value = false;
        break;
      }
      const page: { items: LogRecord[]; next: number | null } = await this.client.get(`v1/tasks/${this.id}/history`, {
        after: next,
        limit: 1000,
      });
      fresh.push(...page.items);
      next = page.next;
    }
    for (const { data } of fresh) if (typeof data['job'] === 'number') this.jobs.add(data['job'] as Job['id']);
    this.after = fresh[fresh.length - 1]?.seq ?? this.after;
    return fresh;
  }
}
