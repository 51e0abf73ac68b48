// The time that ages are counted from: the log's, which may differ from this machine's.
import { signal } from '@preact/signals';

let aheadMs = 0;
let stoppedAtMs: number | null = null; // while the past is looked at
export const nowMs = signal(Date.now());

export const msOf = (time: string): number => Date.parse(time);

/// Told of a time that pawld has just written. It can only lie in the past, so a later one moves the clock forward.
export function heardTime(time: string): void {
  const ms = msOf(time);
  if (ms - Date.now() > aheadMs) aheadMs = ms - Date.now();
}

/// Told of the log's time now.
export function setTime(time: string): void {
  aheadMs = msOf(time) - Date.now();
  tick();
}

/// The clock stands at the time of a record that is looked back to; null: it goes on.
export function stopAt(time: string | null): void {
  stoppedAtMs = time === null ? null : msOf(time);
  tick();
}

export function tick(): void {
  nowMs.value = stoppedAtMs ?? Date.now() + aheadMs;
}

/// One timer for the whole page: what is on the screen subscribes to nowMs.
export function startClock(): void {
  setInterval(() => {
    if (!document.hidden) tick();
  }, 1000);
  document.addEventListener('visibilitychange', tick);
}
