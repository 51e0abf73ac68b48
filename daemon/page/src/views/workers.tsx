// The boots: who works, on what, and when each was last heard of.
import type { JSX } from 'preact';
import type { Boot, Job } from '../api/types';
import { place, setFilter, taskHash } from '../route';
import { msOf } from '../store/clock';
import { Age, Cell, Empty, More, Name, Rows, When } from '../ui/parts';
import { hostName } from '../words/visible';
import { world } from '../world';

/// When it registered. Only a daemon's row has the time; for others it is that of the record.
const startOf = (boot: Boot): string | null => boot.started_at ?? world.timeOf(boot.started).value;

/// The last that the log has of a boot: a record of its own, a renewal of what it holds, or its start.
function lastHeard(boot: Boot, jobs: Job[]): string | null {
  const times = [world.heard.get(boot.boot_id) ?? null, startOf(boot)];
  for (const { run } of jobs) times.push(run?.renewed_at ?? null, run?.started_at ?? null, run?.claimed_at ?? null);
  for (const lease of world.leases.values()) {
    if (lease.owner.boot_id === boot.boot_id) times.push(lease.renewed_at);
  }
  return times.reduce(
    (last, time) => (time !== null && (last === null || msOf(time) > msOf(last)) ? time : last),
    null,
  );
}

export function WorkersView(): JSX.Element {
  void world.jobsVersion.value;
  void world.leasesVersion.value;
  const showsEnded = place.value.filters['ended'] === 'shown';
  const jobsOf = new Map<string, Job[]>();
  for (const job of world.jobs.values()) {
    const boot = job.run?.owner.boot_id;
    if (job.status === 'running' && boot !== undefined) jobsOf.set(boot, [...(jobsOf.get(boot) ?? []), job]);
  }
  const boots = world.boots.value
    .filter(({ stale }) => showsEnded || !stale)
    .sort(
      (a, b) => Number(a.stale) - Number(b.stale) || (a.stale ? b.started - a.started : a.name.localeCompare(b.name)),
    );
  const ended = world.boots.value.filter(({ stale }) => stale).length;
  return (
    <div class="page">
      <h1>
        Workers <span class="count">{world.boots.value.length - ended}</span>
      </h1>
      <div class="filters">
        <label class="check">
          <input
            type="checkbox"
            checked={showsEnded}
            onChange={(event) => setFilter('ended', event.currentTarget.checked ? 'shown' : '')}
          />
          Ended boots ({ended})
        </label>
      </div>
      {boots.length === 0 ? (
        <Empty title="No worker is registered" />
      ) : (
        <section class="panel">
          <Rows
            label="Workers"
            heads={[
              { name: 'Name' },
              { name: 'Host' },
              { name: 'Runs' },
              { name: 'Last heard' },
              { name: 'Started' },
              { name: 'Version' },
              { name: 'Belongs to' },
            ]}
          >
            <More
              items={boots}
              each={(boot) => {
                const jobs = jobsOf.get(boot.boot_id) ?? [];
                const heard = lastHeard(boot, jobs);
                const started = startOf(boot);
                return (
                  <tr key={boot.boot_id} class={boot.stale ? 'is-over' : ''}>
                    <Cell of="Name">
                      <Name text={boot.name} class="work-item" /> {boot.stale && <span class="tag">ended</span>}
                    </Cell>
                    <Cell of="Host">
                      <Name text={hostName(boot.host)} /> <span class="quiet-text">pid {boot.pid}</span>
                    </Cell>
                    <Cell of="Runs">
                      {jobs.length === 0 && '–'}
                      {jobs.map((job, at) => (
                        <span key={job.id}>
                          {at > 0 && ', '}
                          <a href={taskHash(job.task)}>
                            <Name text={world.entry(job.task)?.value.task.work_item ?? `task ${job.task}`} />
                          </a>{' '}
                          <Name text={job.agent} class="quiet-text" />
                        </span>
                      ))}
                    </Cell>
                    <Cell of="Last heard">
                      {heard === null ? (
                        '–'
                      ) : (
                        <>
                          <Age since={heard} /> ago
                        </>
                      )}
                    </Cell>
                    <Cell of="Started">{started === null ? `record ${boot.started}` : <When time={started} />}</Cell>
                    <Cell of="Version">
                      <Name text={boot.version} />
                    </Cell>
                    <Cell of="Belongs to">
                      {boot.principal === null ? 'the daemon' : <Name text={boot.principal} class="mono" />}
                    </Cell>
                  </tr>
                );
              }}
            />
          </Rows>
        </section>
      )}
    </div>
  );
}
