// One stream for all tabs of a browser that have the same token: a browser opens at most six connections to an address,
// and each stream would take one for as long as its tab is open. Pure: shared.ts gives it to a SharedWorker.
import { EventStream, type News, type StreamOptions } from './stream';

export type ToWorker =
  | { kind: 'follow'; base: string; token: string | null; after: number }
  | { kind: 'beat' }
  | { kind: 'leave' };

export type FromWorker =
  | { kind: 'joined'; at: number } // the stream tells of what follows this record
  | { kind: 'rejoin' } // the tab had been silent for too long, and was dropped
  | { kind: 'news'; news: News };

/// Tabs in the background may run their timers once a minute.
export const silentMsMax = 150_000;
export const beatMs = 20_000;

export interface Tab {
  post: (message: FromWorker) => void;
}

interface Group {
  stream: EventStream;
  tabs: Set<Tab>;
  isOpen: boolean;
}

export class Fanout {
  private readonly groups = new Map<string, Group>();
  private readonly heard = new Map<Tab, { key: string; at: number }>();

  constructor(
    private readonly now: () => number,
    private readonly start: (options: StreamOptions) => EventStream = (options) => {
      const stream = new EventStream(options);
      void stream.run();
      return stream;
    },
  ) {}

  get streams(): number {
    return this.groups.size;
  }

  take(tab: Tab, message: ToWorker): void {
    this.dropSilent();
    switch (message.kind) {
      case 'follow':
        this.leave(tab);
        return this.join(tab, message);
      case 'leave':
        return this.leave(tab);
      case 'beat': {
        const known = this.heard.get(tab);
        if (known) known.at = this.now();
        else tab.post({ kind: 'rejoin' });
      }
    }
  }

  private join(tab: Tab, { base, token, after }: { base: string; token: string | null; after: number }): void {
    const key = JSON.stringify([base, token]);
    let group = this.groups.get(key);
    if (!group) {
      const tabs = new Set<Tab>();
      const fresh: Group = { tabs, isOpen: false, stream: undefined as unknown as EventStream };
      fresh.stream = this.start({ base, token, after, tell: (news) => this.tell(key, fresh, news) });
      this.groups.set(key, fresh);
      group = fresh;
    }
    group.tabs.add(tab);
    this.heard.set(tab, { key, at: this.now() });
    tab.post({ kind: 'joined', at: group.stream.after });
    if (group.isOpen) tab.post({ kind: 'news', news: { kind: 'open' } });
  }

  private tell(key: string, group: Group, news: News): void {
    if (news.kind === 'open') group.isOpen = true;
    if (news.kind === 'lost') group.isOpen = false;
    for (const tab of group.tabs) tab.post({ kind: 'news', news });
    if (news.kind !== 'gone' && news.kind !== 'ended') return;
    for (const tab of group.tabs) this.heard.delete(tab);
    if (this.groups.get(key) === group) this.groups.delete(key);
  }

  private leave(tab: Tab): void {
    const known = this.heard.get(tab);
    if (!known) return;
    this.heard.delete(tab);
    const group = this.groups.get(known.key);
    if (!group) return;
    group.tabs.delete(tab);
    if (group.tabs.size > 0) return;
    group.stream.stop();
    this.groups.delete(known.key);
  }

  /// A port does not say that its tab has gone.
  private dropSilent(): void {
    for (const [tab, { at }] of this.heard) {
      if (this.now() - at > silentMsMax) this.leave(tab);
    }
  }
}
