// What is held or frozen: places where nothing new starts, by a person's word or by a planned freeze. Both begin and end
// by time alone, so what holds now is looked at with each tick of the clock.
import { computed, signal, type ReadonlySignal, type Signal } from '@preact/signals';
import type { Hold, Task } from '../api/types';
import { msOf, nowMs } from './clock';

export const placeKinds = ['pipeline', 'repo', 'stage', 'agent', 'task'] as const;
export type PlaceKind = (typeof placeKinds)[number];

/// "stage:review" in its two parts; null: it is of another form.
export function placeOf(place: string): { kind: PlaceKind; name: string } | null {
  const at = place.indexOf(':');
  const kind = placeKinds.find((each) => each === place.slice(0, at));
  return kind === undefined || at + 1 === place.length ? null : { kind, name: place.slice(at + 1) };
}

/// "the stage review", "task 12".
export function placeWords(place: string): string {
  const parts = placeOf(place);
  if (!parts) return place;
  const { kind, name } = parts;
  return kind === 'task' ? `task ${name}` : `the ${kind === 'repo' ? 'repository' : kind} ${name}`;
}

const isOver = ({ until_at }: Hold, now: number): boolean => until_at !== null && msOf(until_at) <= now;
const isInForce = (hold: Hold, now: number): boolean => msOf(hold.since_at) <= now && !isOver(hold, now);

/// What holds a task, the one that lasts longest; null if nothing does, or if an operator let it through. `agent`: of a
/// job of it that would start.
export function holdOf(task: Task, pipeline: string, agent: string | null, holds: readonly Hold[]): Hold | null {
  if (holds.length === 0 || task.let_through === task.version) return null;
  const places = [`task:${task.id}`, `stage:${task.stage}`, `repo:${task.repo}`, `pipeline:${pipeline}`];
  if (agent !== null) places.push(`agent:${agent}`);
  let longest: Hold | null = null;
  for (const hold of holds) {
    if (!places.includes(hold.place) || (hold.stages.length > 0 && !hold.stages.includes(task.stage))) continue;
    const end = (each: Hold): number => (each.until_at === null ? Infinity : msOf(each.until_at));
    if (longest === null || end(hold) > end(longest)) longest = hold;
  }
  return longest;
}

export class Holds {
  /// What is held, and the freezes that are planned.
  readonly all: Signal<Hold[]> = signal([]);
  /// Those in force. The same array until that changes: cards look at it, and the clock ticks each second.
  readonly inForce: ReadonlySignal<readonly Hold[]>;
  /// Whether one of them is over: pawld lists the next windows of a freeze alone, so it is time to ask again.
  readonly hasOver: ReadonlySignal<boolean> = computed(() => this.all.value.some((hold) => isOver(hold, nowMs.value)));

  constructor() {
    let before: readonly Hold[] = [];
    this.inForce = computed(() => {
      const now = this.all.value.filter((hold) => isInForce(hold, nowMs.value));
      const isSame = now.length === before.length && now.every((hold, at) => hold === before[at]);
      return isSame ? before : (before = now);
    });
  }
}
