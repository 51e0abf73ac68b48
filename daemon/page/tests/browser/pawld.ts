// A real pawld for the browser tests: its own data folder, port and pipeline. Its commands wait for files of the test,
// so nothing depends on how fast the machine is.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync, openSync, closeSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from '@playwright/test';

const binaries = process.env['PAWL_BIN'] ?? '';
const patienceMs = 60_000;

const pipeline = (control: string): string => `
name: delivery
agents:
  coder: {}
  tester:
    run: 'cat "${control}/print" 2>/dev/null; while [ -e "${control}/hold-agent" ]; do sleep 0.05; done; [ ! -e "${control}/fail-agent" ]'
    timeout_s: 600
stages:
  - name: development
    agent: coder
    to: review
  - name: review
    agent: tester
    gate:
      run: 'echo "looking at $PAWL_WORK_ITEM"; while [ -e "${control}/hold-gate" ]; do sleep 0.05; done; if [ -e "${control}/red" ]; then cat "${control}/red"; exit 1; fi'
      timeout_s: 600
    to: staging
    rollback: development
  - name: staging
    agent: coder
    to: deploy
  - name: deploy
    to: done
    steps:
      - name: merge
        run: 'while [ -e "${control}/hold-step" ]; do sleep 0.05; done; if [ -e "${control}/unsure" ]; then kill -9 $$; fi'
        probe: 'exit 2'
        timeout_s: 60
        irreversible: true
`;

export interface Reply {
  status: number;
  json: any;
}

export class Pawld {
  readonly folder = mkdtempSync(join(tmpdir(), 'pawl-page-'));
  readonly control = join(this.folder, 'control');
  port = 0;
  private process: ChildProcess | null = null;

  /// Further options of pawld.
  readonly options: string[] = [];

  constructor() {
    mkdirSync(this.control);
    writeFileSync(join(this.folder, 'delivery.yaml'), pipeline(this.control));
  }

  get pid(): number | undefined {
    return this.process?.pid;
  }

  get base(): string {
    return `http://127.0.0.1:${this.port}/`;
  }

  /// A file that the pipeline's commands look for; with its content.
  put(name: string, content = ''): void {
    writeFileSync(join(this.control, name), content);
  }
  take(name: string): void {
    rmSync(join(this.control, name), { force: true });
  }

