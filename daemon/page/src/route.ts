// Addresses within the page: #/VIEW[/ID][?filters][@SEQ]. Everything is behind the '#', so the server has fixed files
// to serve, and neither filters nor names reach its logs.
import { signal } from '@preact/signals';

export const views = [
  'board',
  'queue',
  'approvals',
  'holds',
  'leases',
  'workers',
  'settings',
  'stuck',
  'incidents',
  'task',
  'incident',
  'compare',
] as const;
export type View = (typeof views)[number];
/// Those that are of one thing: a task, an incident, or the position that is compared with `at`.
const viewsOfOne: readonly (View | null)[] = ['task', 'incident', 'compare'];

export interface Place {
  view: View | null; // null: the address names no view
  id: string | null; // of the task or the like; as typed
  filters: { [name: string]: string };
  at: number | null; // a position in the log; null: live
  typed: string; // the address as it was, for the sentence about one that is wrong
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function placeOf(hash: string): Place {
  const typed = hash.replace(/^#\/?/, '');
  const at = /@(\d{1,15})$/.exec(typed);
  const [path = '', query = ''] = (at ? typed.slice(0, at.index) : typed).split(/\?(.*)/s);
  const [name = '', id, ...rest] = path.replace(/\/$/, '').split('/');
  const filters: { [name: string]: string } = {};
  for (const part of query.split('&')) {
    const [key = '', value = ''] = part.split(/=(.*)/s);
    if (key !== '') filters[decoded(key)] = decoded(value);
  }
  const wanted = name === '' ? 'board' : name;
  const known = views.find((view) => view === wanted) ?? null;
  const fits = rest.length === 0 && viewsOfOne.includes(known) === (id !== undefined);
  return {
    view: fits ? known : null,
    id: id === undefined ? null : decoded(id),
    filters,
    at: at ? Number(at[1]) : null,
    typed: decoded(typed),
  };
}

export function hashOf(place: {
  view: View;
  id?: string | number | null;
  filters?: Place['filters'];
  at?: number | null;
}): string {
  const { view, id, filters = {}, at } = place;
  const query = Object.entries(filters)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .join('&');
  const position = at === null || at === undefined ? '' : `@${at}`;
  const of = id === null || id === undefined ? '' : `/${encodeURIComponent(id)}`;
  return `#/${view}${of}${query ? `?${query}` : ''}${position}`;
}

export const place = signal<Place>(placeOf(typeof location === 'undefined' ? '' : location.hash));

export function followAddress(): void {
  addEventListener('hashchange', () => {
    place.value = placeOf(location.hash);
  });
}

/// Changes a filter in the address, without a new entry in the browser's history: typing must not fill it.
export function setFilter(name: string, value: string): void {
  const now = place.value;
  if (!now.view) return;
  const filters = { ...now.filters, [name]: value };
  if (value === '') delete filters[name];
  history.replaceState(null, '', hashOf({ view: now.view, id: now.id, filters, at: now.at }));
  place.value = placeOf(location.hash);
}

/// Goes to another position in the log, without a new entry in the browser's history; null: the present.
export function setPosition(at: number | null): void {
  const { view, id, filters } = place.value;
  if (!view) return;
  history.replaceState(null, '', hashOf({ view, id, filters, at }));
  place.value = placeOf(location.hash);
}

/// A whole number from 1 on, as an id or a position is typed; null: it is none.
export const numberTyped = (typed: string): number | null => (/^[1-9]\d{0,14}$/.test(typed) ? Number(typed) : null);

/// A record where it can be seen: in its task, if it has one, else on the board.
export const recordHash = (seq: number, task: number | null = null): string =>
  task === null ? hashOf({ view: 'board', at: seq }) : hashOf({ view: 'task', id: task, at: seq });

/// Links stay at the position that is looked at.
export const taskHash = (id: number): string => hashOf({ view: 'task', id, at: place.value.at });
export const viewHash = (view: View): string => hashOf({ view, at: place.value.at });
