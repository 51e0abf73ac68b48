// The frame around the views: where one is, whether it is live, and the keys.
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { client, wantsToken } from './api/session';
import { hashOf, place, setPosition, viewHash } from './route';
import { Bar, reference, tabs, Who } from './ui/bar';
import { isCommand, toSearch } from './ui/keys';
import { Dialog, Empty, Failure, Name } from './ui/parts';
import { ActDialog, asked, notice } from './views/actions';
import { ApprovalsView, waitingForMe } from './views/approvals';
import { Board } from './views/board';
import { CompareView } from './views/compare';
import { HoldsView } from './views/holds';
import { IncidentView } from './views/incident';
import { IncidentsView } from './views/incidents';
import { LeasesView } from './views/leases';
import { PastBar } from './views/past';
import { QueueView } from './views/queue';
import { SettingsView } from './views/settings';
import { SignIn } from './views/signin';
import { StuckView } from './views/stuck';
import { TaskView } from './views/task';
import { WorkersView } from './views/workers';
import { world } from './world';

function Live(): JSX.Element {
  const standing = world.standing.value;
  const head = world.head.value.toLocaleString('en');
  const words = { loading: 'reading', live: 'live', past: 'the past', lost: 'not connected', failed: 'stopped' }[
    standing.kind
  ];
  const { view, at } = place.value;
  const isPast = at !== null;
  return (
    <span class={`live ${standing.kind}`} title={'words' in standing ? standing.words : `record ${head} is the last`}>
      <span class="live-dot" aria-hidden="true" />
      <span role="status">{words}</span>{' '}
      {isPast || view === null ? (
        <span class="live-seq">{head}</span>
      ) : (
        <button
          type="button"
          class="live-seq"
          title="Look back through the log"
          onClick={() => setPosition(Math.max(1, world.head.peek()))}
        >
          {head}
        </button>
      )}
    </span>
  );
}

/// What is above the view: that it is not live, or that the address names a position in the log.
function Banners(): JSX.Element | null {
  const standing = world.standing.value;
  const { at, view, id, filters } = place.value;
  return (
    <>
      {standing.kind === 'lost' && (
        <p class="banner warn" role="alert">
          Not connected: {standing.words}. What is shown may be old; it goes on by itself as soon as pawld answers.
        </p>
      )}
      {standing.kind === 'failed' && !(at !== null && at > world.head.value) && (
        <Failure words={standing.words} again={() => void world.start()} />
      )}
      {at !== null && view !== null && at > world.head.value && standing.kind === 'failed' && (
        <p class="banner warn">
          The log ends at record {world.head.value.toLocaleString('en')}: there is no record {at.toLocaleString('en')}{' '}
          yet. <a href={hashOf({ view, id, filters })}>Show it live</a>
        </p>
      )}
      {at !== null && view !== null && (standing.kind !== 'failed' || at <= world.head.value) && <PastBar at={at} />}
    </>
  );
}

function Shown(): JSX.Element {
  const { view, id, typed } = place.value;
  switch (view) {
    case 'board':
      return <Board />;
    case 'queue':
      return <QueueView />;
    case 'approvals':
      return <ApprovalsView />;
    case 'holds':
      return <HoldsView />;
    case 'leases':
      return <LeasesView />;
    case 'workers':
      return <WorkersView />;
    case 'settings':
      return <SettingsView />;
    case 'stuck':
      return <StuckView />;
    case 'incidents':
      return <IncidentsView />;
    case 'incident':
      return <IncidentView typed={id ?? ''} />;
    case 'compare':
      return <CompareView typed={id ?? ''} />;
    case 'task':
      return <TaskView typed={id ?? ''} />;
    case null:
      return (
        <div class="page">
          <Empty title="There is no such page">
            <p>
              The address says <Name text={typed} class="mono" />. <a href="#/board">Go to the board</a>
            </p>
          </Empty>
        </div>
      );
  }
}

const keys: [string, string][] = [
  ['/', 'to the filter, or the search'],
  [`g, then ${[...tabs, reference].map(({ key }) => key).join(' ')}`, 'to a view'],
  ['← ↑ ↓ →', 'from card to card'],
  ['Enter', 'opens a card'],
  ['p', 'looks back through the log, and live again'],
  ['← →, Shift ← →, Page Up and Down', 'looking back: by a record, by one of this task, by a minute'],
  ['Esc', 'closes a dialog'],
  ['?', 'this list'],
];

function Keys({ close }: { close: () => void }): JSX.Element {
  return (
    <Dialog title="Keys" close={close}>
      <dl class="keys">
        {keys.map(([key, words]) => (
          <>
            <dt key={key}>
              <kbd>{key}</kbd>
            </dt>
            <dd>{words}</dd>
          </>
        ))}
      </dl>
      <p class="aside">
        pawld {world.about.value?.version ?? ''} · boot <Name text={world.about.value?.boot ?? ''} class="mono" />
        {' · '}
        <a href="page/files/licences.txt">licences of what this page is built with</a>
      </p>
    </Dialog>
  );
}

export function App(): JSX.Element {
  const showsKeys = useSignal(false);
  useEffect(() => {
    let isGoing = false;
    const onKey = (event: KeyboardEvent): void => {
      if (!isCommand(event)) return;
      const wasGoing = isGoing;
      const tab = wasGoing ? tabs.find(({ key }) => key === event.key) : undefined;
      isGoing = event.key === 'g';
      if (tab) location.hash = viewHash(tab.view);
      else if (wasGoing && event.key === reference.key) location.assign(reference.href);
      else if (event.key === 'p') setPosition(place.value.at === null ? Math.max(1, world.head.value) : null);
      else if (event.key === '?') showsKeys.value = true;
      else if (event.key === '/') toSearch(event);
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
  const { at } = place.value;
  useEffect(() => {
    if (client.at !== at) void world.goTo(at);
  }, [at]);
  // A new view begins at its top, and is read out from there.
  const { view, id } = place.value;
  useEffect(() => {
    scrollTo(0, 0);
    const name = tabs.find((tab) => tab.view === view)?.name ?? 'pawl';
    document.title = `${id !== null && view !== null ? `${view} ${id}` : name} · pawl`;
  }, [view, id]);
  useEffect(() => {
    if (notice.value === null) return;
    const timer = setTimeout(() => (notice.value = null), 6000);
    return () => clearTimeout(timer);
  }, [notice.value]);

  if (wantsToken.value !== null) {
    return (
      <main class="alone" id="main">
        <SignIn signedIn={() => void world.start()}>
          <h1>Sign in</h1>
        </SignIn>
      </main>
    );
  }
  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(event) => (event.preventDefault(), document.getElementById('main')?.focus())}
      >
        To the content
      </a>
      <Bar
        current={view === 'task' ? 'board' : view === 'incident' ? 'incidents' : view}
        hrefOf={viewHash}
        waitingAt={(name) => (name === 'approvals' ? waitingForMe() : 0)}
      >
        <Live />
        <Who signedOut={() => world.stop()} />
        <button
          type="button"
          class="quiet small icon"
          aria-label="Keys"
          title="Keys: ?"
          onClick={() => (showsKeys.value = true)}
        >
          ?
        </button>
      </Bar>
      <main id="main" tabIndex={-1}>
        <Banners />
        <Shown />
      </main>
      {asked.value && <ActDialog />}
      {showsKeys.value && <Keys close={() => (showsKeys.value = false)} />}
      <div class="notices" role="status">
        {notice.value !== null && <p class="notice">{notice.value}</p>}
      </div>
    </>
  );
}
