// Calls to the API. The token is in this tab alone: it goes into a header, never into a cookie or an address, so no
// other site can make the browser send it.
import type { LogRecord } from './types';

/// The API said no, or could not be reached (status 0). `message` is a sentence for people.
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly body: unknown = null,
    readonly retryAfterS: number | null = null,
  ) {
    super(message);
  }
}

/// Whether asking again cannot help.
export const isForGood = (error: unknown): boolean =>
  error instanceof Refused && error.status >= 400 && error.status < 500 && error.status !== 429;

export const errorWords = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export interface Answer<T> {
  status: number;
  json: T;
  header: (name: string) => string | null;
}

export type Query = { [name: string]: string | number | boolean | undefined };

export function addressOf(base: string, path: string, query: Query = {}): string {
  const url = new URL(path, base);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(name, String(value));
  }
  return url.href;
}

function messageOf(body: unknown): { code: string; message: string } | null {
  if (typeof body !== 'object' || body === null || !('error' in body)) return null;
  const error = (body as { error: unknown }).error;
  if (typeof error !== 'object' || error === null) return null;
  const { code, message } = error as { code?: unknown; message?: unknown };
  return typeof code === 'string' && typeof message === 'string' ? { code, message } : null;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

/// What to throw for an answer that is not a success.
export function refusalOf(status: number, text: string, retryAfter: string | null = null): Refused {
  const body = parsed(text);
  const error = messageOf(body);
  const retryAfterS = retryAfter !== null && /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) : null;
  if (error) return new Refused(status, error.code, error.message, body, retryAfterS);
  return new Refused(status, 'unexpected', `the answer has the status ${status}, and is not from pawld`, body);
}

/// What is asked about a position in the log: the state. Records, output, incidents and who is asking are not of a
/// moment, and a comparison has two.
const isOfAMoment = (path: string): boolean =>
  path === 'queue' || (path.startsWith('v1/') && !/^v1\/(events|me|compare|incidents.*)$|\/logs?$/.test(path));

export class Client {
  /// The position in the log that reads are about; null: the present.
  at: number | null = null;
  /// Told of every 401: the token is missing, unknown or has ended.
  unauthorized: () => void = () => {};

  constructor(
    readonly base: string,
    private readonly token: () => string | null,
  ) {}

  /// The answer as it came, if it is a success. Throws Refused, or an AbortError if `signal` ended it.
  async raw(
    method: string,
    path: string,
    options: { query?: Query; body?: unknown; headers?: Record<string, string>; signal?: AbortSignal } = {},
  ): Promise<Response> {
    const headers: Record<string, string> = { ...options.headers };
    const at = method === 'GET' && this.at !== null && isOfAMoment(path) ? this.at : undefined;
    const token = this.token();
    if (token) headers['Authorization'] = `Bearer ${token}`;
    const request: RequestInit = { method, headers, cache: 'no-store', credentials: 'omit', redirect: 'error' };
    if (options.body !== undefined) {
      headers['Content-Type'] = 'application/json';
      request.body = JSON.stringify(options.body);
    }
    if (options.signal) request.signal = options.signal;
    let response: Response;
    try {
      response = await fetch(
        addressOf(this.base, path, at === undefined ? options.query : { ...options.query, at }),
        request,
      );
    } catch (error) {
      if (error instanceof DOMException && error.name === 'AbortError') throw error;
      throw new Refused(0, 'unreachable', 'pawld cannot be reached: it is not running, or the network is down');
    }
    if (response.ok) return response;
    if (response.status === 401) this.unauthorized();
    throw refusalOf(response.status, await response.text().catch(() => ''), response.headers.get('Retry-After'));
  }

  /// A read of the present, whatever position the others are about.
  async present<T>(path: string, query: Query = {}): Promise<T> {
    return new Client(this.base, this.token).get<T>(path, query);
  }

  async call<T>(
    method: string,
    path: string,
    options: { query?: Query; body?: unknown; headers?: Record<string, string>; signal?: AbortSignal } = {},
  ): Promise<Answer<T>> {
    const response = await this.raw(method, path, options);
    const text = await response.text();
    return {
      status: response.status,
      json: (text === '' ? null : JSON.parse(text)) as T,
      header: (name) => response.headers.get(name),
    };
  }

  async get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
    return (await this.call<T>('GET', path, signal ? { query, signal } : { query })).json;
  }

  /// The first record after a position; null at the end of the log.
  async recordAfter(after: number, signal?: AbortSignal): Promise<LogRecord | null> {
    const response = await this.raw('GET', 'v1/events', { query: { after, limit: 1 }, ...(signal && { signal }) });
    const line = (await response.text()).split('\n')[0] ?? '';
    return line === '' ? null : (JSON.parse(line) as LogRecord);
  }

  /// A write by a person at this page. With a key, so that the browser or a proxy may repeat it.
  async act<T>(
    method: string,
    path: string,
    options: { query?: Query; body?: unknown; key?: string } = {},
  ): Promise<T> {
    const headers: Record<string, string> = { 'Pawl-Actor': 'page' };
    if (options.key) headers['Idempotency-Key'] = options.key;
    const { query, body } = options;
    return (await this.call<T>(method, path, { headers, ...(query && { query }), ...(body !== undefined && { body }) }))
      .json;
  }

  /// All items of a list, page by page, each handed on as it comes.
  async pages<T>(path: string, query: Query, each: (items: T[]) => void, signal?: AbortSignal): Promise<void> {
    let after: number | string | null | undefined = undefined;
    do {
      const page: { items: T[]; next: number | string | null } = await this.get(
        path,
        after === undefined ? query : { ...query, after: after ?? undefined },
        signal,
      );
      each(page.items);
      after = page.next;
    } while (after !== null);
  }

  /// Several reads as one request. Null for each that was refused: a task that the token may not see, for example.
  async readMany<T>(paths: string[]): Promise<(T | null)[]> {
    const answers: (T | null)[] = [];
    for (let from = 0; from < paths.length; from += 256) {
      const requests = paths.slice(from, from + 256).map((path) => ({ method: 'GET', path: `/${path}` }));
      const { json } = await this.call<{ items: { status: number; body: T }[] }>('POST', 'v1/batch', {
        body: { requests },
      });
      for (const item of json.items) answers.push(item.status === 200 ? item.body : null);
    }
    return answers;
  }
}

/// A new Idempotency-Key. randomUUID exists on https and loopback addresses alone.
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
