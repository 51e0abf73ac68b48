// Ended tasks, on demand: the latest first, a window of ids at a time.
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { errorWords } from '../api/client';
import { client } from '../api/session';
import type { Task } from '../api/types';
import { taskHash } from '../route';
import { passes, type Filter } from '../store/columns';
import { isTerminal } from '../store/stages';
import { Cell, Empty, Failure, Loading, Name, Rows, When } from '../ui/parts';
import { world } from '../world';

const windowIds = 256;
/// With a filter few may match: how many windows to look through for one page.
const windowsMax = 8;
const wanted = 25;

export function Ended({ filter }: { filter: Filter }): JSX.Element {
  const tasks = useSignal<Task[]>([]);
  const below = useSignal<number | null>(null); // ids from here on have been looked at; null: not begun
  const failed = useSignal<string | null>(null);
  const isBusy = useSignal(false);
  const turn = useRef(0);

  const read = async (): Promise<void> => {
    const mine = turn.current;
    isBusy.value = true;
    failed.value = null;
    try {
      let end = below.peek() ?? (await lastTask()) + 1;
      const found: Task[] = [];
      for (let windows = 0; windows < windowsMax && found.length < wanted && end > 1; windows++) {
        const begin = Math.max(1, end - windowIds);
        const seen: Task[] = [];
        await client
          .pages<Task>('v1/tasks', { after: begin - 1, limit: windowIds }, (items) => {
            seen.push(...items);
            if (items.some(({ id }) => id >= end)) throw new Enough();
          })
          .catch((error: unknown) => {
            if (!(error instanceof Enough)) throw error;
          });
        const fit = (task: Task): boolean =>
          task.id < end && isTerminal(task.stage) && passes(task, world.pipelineNameOf(task), filter);
        found.push(...seen.filter(fit).reverse());
        end = begin;
      }
      if (mine !== turn.current) return;
      tasks.value = [...tasks.peek(), ...found];
      below.value = end;
    } catch (error) {
      if (mine === turn.current) failed.value = errorWords(error);
    } finally {
      if (mine === turn.current) isBusy.value = false;
    }
  };

  useEffect(() => {
    turn.current++;
    tasks.value = [];
    below.value = null;
    void read();
  }, [filter.repo, filter.pipeline, filter.text]);

  return (
    <section class="panel" aria-label="Ended tasks">
      <h2>Ended tasks</h2>
      {tasks.value.length > 0 && (
        <Rows
          label="Ended tasks"
          heads={[
            { name: 'Work item' },
            { name: 'Repository' },
            { name: 'Branch' },
            { name: 'Outcome' },
            { name: 'Ended' },
          ]}
        >
          {tasks.value.map((task) => (
            <tr key={task.id}>
              <Cell of="Work item">
                <a href={taskHash(task.id)}>
                  <Name text={task.work_item} />
                </a>
              </Cell>
              <Cell of="Repository">
                <Name text={task.repo} />
              </Cell>
              <Cell of="Branch">{task.branch === null ? '–' : <Name text={task.branch} class="mono" />}</Cell>
              <Cell of="Outcome">
                <span class={`tag ${task.stage === 'done' ? 'good' : ''}`}>{task.stage}</span>
              </Cell>
              <Cell of="Ended">
                <When time={task.entered_at} />
              </Cell>
            </tr>
          ))}
        </Rows>
      )}
      {failed.value !== null && <Failure words={failed.value} again={() => void read()} />}
      {isBusy.value && <Loading what="ended tasks" />}
      {!isBusy.value && failed.value === null && (below.value ?? 0) > 1 && (
        <button type="button" onClick={() => void read()}>
          Look further back
        </button>
      )}
      {!isBusy.value && failed.value === null && tasks.value.length === 0 && <Empty title="None found" />}
    </section>
  );
}

class Enough extends Error {}

/// The id of the last task. Live ones are known, but a later one may have ended already: ids are dense, so the end is
/// found in few steps.
async function lastTask(): Promise<number> {
  const isLast = async (id: number): Promise<boolean> => {
    const page = await client.get<{ items: Task[]; next: number | null }>('v1/tasks', { after: id, limit: 1 });
    return page.items.length === 0 && page.next === null;
  };
  let low = 0;
  for (const id of world.tasks.keys()) low = Math.max(low, id);
  if (await isLast(low)) return low;
  let step = 1;
  while (!(await isLast(low + step))) {
    low += step;
    step *= 2;
  }
  let high = low + step;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (await isLast(middle)) high = middle;
    else low = middle;
  }
  return high;
}
