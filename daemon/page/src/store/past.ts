// What looks back: everything as it was after one record of the log, read as a whole.
import { Refused, type Client } from '../api/client';
import type { Boot, Hold, Job, Lease, Pipeline, Readiness, Repo, Task } from '../api/types';

/// All that the views show of a position in the log.
export interface Past {
  about: Readiness;
  time: string | null; // of the record; null if this token may not see it
  pipelines: Pipeline[];
  repos: Repo[];
  boots: Boot[];
  holds: Hold[];
  leases: Lease[];
  jobs: Job[];
  tasks: Task[];
}

async function allOf<T>(client: Client, path: string, query: { [name: string]: string | boolean } = {}): Promise<T[]> {
  const all: T[] = [];
  await client.pages<T>(path, query, (items) => all.push(...items));
  return all;
}

/// All items of a list; none where a narrow token may not see it.
export async function itemsOf<T>(client: Client, path: string): Promise<T[]> {
  return allOf<T>(client, path).catch((error: unknown) => {
    if (error instanceof Refused && error.status === 403) return [];
    throw error;
  });
}

/// The position that the client asks about.
export async function readPast(client: Client): Promise<Past> {
  const about = await client.get<Readiness>('readyz');
  const { time } = await client.get<{ time: string }>('v1/head').catch((error: unknown) => {
    if (error instanceof Refused && error.status === 403) return { time: null };
    throw error;
  });
  const [pipelines, repos, boots, holds] = await Promise.all([
    itemsOf<Pipeline>(client, 'v1/pipelines'),
    itemsOf<Repo>(client, 'v1/repos'),
    itemsOf<Boot>(client, 'v1/boots'),
    itemsOf<Hold>(client, 'v1/holds'),
  ]);
  const leases = await allOf<Lease>(client, 'v1/leases');
  const jobs = [
    ...(await allOf<Job>(client, 'v1/jobs', { status: 'running' })),
    ...(await allOf<Job>(client, 'v1/jobs', { status: 'queued' })),
  ];
  const tasks = await allOf<Task>(client, 'v1/tasks', { live: true });
  return { about, time, pipelines, repos, boots, holds, leases, jobs, tasks };
}
