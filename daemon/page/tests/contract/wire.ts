// Requests as bytes on a socket: the tests also send what an HTTP library would not let out.
import { connect, type Socket } from 'node:net';

/// Where a daemon listens.
export type Place = { port: number } | { path: string };

export interface Request {
  method: string;
  /// With its query, percent-encoded.
  path: string;
  headers?: Record<string, string>;
  /// Sent as JSON, unless it is a text.
  body?: unknown;
}

export interface Answer {
  status: number;
  /// By name in lower case.
  headers: Record<string, string>;
  text: string;
}

const patienceMs = 120_000;

export function bytesOf(request: Request): Buffer {
  const { body } = request;
  const content = Buffer.from(body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body));
  const headers: Record<string, string> = { Host: 'localhost', ...request.headers };
  if (body !== undefined) headers['Content-Length'] ??= String(content.length);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`${request.method} ${request.path} HTTP/1.1\r\n${lines.join('')}\r\n`), content]);
}

/// One connection. What is written is answered in order.
export class Connection {
  private readonly socket: Socket;
  private received = Buffer.alloc(0);
  private hasEnded = false;
  private wake: () => void = () => {};

  constructor(place: Place) {
    this.socket = connect({ ...place, ...('port' in place && { host: '127.0.0.1' }) });
    this.socket.on('data', (piece) => {
      this.received = Buffer.concat([this.received, piece]);
      this.wake();
    });
    // A daemon that refuses a request may cut the connection while more is being sent: what it said counts.
    for (const end of ['error', 'end', 'close'] as const) {
      this.socket.on(end, () => {
        this.hasEnded = true;
        this.wake();
      });
    }
  }

  write(bytes: string | Buffer): void {
    this.socket.write(bytes);
  }

  /// The next answer; interim ones are passed over.
  async answer(method: string): Promise<Answer> {
    for (;;) {
      const head = await this.upTo('\r\n\r\n');
      const [first = '', ...lines] = head.split('\r\n');
      const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1] ?? NaN);
      if (Number.isNaN(status)) throw new Error(`not an answer: ${JSON.stringify(head)}`);
      if (status === 100) continue;
      const headers: Record<string, string> = {};
      for (const line of lines)
        headers[line.slice(0, line.indexOf(':')).toLowerCase()] = line.slice(line.indexOf(':') + 1).trim();
      // A stream has no end: its first piece has to do.
      if (headers['content-type'] === 'text/event-stream')
        return { status, headers, text: (await this.chunk()).toString() };
      const hasBody = method !== 'HEAD' && status !== 204 && status !== 304;
      return { status, headers, text: hasBody ? (await this.body(headers)).toString() : '' };
    }
  }

  close(): void {
    this.socket.destroy();
  }

  private async body(headers: Record<string, string>): Promise<Buffer> {
    if (headers['transfer-encoding'] !== 'chunked') return this.bytes(Number(headers['content-length'] ?? 0));
    const pieces: Buffer[] = [];
    for (let piece = await this.chunk(); piece.length > 0; piece = await this.chunk()) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  private async chunk(): Promise<Buffer> {
    const size = parseInt(await this.upTo('\r\n'), 16);
    return (await this.bytes(size + 2)).subarray(0, size);
  }

  private async upTo(mark: string): Promise<string> {
    await this.until(() => this.received.includes(mark));
    const at = this.received.indexOf(mark);
    const text = this.received.subarray(0, at).toString();
    this.received = this.received.subarray(at + mark.length);
    return text;
  }

  private async bytes(count: number): Promise<Buffer> {
    await this.until(() => this.received.length >= count);
    const piece = this.received.subarray(0, count);
    this.received = this.received.subarray(count);
    return piece;
  }

  private async until(holds: () => boolean): Promise<void> {
    const end = Date.now() + patienceMs;
    while (!holds()) {
      if (this.hasEnded) throw new Error(`the connection ended after ${JSON.stringify(this.received.toString())}`);
      if (Date.now() > end) throw new Error('no answer in time');
      await new Promise<void>((done) => {
        const timer = setTimeout(done, end - Date.now());
        this.wake = () => (clearTimeout(timer), done());
      });
    }
  }
}

/// Sends a request, or any bytes, over a connection of its own.
export async function send(place: Place, request: Request, bytes: Buffer = bytesOf(request)): Promise<Answer> {
  const connection = new Connection(place);
  try {
    connection.write(bytes);
    return await connection.answer(request.method);
  } finally {
    connection.close();
  }
}
