// One answer as it comes in: its status, headers and time at once, then its body, of a stream only the first records.
import { addressOf, errorWords } from '../api/client';
import { laidOut, type Request } from './request';

export interface Answered {
  status: number;
  statusText: string;
  headers: [name: string, value: string][];
  ms: number; // until the body had come, or was cut off
  text: string; // as it came
  isJson: boolean;
  isCut: boolean; // a stream goes on behind this
  hasEnded: boolean;
}

/// Of a stream that does not end by itself.
export const recordsMax = 20;
const charactersMax = 8 << 20;

export interface Sending {
  base: string;
  request: Request;
  token: string | null;
  signal: AbortSignal;
  tell: (answer: Answered) => void;
  now?: () => number;
  send?: typeof fetch;
}

/// Sends a request and tells of its answer, several times while a stream comes in. Throws if there is no answer.
export async function answerTo({
  base,
  request,
  token,
  signal,
  tell,
  now = () => performance.now(),
  send = fetch,
}: Sending): Promise<void> {
  const began = now();
  const headers: { [name: string]: string } = { ...request.headers };
  if (token !== null) headers['Authorization'] = `Bearer ${token}`;
  const response = await send(addressOf(base, request.path), {
    method: request.method,
    headers,
    signal,
    cache: 'no-store',
    credentials: 'omit',
    redirect: 'error',
    ...(request.body !== null && { body: request.body }),
  });
  const type = response.headers.get('Content-Type') ?? '';
  const isStream = type.startsWith('text/event-stream');
  const answer = {
    status: response.status,
    statusText: response.statusText,
    headers: [...response.headers],
    isJson: type.startsWith('application/json'),
  };
  let text = '';
  const say = (isCut: boolean, hasEnded: boolean): void =>
    tell({ ...answer, text, ms: now() - began, isCut, hasEnded });
  say(false, false);
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const part = await reader?.read();
      if (!part || part.done) break;
      text += decoder.decode(part.value, { stream: true });
      const end = isStream ? endOfRecords(text) : null;
      if (end !== null || text.length > charactersMax) {
        text = text.slice(0, end ?? charactersMax);
        await reader?.cancel();
        return say(true, true);
      }
      if (isStream) say(false, false);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    return say(true, true); // the reader pressed "Stop"
  }
  say(false, true);
}

/// Where the last record ends that is shown; null while fewer have come.
function endOfRecords(text: string): number | null {
  let end: number | null = 0;
  for (let count = 0; count < recordsMax && end !== null; count++) {
    const begin = text.indexOf('data:', end);
    const found = begin === -1 ? -1 : text.indexOf('\n', begin);
    end = found === -1 ? null : found + 1;
  }
  return end;
}

/// The body to read: JSON with a line for each member, everything else as it came.
export const shownText = ({ text, isJson, hasEnded }: Answered): string => (isJson && hasEnded ? laidOut(text) : text);

/// Why there is no answer at all.
export const failureWords = (error: unknown): string =>
  error instanceof TypeError ? 'pawld cannot be reached: it is not running, or the network is down' : errorWords(error);
