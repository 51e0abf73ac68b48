// Reads what a run printed, piece by piece, and follows it while it runs.
import { errorWords, Refused, type Client } from '../api/client';
import { OutputText } from './text';

const pauseMs = 1000;

export interface Progress {
  bytes: number; // read so far
  isOver: boolean; // the run has ended, and all of it is here
  failed: string | null;
}

/// Asks again at intervals, without wait_s: a tab that waits would keep one of the browser's few connections.
export class OutputReader {
  readonly text = new OutputText();
  progress: Progress = { bytes: 0, isOver: false, failed: null };
  private readonly ending = new AbortController();

  constructor(
    private readonly client: Client,
    private readonly task: number,
    private readonly run: string,
    private readonly changed: () => void,
  ) {}

  stop(): void {
    this.ending.abort();
  }

  async read(): Promise<void> {
    const { signal } = this.ending;
    while (!signal.aborted && !this.progress.isOver) {
      try {
        const before = this.progress.bytes;
        await this.piece(signal);
        if (this.progress.bytes !== before || this.progress.isOver) continue;
      } catch (error) {
        if (signal.aborted) return;
        const isForGood = error instanceof Refused && error.status >= 400 && error.status < 500 && error.status !== 429;
        this.progress = { ...this.progress, failed: errorWords(error) };
        this.changed();
        if (isForGood) return;
      }
      await this.pause(signal);
    }
  }

  private async piece(signal: AbortSignal): Promise<void> {
    const response = await this.client.raw('GET', `v1/tasks/${this.task}/log`, {
      query: { run: this.run, from: this.progress.bytes },
      signal,
    });
    const text = await response.text();
    const next = Number(response.headers.get('Pawl-Log-Next') ?? this.progress.bytes);
    if (text !== '') this.text.append(text);
    this.progress = { bytes: next, isOver: response.headers.get('Pawl-Log-End') === 'true', failed: null };
    this.changed();
  }

  private async pause(signal: AbortSignal): Promise<void> {
    do await new Promise((done) => setTimeout(done, pauseMs));
    while (!signal.aborted && typeof document !== 'undefined' && document.hidden);
  }
}
