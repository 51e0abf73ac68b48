// A real pawld: its data folder, its options, and its end.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { send, type Answer, type Request } from './wire';

const binaries = process.env['PAWL_BIN'] ?? '';
const patienceMs = 120_000;

export async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const end = Date.now() + patienceMs;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`waited in vain until ${what}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

export interface Ways {
  options?: string[];
  env?: Record<string, string>;
  /// The limit on open files.
  files?: number;
}

export class Pawld {
  readonly folder = mkdtempSync(join(tmpdir(), 'pawl-contract-'));
  readonly data = join(this.folder, 'data');
  readonly socket = { path: join(this.folder, 's') };
  tcp = { port: 0 };
  private process: ChildProcess | null = null;

  constructor(readonly ways: Ways = {}) {
    mkdirSync(join(this.folder, 'flags'));
  }

  /// A file that only we may read; returns its path.
  write(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }

  /// What commands and the preloaded disk look for.
  raise(flag: string): void {
    this.write(`flags/${flag}`, '');
  }
  lower(flag: string): void {
    rmSync(join(this.folder, 'flags', flag), { force: true });
  }
  flag(name: string): string {
    return join(this.folder, 'flags', name);
  }

  spawn(): void {
    const log = openSync(join(this.folder, 'log'), 'a');
    const { options = [], env = {}, files } = this.ways;
    const words = [
      join(binaries, 'pawld'),
      '--data',
      this.data,
      '--socket',
      this.socket.path,
      '--listen',
      '127.0.0.1:0',
      ...options,
    ];
    if (files) words.unshift('prlimit', `--nofile=${files}:${files}`);
    // A write beyond a limit on file size is an error, not the end of the process.
    words.unshift('sh', '-c', 'trap "" XFSZ; exec "$@"', 'sh');
    const all = { ...process.env, ...env, PAWL_BAD_DISK: join(this.folder, 'flags') };
    this.process = spawn(words[0]!, words.slice(1), { stdio: ['ignore', log, log], env: all });
    closeSync(log);
  }

  /// What it has said so far.
  said(): string {
    return existsSync(join(this.folder, 'log')) ? readFileSync(join(this.folder, 'log'), 'utf8') : '';
  }

  async start(): Promise<this> {
    const before = this.said().length;
    this.spawn();
    await until('pawld serves', () => {
      if (this.process?.exitCode !== null) throw new Error(`pawld did not start:\n${this.said()}`);
      const found = /serving on 127\.0\.0\.1 port (\d+)/.exec(this.said().slice(before));
      if (found) this.tcp = { port: Number(found[1]) };
      return found !== null;
    });
    return this;
  }

  get pid(): number {
    return this.process?.pid ?? 0;
  }

  signal(name: NodeJS.Signals): void {
    this.process?.kill(name);
  }

  async ended(): Promise<void> {
    const { process } = this;
    if (process && process.exitCode === null && process.signalCode === null)
      await new Promise((done) => process.once('exit', done));
  }

  async stop(): Promise<void> {
    this.signal('SIGTERM');
    await this.ended();
  }

  async end(): Promise<void> {
    rmSync(join(this.folder, 'flags'), { recursive: true, force: true });
    this.signal('SIGKILL');
    await this.ended();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /// Over the unix socket: as an operator.
  ask(request: Request): Promise<Answer> {
    return send(this.socket, request);
  }

  /// The command-line client; must succeed.
  pawl(...words: string[]): void {
    run(join(binaries, 'pawl'), ...words);
  }
}

/// Runs a program; must succeed.
export function run(program: string, ...words: string[]): string {
  const ran = spawnSync(program, words, { encoding: 'utf8' });
  if (ran.status !== 0) throw new Error(`${program} ${words.join(' ')}: ${ran.stdout}${ran.stderr}`);
  return ran.stdout;
}
