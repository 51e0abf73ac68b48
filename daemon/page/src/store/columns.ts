// The columns of the board. A change of one task costs one look at its column, however many tasks there are; only a new
// filter looks at all of them.
import { signal, type Signal } from '@preact/signals';
import type { Task } from '../api/types';

export interface Filter {
  repo: string;
  pipeline: string;
  text: string; // in work item, branch, repository, reason of a block; any case
}

export const noFilter: Filter = { repo: '', pipeline: '', text: '' };

export function passes(task: Task, pipeline: string, filter: Filter): boolean {
  if (filter.repo !== '' && task.repo !== filter.repo) return false;
  if (filter.pipeline !== '' && pipeline !== filter.pipeline) return false;
  if (filter.text === '') return true;
  const text = filter.text.toLowerCase();
  return [task.work_item, task.repo, task.branch, task.blocked, `#${task.id}`].some((part) =>
    part?.toLowerCase().includes(text),
  );
}

export class Column {
  /// Of its tasks, ascending. Changed in place: `version` tells of it.
  readonly ids: number[] = [];
  readonly version: Signal<number> = signal(0);

  /// Where `id` is, or would be.
  private place(id: number): number {
    let low = 0;
    let high = this.ids.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.ids[middle] as number) < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  add(id: number): void {
    const at = this.place(id);
    if (this.ids[at] === id) return;
    this.ids.splice(at, 0, id);
    this.version.value++;
  }

  remove(id: number): void {
    const at = this.place(id);
    if (this.ids[at] !== id) return;
    this.ids.splice(at, 1);
    this.version.value++;
  }
}

export class Columns {
  private readonly columns = new Map<string, Column>();
  private readonly placed = new Map<number, string>();
  private filter = noFilter;
  /// Tasks that pass the filter.
  readonly count: Signal<number> = signal(0);
  /// Counts up when a stage is seen for the first time.
  readonly shape: Signal<number> = signal(0);

  static key(pipeline: string, stage: string): string {
    return `${pipeline}\n${stage}`; // no name has a line break
  }

  of(pipeline: string, stage: string): Column {
    const key = Columns.key(pipeline, stage);
    let column = this.columns.get(key);
    if (!column) this.columns.set(key, (column = new Column()));
    return column;
  }

  /// The stages of a pipeline that hold, or held, a task.
  stagesOf(pipeline: string): string[] {
    return [...this.columns.keys()]
      .filter((key) => key.startsWith(`${pipeline}\n`))
      .map((key) => key.slice(pipeline.length + 1));
  }

  update(id: number, task: Task | null, pipeline: string): void {
    const key = task && passes(task, pipeline, this.filter) ? Columns.key(pipeline, task.stage) : undefined;
    const before = this.placed.get(id);
    if (before === key) return;
    if (before !== undefined) this.columns.get(before)?.remove(id);
    if (key !== undefined) {
      const isNew = !this.columns.has(key);
      this.of(pipeline, (task as Task).stage).add(id);
      this.placed.set(id, key);
      if (isNew) this.shape.value++;
    } else {
      this.placed.delete(id);
    }
    this.count.value = this.placed.size;
  }

  setFilter(filter: Filter, all: Iterable<[number, Task, string]>): void {
    this.filter = filter;
    for (const [id, task, pipeline] of all) this.update(id, task, pipeline);
  }
}
