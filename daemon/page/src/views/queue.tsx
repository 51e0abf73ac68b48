// What runs, what waits and why, and how the machine is.
import type { JSX } from 'preact';
import { client } from '../api/session';
import type { Job } from '../api/types';
import { taskHash } from '../route';
import { setTime } from '../store/clock';
import { Age, Cell, Empty, Failure, Loading, More, Name, Ring, Rows } from '../ui/parts';
import { useWhole } from '../ui/whole';
import { world } from '../world';
import { Outside, type Forges, type Webhooks } from './outside';

/// What a list is of: a task, or a job of one.
interface Listed {
  task: number;
  work_item: string;
  repo: string;
  stage: string;
}

type Running = Job & Listed;

interface Waiting extends Listed {
  id: number;
  agent: string;
  queued_at: string;
  reason: string | null;
}

interface Blocked extends Listed {
  reason: string;
}

interface Queue {
  now: string;
  tasks: { live: number; blocked: number; cancel_requested: number; done: number; cancelled: number };
  jobs: { queued: number; running: number; max_concurrency: number; serial_per_repo: boolean };
  running: Running[];
  queued: Waiting[];
  blocked: Blocked[];
  reaper: {
    enabled: boolean;
    interval_s: number;
    last_run_age_s: number;
    reaped_total: number;
    troubles_total: number;
  };
  reconciler: { enabled: boolean; moves_total: number };
  transition_lease: { enabled: boolean; active: number; reclaimed_total: number };
  // Null of the past:
  alerts: { queued: number; sent_total: number; failed_total: number; dropped_total: number } | null;
  forges: Forges | null;
  webhooks: Webhooks | null;
}

/// Why a job waits, in words.
const reasons: { [code: string]: string } = {
  serial_gate: 'another job of its repository is running',
  limit: 'as many jobs run as are allowed',
  dependency: 'its task waits for another task',
  retry_delay: 'a pause after its last attempt',
  blocked: 'its task is blocked',
  cancel_requested: 'its task is to be cancelled',
  held: 'it is on hold, or frozen',
  not_yet: 'it is not to start before its time',
  previous_alive: 'a process of an earlier attempt may still be alive',
  origin_unreachable: 'origin does not answer',
  origin_refused: 'origin refuses access',
  variable_missing: 'a variable of its agent is missing',
};

function Number_({ of, value, more, bad }: { of: string; value: string; more?: string; bad?: boolean }): JSX.Element {
  return (
    <div class={`figure${bad ? ' is-bad' : ''}`}>
      <dt>{of}</dt>
      <dd>
        {value}
        {more && <span class="figure-more">{more}</span>}
      </dd>
    </div>
  );
}

function limitOf(job: Running): number | null {
  const entry = world.entry(job.task)?.value;
  const definition = entry ? world.definitionOf(entry.task.pipeline) : null;
  return (
    definition?.agents.find(({ name, run }) => name === job.agent && run !== null)?.timeout_s ?? job.run?.ttl ?? null
  );
}

/// Tasks, or jobs: each with its work item and stage, and the cells that this list is for. pawld lists the first ones.
function Listing<T extends Listed>(of: {
  title: string;
  label: string;
  count: number;
  items: readonly T[];
  keyOf: (item: T) => number;
  none: string;
  heads: string[];
  cells: (item: T) => JSX.Element;
}): JSX.Element {
  const { title, label, count, items, keyOf, none, heads, cells } = of;
  return (
    <section class="panel">
      <h2>
        {title} <span class="count">{count}</span>
      </h2>
      {items.length === 0 ? (
        <Empty title={none} />
      ) : (
        <Rows label={label} heads={['Work item', 'Stage', ...heads].map((name) => ({ name }))}>
          <More
            items={items}
            each={(item) => (
              <tr key={keyOf(item)}>
                <Cell of="Work item">
                  <a href={taskHash(item.task)}>
                    <Name text={item.work_item} />
                  </a>{' '}
                  <Name text={item.repo} class="quiet-text" />
                </Cell>
                <Cell of="Stage">
                  <Name text={item.stage} />
                </Cell>
                {cells(item)}
              </tr>
            )}
          />
        </Rows>
      )}
      {count > items.length && items.length > 0 && (
        <p class="aside">
          The first {items.length} of {count} are shown.
        </p>
      )}
    </section>
  );
}

