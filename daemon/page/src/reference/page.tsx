// The calls of pawld, from its own description of them: a list in groups, and one call at a time.
import { useComputed, useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useMemo } from 'preact/hooks';
import { errorWords, Refused } from '../api/client';
import { client, me, wantsToken } from '../api/session';
import { hashOf } from '../route';
import { Bar, reference, tabs, Who } from '../ui/bar';
import { isCommand, toSearch } from '../ui/keys';
import { Empty, Failure, Loading, Name } from '../ui/parts';
import { counted } from '../words/time';
import { CallView } from './call';
import { callsOf, groupsOf, type Call, type Document } from './document';
import { Method, Path } from './small';

const hrefOf = (view: (typeof tabs)[number]['view']): string => `./${hashOf({ view })}`;
const addressed = (): string => {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return location.hash.slice(1);
  }
};

/// Asked until there is an answer: while pawld replays its log, it does not describe itself yet.
function useDocument(): { document: Document | null; failed: string | null } {
  const found = useSignal<Document | null>(null);
  const failed = useSignal<string | null>(null);
  useEffect(() => {
    let isOver = false;
    const ask = async (): Promise<void> => {
      while (!isOver && found.peek() === null) {
        try {
          found.value = await client.get<Document>('openapi.json');
          failed.value = null;
        } catch (error) {
          failed.value =
            error instanceof Refused && error.code === 'starting'
              ? 'pawld is starting: it replays its log'
              : errorWords(error);
          await new Promise((done) => setTimeout(done, 1000));
        }
      }
    };
    void ask();
    return () => {
      isOver = true;
    };
  }, []);
  return { document: found.value, failed: failed.value };
}

function useAddress(): string {
  const address = useSignal(addressed());
  useEffect(() => {
    const follow = (): void => {
      address.value = addressed();
      scrollTo(0, 0);
    };
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  return address.value;
}

function useKeys(): void {
  useEffect(() => {
    let isGoing = false;
    const onKey = (event: KeyboardEvent): void => {
      if (!isCommand(event)) return;
      const tab = isGoing ? tabs.find(({ key }) => key === event.key) : undefined;
      isGoing = event.key === 'g';
      if (tab) location.assign(hrefOf(tab.view));
      else if (event.key === '/') toSearch(event);
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
}

/// Up and down from call to call.
function onListKey(event: KeyboardEvent): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step === undefined || !(event.target instanceof HTMLAnchorElement)) return;
  const links = [...document.querySelectorAll<HTMLAnchorElement>('.calls a')];
  event.preventDefault();
  links[links.indexOf(event.target) + step]?.focus();
}

function List({ calls, chosen }: { calls: Call[]; chosen: string }): JSX.Element {
  const filter = useSignal('');
  const groups = useComputed(() => groupsOf(calls, filter.value));
  return (
    <nav class="calls" aria-label="Calls" onKeyDown={onListKey}>
      <input
        type="search"
        class="calls-filter"
        placeholder="Filter by path, words or role"
        aria-label="Filter the calls"
        value={filter.value}
        onInput={(event) => (filter.value = event.currentTarget.value)}
      />
      {groups.value.length === 0 && <Empty title="No call has all of these words" />}
      {groups.value.map(([group, each]) => (
        <section key={group} aria-label={group}>
          <h2>
            {group} <span class="count">{each.length}</span>
          </h2>
          <ul>
            {each.map((call) => (
              <li key={call.id}>
                <a
                  href={`#${call.id}`}
                  title={call.summary}
                  {...(call.id === chosen ? { 'aria-current': 'true' as const } : {})}
                >
                  <Method of={call} /> <Path of={call} />
                </a>
              </li>
            ))}
          </ul>
        </section>
      ))}
    </nav>
  );
}

/// As whom calls are made.
function whoWords(): string {
  const who = me.value;
  if (who === null && wantsToken.value === null) return 'Asking who is here …';
  if (who === null) {
    return 'This pawld asks for a token: the descriptions can be read without, and a call asks you to sign in.';
  }
  if (who.token === null) return `This pawld has no tokens: calls from here have the role ${who.role}.`;
  const limits = who.limits === null ? '' : `, limited (${who.limits})`;
  return `Calls from here have the role ${who.role}, of the token ${who.token}${limits}.`;
}

function Intro({ calls, version }: { calls: Call[]; version: string }): JSX.Element {
  return (
    <section class="panel intro">
      <h1>The API of pawld {version}</h1>
      <p>
        {counted(calls.length, 'call')}, as pawld itself describes them in <a href="openapi.json">openapi.json</a>.
        Choose one to see what it takes and answers, and to try it here.
      </p>
      <p>{whoWords()}</p>
      <p class="aside">
        <kbd>/</kbd> goes to the filter, <kbd>↑</kbd> <kbd>↓</kbd> from call to call, <kbd>g</kbd> and then <kbd>b</kbd>{' '}
        to the board.
      </p>
    </section>
  );
}

export function Reference(): JSX.Element {
  const { document: found, failed } = useDocument();
  const chosen = useAddress();
  useKeys();
  const calls = useMemo(() => (found ? callsOf(found) : []), [found]);
  const call = calls.find(({ id }) => id === chosen);
  useEffect(() => {
    document.title = `${call ? `${call.method} ${call.path}` : reference.name} · pawl`;
  }, [call]);
  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(event) => (event.preventDefault(), document.getElementById('main')?.focus())}
      >
        To the content
      </a>
      <Bar current="api" hrefOf={hrefOf}>
        <Who signedOut={() => {}} />
      </Bar>
      <div class={`reference${call ? ' has-call' : ''}`}>
        {found && <List calls={calls} chosen={chosen} />}
        <main id="main" tabIndex={-1}>
          {failed !== null && <Failure words={failed} />}
          {!found && failed === null && <Loading what="the description of all calls" />}
          {found && call && <CallView key={call.id} call={call} document={found} />}
          {found && !call && chosen !== '' && (
            <p class="banner warn">
              There is no call <Name text={chosen} class="mono" />: it may be one of another version of pawld.
            </p>
          )}
          {found && !call && <Intro calls={calls} version={found.info.version} />}
        </main>
      </div>
    </>
  );
}
