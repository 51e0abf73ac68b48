// The SharedWorker that holds the one stream. Tokens are in its memory for as long as a tab that sent them is open.
import { Fanout, type ToWorker } from './fanout';

const fanout = new Fanout(() => performance.now());

addEventListener('connect', (event) => {
  const port = (event as MessageEvent).ports[0];
  if (!port) return;
  const tab = { post: (message: unknown) => port.postMessage(message) };
  port.onmessage = (message: MessageEvent<ToWorker>) => fanout.take(tab, message.data);
});
