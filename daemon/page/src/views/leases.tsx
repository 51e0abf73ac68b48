// Who holds what.
import type { JSX } from 'preact';
import type { Lease } from '../api/types';
import { taskHash } from '../route';
import { msOf, nowMs } from '../store/clock';
import { taskOfKey } from '../store/rows';
import { Age, Cell, Empty, More, Name, Rows } from '../ui/parts';
import { span } from '../words/time';
import { world } from '../world';
import { ActButton } from './actions';

function Ends({ lease }: { lease: Lease }): JSX.Element {
  if (lease.ttl === null) return <>with its holder</>;
  const left = msOf(lease.renewed_at) + lease.ttl * 1000 - nowMs.value;
  return left > 0 ? <>in {span(left)}</> : <span class="tag bad">over</span>;
}

function Key({ lease }: { lease: Lease }): JSX.Element {
  const id = taskOfKey(lease.key);
  const entry = id === null ? undefined : world.entry(id)?.value;
  if (id === null) return <Name text={lease.key} class="mono" />;
  return (
    <>
      <a href={taskHash(id)}>
        <Name text={entry?.task.work_item ?? lease.key} />
      </a>{' '}
      <Name text={lease.key} class="quiet-text mono" />
    </>
  );
}

export function LeasesView(): JSX.Element {
  void world.leasesVersion.value;
  const leases = [...world.leases.values()].sort((a, b) => a.token - b.token);
  return (
    <div class="page">
      <h1>
        Leases <span class="count">{leases.length}</span>
      </h1>
      {leases.length === 0 ? (
        <Empty title="No lease is held">
          <p>
            A lease is held while a task crosses from one stage to the next, or by anyone who runs{' '}
            <code>pawl lock</code>.
          </p>
        </Empty>
      ) : (
        <section class="panel">
          <Rows
            label="Leases"
            heads={[
              { name: 'On' },
              { name: 'For' },
              { name: 'Holder' },
              { name: 'Held for' },
              { name: 'Ends' },
              { name: 'Token', class: 'num' },
              { name: 'Acts', class: 'acts', isUnseen: true },
            ]}
          >
            <More
              items={leases}
              each={(lease) => (
                <tr key={lease.key}>
                  <Cell of="On">
                    <Key lease={lease} />
                  </Cell>
                  <Cell of="For">{lease.edge === null ? '–' : <Name text={lease.edge.replace('->', ' → ')} />}</Cell>
                  <Cell of="Holder">
                    <Name text={lease.owner.actor} />{' '}
                    <span class="quiet-text">
                      <Name text={world.nameOfBoot(lease.owner.boot_id) ?? lease.owner.boot_id} />, pid{' '}
                      {lease.owner.pid}
                    </span>
                  </Cell>
                  <Cell of="Held for">
                    <Age since={lease.acquired_at} />
                  </Cell>
                  <Cell of="Ends">
                    <Ends lease={lease} />
                  </Cell>
                  <Cell of="Token" class="num">
                    {lease.token}
                  </Cell>
                  <Cell of="" class="acts">
                    <ActButton act={{ kind: 'release', key: lease.key, token: lease.token }} class="small" />
                  </Cell>
                </tr>
              )}
            />
          </Rows>
        </section>
      )}
    </div>
  );
}
