// The bar at the top of every page: where one can go, and who is here.
import type { ComponentChildren, JSX } from 'preact';
import { me, signOut, token } from '../api/session';
import type { View } from '../route';
import { Name } from './parts';

export const tabs: { view: View; name: string; key: string }[] = [
  { view: 'board', name: 'Board', key: 'b' },
  { view: 'queue', name: 'Queue', key: 'q' },
  { view: 'approvals', name: 'Approvals', key: 'v' },
  { view: 'holds', name: 'Holds', key: 'h' },
  { view: 'leases', name: 'Leases', key: 'l' },
  { view: 'workers', name: 'Workers', key: 'w' },
  { view: 'settings', name: 'Settings', key: 's' },
  { view: 'stuck', name: 'Stuck', key: 'k' },
  { view: 'incidents', name: 'Incidents', key: 'i' },
];
/// The page of the calls is another one. pawld may be behind a path of a proxy, so its address is relative.
export const reference = { href: 'api', name: 'API', key: 'a' };

interface Parts {
  current: View | 'api' | null;
  hrefOf: (view: View) => string;
  /// How many things wait there for the one who is here.
  waitingAt?: (view: View) => number;
  children: ComponentChildren;
}

export function Bar({ current, hrefOf, waitingAt = () => 0, children }: Parts): JSX.Element {
  const isCurrent = (view: Parts['current']): object => (current === view ? { 'aria-current': 'page' } : {});
  return (
    <header class="bar">
      <a class="brand" href={hrefOf('board')} aria-label="pawl: board">
        <svg viewBox="0 0 32 32" aria-hidden="true">
          <rect width="32" height="32" rx="7" />
          <path d="M9 24V8h8a5.5 5.5 0 0 1 0 11h-4" />
        </svg>
        pawl
      </a>
      <nav aria-label="Views">
        {tabs.map(({ view, name, key }) => (
          <a key={view} href={hrefOf(view)} title={`${name}: g, then ${key}`} {...isCurrent(view)}>
            {name}
            <Waiting count={waitingAt(view)} />
          </a>
        ))}
        <a href={reference.href} title={`The calls of pawld: g, then ${reference.key}`} {...isCurrent('api')}>
          {reference.name}
        </a>
      </nav>
      <div class="bar-end">{children}</div>
    </header>
  );
}

function Waiting({ count }: { count: number }): JSX.Element | null {
  if (count === 0) return null;
  return (
    <>
      {' '}
      <span class="waiting">
        {count}
        <span class="unseen"> for you</span>
      </span>
    </>
  );
}

/// Whose token it is, and the way out; nothing without tokens.
export function Who({ signedOut }: { signedOut: () => void }): JSX.Element | null {
  if (!me.value || token.value === null) return null;
  return (
    <>
      <span class="who" title={me.value.limits ?? `role: ${me.value.role}`}>
        <Name text={me.value.token ?? me.value.principal} /> ({me.value.role})
      </span>
      <button
        type="button"
        class="quiet small"
        onClick={() => {
          signOut();
          signedOut();
        }}
      >
        Sign out
      </button>
    </>
  );
}
