// One event stream to pawld, kept up: it continues after the last record that came, whatever broke.
import { addressOf, refusalOf, Refused } from '../api/client';
import type { LogRecord } from '../api/types';
import { EventParser } from './sse';

export type News =
  | { kind: 'open' }
  | { kind: 'records'; records: LogRecord[] }
  | { kind: 'lost'; words: string } // it tries again by itself
  | { kind: 'gone'; next: number } // the log was restored from a backup: what was seen is no longer true
  | { kind: 'ended'; status: number; words: string }; // it does not try again

const quietMsMax = 45_000; // pawld sends a heartbeat every 15 s
const pauseMsMin = 500;
const pauseMsMax = 8_000;

export interface StreamOptions {
  base: string;
  token: string | null;
  after: number;
  tell: (news: News) => void;
  fetch?: typeof fetch;
  pause?: (ms: number) => Promise<void>;
}

export class EventStream {
  /// The last record that was told of.
  after: number;
  private readonly ending = new AbortController();

  constructor(private readonly options: StreamOptions) {
    this.after = options.after;
  }

  stop(): void {
    this.ending.abort();
  }

  /// Returns when it was stopped, or cannot go on.
  async run(): Promise<void> {
    const pause = this.options.pause ?? ((ms: number) => new Promise<void>((done) => setTimeout(done, ms)));
    let pauseMs = pauseMsMin;
    while (!this.ending.signal.aborted) {
      const before = this.after;
      let words = 'the stream ended';
      try {
        await this.once();
      } catch (error) {
        if (this.ending.signal.aborted) return;
        if (error instanceof Refused) {
          if (error.status === 410) {
            const next = (error.body as { error?: { next?: number } } | null)?.error?.next ?? 0;
            return this.options.tell({ kind: 'gone', next });
          }
          const isForGood = error.status >= 400 && error.status < 500 && error.status !== 408 && error.status !== 429;
          if (isForGood) return this.options.tell({ kind: 'ended', status: error.status, words: error.message });
          words = error.message;
        } else {
          words = 'pawld cannot be reached';
        }
      }
      if (this.ending.signal.aborted) return;
      if (this.after !== before) pauseMs = pauseMsMin;
      this.options.tell({ kind: 'lost', words });
      await pause(pauseMs);
      pauseMs = Math.min(pauseMs * 2, pauseMsMax);
    }
  }

  private async once(): Promise<void> {
    const { base, token } = this.options;
    const attempt = new AbortController();
    const giveUp = (): void => attempt.abort();
    this.ending.signal.addEventListener('abort', giveUp);
    let watch = setTimeout(giveUp, quietMsMax);
    try {
      const headers: Record<string, string> = { Accept: 'text/event-stream', 'Last-Event-ID': String(this.after) };
      if (token) headers['Authorization'] = `Bearer ${token}`;
      const response = await (this.options.fetch ?? fetch)(addressOf(base, 'v1/events'), {
        headers,
        cache: 'no-store',
        credentials: 'omit',
        signal: attempt.signal,
      });
      if (!response.ok || !response.body) throw refusalOf(response.status, await response.text());
      this.options.tell({ kind: 'open' });
      const parser = new EventParser();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(watch);
        watch = setTimeout(giveUp, quietMsMax);
        const piece = parser.take(value);
        if (piece.last !== null) this.after = Math.max(this.after, Number(piece.last));
        if (piece.records.length > 0) this.options.tell({ kind: 'records', records: piece.records });
      }
    } finally {
      clearTimeout(watch);
      this.ending.signal.removeEventListener('abort', giveUp);
    }
  }
}