export function QueueView(): JSX.Element {
  const { reading, again } = useWhole('queue', async () => {
    const queue = await client.get<Queue>('queue');
    setTime(queue.now);
    return queue;
  });
  const { value: queue, failed } = reading.value;
  return (
    <div class="page">
      <h1>Queue</h1>
      {failed !== null && <Failure words={failed} again={again} />}
      {!queue && failed === null && <Loading what="the queue" />}
      {queue && (
        <>
          <dl class="figures">
            <Number_ of="Running" value={String(queue.jobs.running)} more={`of ${queue.jobs.max_concurrency}`} />
            <Number_ of="Queued" value={String(queue.jobs.queued)} />
            <Number_ of="Live tasks" value={queue.tasks.live.toLocaleString('en')} />
            <Number_ of="Blocked" value={String(queue.tasks.blocked)} bad={queue.tasks.blocked > 0} />
            <Number_ of="Done" value={queue.tasks.done.toLocaleString('en')} />
            <Number_ of="Cancelled" value={queue.tasks.cancelled.toLocaleString('en')} />
            {queue.alerts !== null && (
              <>
                <Number_
                  of="Reaper"
                  value={queue.reaper.enabled ? `${queue.reaper.last_run_age_s} s ago` : 'off'}
                  more={`${queue.reaper.reaped_total} reaped`}
                  bad={!queue.reaper.enabled || queue.reaper.troubles_total > 0}
                />
                <Number_
                  of="Leases reclaimed"
                  value={String(queue.transition_lease.reclaimed_total)}
                  {...(queue.transition_lease.enabled ? {} : { more: 'ownership is off', bad: true })}
                />
                <Number_
                  of="Alerts sent"
                  value={String(queue.alerts.sent_total)}
                  {...(queue.alerts.failed_total > 0 ? { more: `${queue.alerts.failed_total} failed`, bad: true } : {})}
                />
              </>
            )}
          </dl>
          <Listing
            title="Running"
            label="Running jobs"
            count={queue.jobs.running}
            items={queue.running}
            keyOf={({ id }) => id}
            none="Nothing is running"
            heads={['Agent', 'Attempt', 'Worker', 'Runs for']}
            cells={(job) => (
              <>
                <Cell of="Agent">
                  <Name text={job.agent} />
                </Cell>
                <Cell of="Attempt">
                  {job.attempts} of {job.max_attempts}
                </Cell>
                <Cell of="Worker">
                  <Name text={world.nameOfBoot(job.run?.owner.boot_id ?? '') ?? job.run?.owner.actor ?? ''} />
                </Cell>
                <Cell of="Runs for">
                  {job.run?.exit_code !== null ? (
                    <span class="tag">finishing</span>
                  ) : (
                    <Ring since={job.run?.started_at ?? job.run?.claimed_at ?? job.queued_at} limitS={limitOf(job)} />
                  )}
                </Cell>
              </>
            )}
          />
          <Listing
            title="Queued"
            label="Queued jobs"
            count={queue.jobs.queued}
            items={queue.queued}
            keyOf={({ id }) => id}
            none="Nothing waits"
            heads={['Agent', 'Waits for', 'Why']}
            cells={(job) => (
              <>
                <Cell of="Agent">
                  <Name text={job.agent} />
                </Cell>
                <Cell of="Waits for">
                  <Age since={job.queued_at} />
                </Cell>
                <Cell of="Why">
                  {job.reason === null ? 'waits to be claimed' : (reasons[job.reason] ?? job.reason.replace(/_/g, ' '))}
                </Cell>
              </>
            )}
          />
          <Listing
            title="Blocked"
            label="Blocked tasks"
            count={queue.tasks.blocked}
            items={queue.blocked}
            keyOf={({ task }) => task}
            none="Nothing is blocked"
            heads={['Reason']}
            cells={({ reason }) => (
              <Cell of="Reason">
                <Name text={reason} class="reason" />
              </Cell>
            )}
          />
          <Outside forges={queue.forges} webhooks={queue.webhooks} />
        </>
      )}
    </div>
  );
}
