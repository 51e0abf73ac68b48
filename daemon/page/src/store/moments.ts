// Where to go from a position in the log: to another record of a task, or to another time.
import type { Client } from '../api/client';
import type { LogRecord } from '../api/types';
import { msOf } from './clock';

/// The last record at or before a time; the first one, if none is. Times never go back in a log, so half of what is
/// left is ruled out with each look.
export async function recordAt(client: Client, ms: number, head: number): Promise<number> {
  let first = 1;
  let last = head;
  while (first < last) {
    const middle = Math.floor((first + last + 1) / 2);
    const record = await client.recordAfter(middle - 1);
    if (record && msOf(record.time) <= ms) first = middle;
    else last = middle - 1;
  }
  return first;
}

/// The task's next record behind a position, or the one before it; null if there is none.
export async function recordOfTask(
  client: Client,
  task: number,
  from: number,
  direction: 1 | -1,
): Promise<number | null> {
  const address = `v1/tasks/${task}/history`;
  if (direction === 1) {
    const { items } = await client.present<{ items: LogRecord[] }>(address, { after: from, limit: 1 });
    return items[0]?.seq ?? null;
  }
  let before: number | null = null;
  let next: number | null = 0;
  while (next !== null && next < from) {
    const page: { items: LogRecord[]; next: number | null } = await client.present(address, {
      after: next,
      limit: 1000,
    });
    for (const { seq } of page.items) if (seq < from) before = seq;
    next = page.next;
  }
  return before;
}
