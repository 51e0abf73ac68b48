// What is held or frozen, and what will be: places where nothing new starts.
import type { JSX } from 'preact';
import type { Hold } from '../api/types';
import { taskHash } from '../route';
import { msOf, nowMs } from '../store/clock';
import { placeOf } from '../store/holds';
import { taskOfKey } from '../store/rows';
import { Age, Cell, Empty, More, Name, Rows, When } from '../ui/parts';
import { span } from '../words/time';
import { world } from '../world';
import { ActButton } from './actions';

function Place({ hold }: { hold: Hold }): JSX.Element {
  const parts = placeOf(hold.place);
  const task = taskOfKey(hold.place);
  if (task !== null) {
    return (
      <>
        <span class="tag">task</span>{' '}
        <a href={taskHash(task)}>
          <Name text={world.entry(task)?.value.task.work_item ?? hold.place} />
        </a>
      </>
    );
  }
  return (
    <>
      <span class="tag">{parts?.kind ?? 'place'}</span> <Name text={parts?.name ?? hold.place} />
      {hold.stages.length > 0 && (
        <>
          {' '}
          <Name text={`on ${hold.stages.join(', ')}`} class="quiet-text" />
        </>
      )}
    </>
  );
}

/// When it ends, and how long that is from now or from its begin.
export function Until({ hold }: { hold: Hold }): JSX.Element {
  if (hold.until_at === null) return <>until it is resumed</>;
  const from = Math.max(nowMs.value, msOf(hold.since_at));
  return (
    <>
      <When time={hold.until_at} /> <span class="quiet-text">({span(msOf(hold.until_at) - from)})</span>
    </>
  );
}

function Held({ holds }: { holds: readonly Hold[] }): JSX.Element {
  const heads = ['What', 'By', 'Since', 'Until', 'Why'].map((name) => ({ name }));
  return (
    <section class="panel" aria-label="Held now">
      <h2>
        Held now <span class="count">{holds.length}</span>
      </h2>
      {holds.length === 0 ? (
        <Empty title="Nothing is held: everything may start" />
      ) : (
        <Rows label="Held places" heads={[...heads, { name: 'Acts', class: 'acts', isUnseen: true }]}>
          <More
            items={holds}
            each={(hold) => (
              <tr key={`${hold.place}/${hold.since_at}`}>
                <Cell of="What">
                  <Place hold={hold} />
                </Cell>
                <Cell of="By">
                  {hold.freeze ? <span class="tag warn">freeze</span> : <Name text={hold.by ?? '–'} class="mono" />}
                </Cell>
                <Cell of="Since">
                  <Age since={hold.since_at} />
                </Cell>
                <Cell of="Until">
                  <Until hold={hold} />
                </Cell>
                <Cell of="Why" class="wide">
                  <Name text={hold.reason || '–'} />
                </Cell>
                <Cell of="" class="acts">
                  {!hold.freeze && (
                    <span class="buttons">
                      <ActButton act={{ kind: 'hold', place: hold.place }} class="small" label="Change" />
                      <ActButton act={{ kind: 'resume', place: hold.place }} class="small" />
                    </span>
                  )}
                </Cell>
              </tr>
            )}
          />
        </Rows>
      )}
    </section>
  );
}

function Planned({ freezes }: { freezes: readonly Hold[] }): JSX.Element {
  return (
    <section class="panel" aria-label="Planned freezes">
      <h2>
        Planned freezes <span class="count">{freezes.length}</span>
      </h2>
      <Rows label="Planned freezes" heads={['What', 'Begins', 'Until', 'Why'].map((name) => ({ name }))}>
        <More
          items={freezes}
          each={(freeze) => (
            <tr key={`${freeze.place}/${freeze.since_at}`}>
              <Cell of="What">
                <Place hold={freeze} />
              </Cell>
              <Cell of="Begins">
                <When time={freeze.since_at} />{' '}
                <span class="quiet-text">in {span(msOf(freeze.since_at) - nowMs.value)}</span>
              </Cell>
              <Cell of="Until">
                <Until hold={freeze} />
              </Cell>
              <Cell of="Why" class="wide">
                <Name text={freeze.reason || '–'} />
              </Cell>
            </tr>
          )}
        />
      </Rows>
    </section>
  );
}

export function HoldsView(): JSX.Element {
  const held = world.holds.inForce.value;
  const planned = world.holds.all.value.filter(({ since_at }) => msOf(since_at) > nowMs.value);
  return (
    <div class="page">
      <div class="page-head">
        <h1>
          Holds <span class="count">{held.length}</span>
        </h1>
        <ActButton act={{ kind: 'hold', place: null }} class="primary" label="Hold a place…" />
      </div>
      <p class="aside">
        While a place is held, nothing new starts there. What has begun goes on to its end, and a task that cannot wait
        is let past on its own page.
      </p>
      <Held holds={held} />
      {planned.length > 0 && <Planned freezes={planned} />}
    </div>
  );
}

/// On the page of a task: what holds it.
export function HeldBanner({ hold, task }: { hold: Hold; task: number }): JSX.Element {
  return (
    <div class="banner warn held-banner">
      <p>
        <span class="tag">{hold.freeze ? 'frozen' : 'on hold'}</span> <Place hold={hold} />, <Until hold={hold} />
        {hold.by !== null && (
          <>
            , by <Name text={hold.by} class="mono" />
          </>
        )}
        {hold.reason && (
          <>
            : <Name text={hold.reason} class="reason" />
          </>
        )}
      </p>
      <div class="buttons">
        <ActButton act={{ kind: 'override', task }} class="small" />
        {!hold.freeze && <ActButton act={{ kind: 'resume', place: hold.place }} class="small" />}
      </div>
    </div>
  );
}