  async start(): Promise<void> {
    const log = openSync(join(this.folder, 'pawld.log'), 'a');
    const from = readFileSync(join(this.folder, 'pawld.log'), 'utf8').length;
    const options = [
      '--data',
      join(this.folder, 'data'),
      '--pipeline',
      join(this.folder, 'delivery.yaml'),
      '--repo',
      'shop=',
      '--repo',
      'depot=',
    ];
    this.process = spawn(join(binaries, 'pawld'), [...options, '--listen', `127.0.0.1:${this.port}`, ...this.options], {
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    const said = (): string => readFileSync(join(this.folder, 'pawld.log'), 'utf8').slice(from);
    const end = Date.now() + patienceMs;
    for (;;) {
      const found = /serving on 127\.0\.0\.1 port (\d+)/.exec(said());
      if (found) this.port = Number(found[1]);
      if (found && (await this.isReady())) return;
      if (this.process.exitCode !== null || Date.now() > end) throw new Error(`pawld did not start:\n${said()}`);
      await new Promise((done) => setTimeout(done, 20));
    }
  }

  /// Has it read its tokens again.
  async reload(): Promise<void> {
    this.process?.kill('SIGHUP');
  }

  private isReady(): Promise<boolean> {
    return this.request('GET', 'readyz').then(
      ({ status }) => status === 200,
      () => false,
    );
  }

  async stop(): Promise<void> {
    const { process } = this;
    if (!process || process.exitCode !== null) return;
    const ended = new Promise((done) => process.once('exit', done));
    process.kill('SIGTERM');
    await ended;
  }

  async end(): Promise<void> {
    for (const name of ['hold-agent', 'hold-gate', 'hold-step']) this.take(name);
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async request(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Reply> {
    const response = await fetch(this.base + path, {
      method,
      headers,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, json: text === '' ? null : JSON.parse(text) };
  }

  /// A request that has to succeed.
  async ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<any> {
    const { status, json } = await this.request(method, path, body, headers);
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(json)}`);
    return json;
  }

  async submit(work_item: string, more: object = {}): Promise<number> {
    return (
      await this.ask('POST', 'v1/tasks', {
        work_item,
        repo: 'shop',
        branch: `feature/${work_item.toLowerCase()}`,
        ...more,
      })
    ).task.id;
  }

  move(task: number, to: string, version: number): Promise<any> {
    return this.ask('POST', `v1/tasks/${task}/transition`, {
      to,
      expected_version: version,
      reason: 'moved by a test',
    });
  }

  /// Registers a worker outside.
  async worker(name: string): Promise<string> {
    const boot_id = `boot-of-${name}`;
    await this.ask('POST', 'v1/boots', {
      name,
      boot_id,
      pid: 4242,
      pid_start: 1,
      host: 'builder-7 x 1',
      version: '2.1',
    });
    return boot_id;
  }

  lease(key: string, boot_id: string, more: object = {}): Promise<Reply> {
    return this.request(
      'POST',
      'v1/leases',
      { key, owner: { boot_id, pid: 4242, actor: 'deployer' }, ...more },
      { 'Pawl-Boot': boot_id, 'Pawl-Actor': 'deployer' },
    );
  }

  async claim(boot_id: string): Promise<any> {
    const body = { agents: ['coder'], owner: { boot_id, pid: 4242, actor: 'worker' }, ttl_s: 600 };
    return (await this.ask('POST', 'v1/jobs/claim', body, { 'Pawl-Boot': boot_id, 'Pawl-Actor': 'worker' })).job;
  }

  /// Many tasks, as fast as batches go. Returns the first one's id.
  async submitMany(count: number, prefix: string): Promise<number> {
    let first = 0;
    for (let from = 0; from < count; from += 250) {
      const requests = [];
      for (let at = from; at < Math.min(count, from + 250); at++) {
        requests.push({ method: 'POST', path: '/v1/tasks', body: { work_item: `${prefix}-${at + 1}`, repo: 'shop' } });
      }
      const { items } = await this.ask('POST', 'v1/batch', { requests });
      const bad = items.find((item: { status: number }) => item.status !== 201);
      if (bad) throw new Error(JSON.stringify(bad));
      first ||= items[0].body.task.id;
    }
    return first;
  }

  async until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const end = Date.now() + patienceMs;
    while (!(await holds())) {
      if (Date.now() > end) throw new Error(`waited in vain until ${what}`);
      await new Promise((done) => setTimeout(done, 30));
    }
  }

  async task(id: number): Promise<any> {
    return this.ask('GET', `v1/tasks/${id}`);
  }

  /// Is a port still answered? For tests that take the daemon away.
  isListening(): Promise<boolean> {
    return new Promise((done) => {
      const socket = connect(this.port, '127.0.0.1', () => (socket.destroy(), done(true)));
      socket.on('error', () => done(false));
    });
  }
}

interface Busy {
  blocked: number;
  gate: number;
  contested: number;
  done: number;
}

/// A pawld with a busy board for the tests of a file; call it at the top.
export function busyPawld(): { pawld: Pawld; ids: Busy } {
  const board = { pawld: new Pawld(), ids: { blocked: 0, gate: 0, contested: 0, done: 0 } };
  test.beforeAll(async () => {
    await board.pawld.start();
    board.ids = await busy(board.pawld);
  });
  test.afterAll(() => board.pawld.end());
  return board;
}

/// Something in every state: running gates and agents, blocked tasks, leases, refused acts, ended tasks.
async function busy(pawld: Pawld): Promise<Busy> {
  await pawld.ask(
    'POST',
    'v1/settings',
    { 'queue.max_concurrency': 6, 'queue.serial_per_repo': false, 'reconciler.interval_s': 1 },
    { 'Pawl-Actor': 'ada' },
  );
  const worker = await pawld.worker('worker-7');
  // Done: all the way, with a merge.
  const done = await pawld.submit('SHOP-101', { stage: 'deploy' });
  await pawld.until('the first is done', async () => (await pawld.task(done)).stage === 'done');
  // Blocked by a gate that stays red.
  pawld.put('red', '1 of 6 tests failed; first: three cents are rounded up: 650, not 655\n');
  const blocked = await pawld.submit('SHOP-102', { stage: 'review' });
  const gateIsRed = async (): Promise<boolean> => (await pawld.task(blocked)).rollbacks > 0;
  await pawld.until('its gate is red', gateIsRed);
  pawld.take('red');
  await pawld.ask('POST', `v1/tasks/${blocked}/note`, { text: 'the rounding is wrong again; Ada looks at it' });
  pawld.put('fail-agent');
  pawld.put(
    'print',
    '\u001b[1mtester\u001b[0m: building\n\u001b[32mok\u001b[0m 5 tests\n\u001b[31mFAIL\u001b[0m cart: expected 655, got 650\n',
  );
  const failing = await pawld.submit('SHOP-103', { stage: 'review' });
  await pawld.ask('POST', 'v1/settings', { 'job.retry_delay_s': 0 });
  await pawld.until('an agent fails for good', async () => (await pawld.task(failing)).blocked !== null);
  pawld.take('fail-agent');
  // A gate that runs.
  pawld.put('hold-gate');
  const gate = await pawld.submit('SHOP-104', { stage: 'review' });
  await pawld.until('a gate runs', async () =>
    (await pawld.ask('GET', `v1/tasks/${gate}/logs`)).items.some(
      (run: { what: string; ended_at: string | null }) => run.what === 'gate' && run.ended_at === null,
    ),
  );
  // Two agents that run: one here, one of a worker outside.
  pawld.put('hold-agent');
  await pawld.submit('SHOP-105', { stage: 'review', repo: 'depot' });
  const claimed = await pawld.submit('SHOP-106');
  await pawld.claim(worker);
  // A lease that two want, and versions that are old.
  const contested = await pawld.submit('SHOP-107', { stage: 'staging' });
  await pawld.lease(`task:${contested}`, worker, { edge: 'staging->deploy', ttl_s: 3600 });
  const other = await pawld.worker('worker-9');
  await pawld.lease(`task:${contested}`, other, { edge: 'staging->deploy' });
  await pawld.request(
    'POST',
    `v1/tasks/${contested}/transition`,
    { to: 'deploy', expected_version: 9 },
    { 'Pawl-Actor': 'latecomer' },
  );
  await pawld.lease('repo:depot', worker, { ttl_s: 1800 });
  await pawld.ask('POST', `v1/tasks/${claimed}/cancel`, { reason: 'no longer wanted' });
  for (let at = 0; at < 14; at++) await pawld.submit(`SHOP-${201 + at}`, at % 3 === 0 ? { repo: 'depot' } : {});
  for (let at = 0; at < 5; at++)
    await pawld.submit(`OPS-${31 + at}`, { stage: 'staging', repo: 'depot', depends_on: [gate] });
  return { blocked: failing, gate, contested, done };
}
