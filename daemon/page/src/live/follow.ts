// Follows the log from this tab: through the shared stream, or one of its own where the browser has no SharedWorker.
import { beatMs, type FromWorker, type ToWorker } from './fanout';
import { EventStream, type News } from './stream';

export interface FollowOptions {
  base: string;
  token: string | null;
  /// The last record that this tab knows of.
  after: () => number;
  tell: (news: News) => void;
  /// The shared stream is at a later record: what is in between has to be read by itself.
  behind: (at: number) => void;
}

/// Starts to follow; returns how to stop.
export function follow(options: FollowOptions): () => void {
  if (typeof SharedWorker === 'undefined') return followAlone(options);
  const worker = new SharedWorker(new URL('./shared.ts', import.meta.url), { type: 'module', name: 'pawl' });
  const send = (message: ToWorker): void => worker.port.postMessage(message);
  const join = (): void => send({ kind: 'follow', base: options.base, token: options.token, after: options.after() });
  worker.port.onmessage = (event: MessageEvent<FromWorker>) => {
    const message = event.data;
    if (message.kind === 'news') options.tell(message.news);
    else if (message.kind === 'rejoin') join();
    else if (message.at > options.after()) options.behind(message.at);
  };
  join();
  const beat = setInterval(() => send({ kind: 'beat' }), beatMs);
  const leave = (): void => send({ kind: 'leave' });
  const comeBack = (event: PageTransitionEvent): void => {
    if (event.persisted) join();
  };
  addEventListener('pagehide', leave);
  addEventListener('pageshow', comeBack);
  return () => {
    clearInterval(beat);
    removeEventListener('pagehide', leave);
    removeEventListener('pageshow', comeBack);
    leave();
    worker.port.close();
  };
}

function followAlone(options: FollowOptions): () => void {
  const { base, token, tell } = options;
  const stream = new EventStream({ base, token, after: options.after(), tell });
  void stream.run();
  return () => stream.stop();
}
