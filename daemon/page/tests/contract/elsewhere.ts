// What operations answer when the daemon is not well, or the client is not: each kind of trouble has a daemon of its
// own, in which every operation is asked once.
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import type { Operation } from './document';
import { example, isDelivery, isWrite, type Case } from './everywhere';
import { Pawld, run, until } from './pawld';
import { bytesOf, Connection, send, type Answer, type Request } from './wire';
import { hand, type Exchange, type World } from './world';

/// "GET /queue starting", …
type Answers = Map<string, Exchange | Error>;
type Trouble = 'slow' | 'plain' | 'full' | 'flood' | 'crowd' | 'sick' | 'restored';

/// A disk that is full, hangs or cannot be read, as the daemon's flags say.
const badDisk = { LD_PRELOAD: join(process.env['PAWL_BIN'] ?? '', 'libbad_disk.so') };

/// A command that runs for as long as there is a flag.
const waits = (daemon: Pawld): object => ({
  run: ['sh', '-c', 'while [ -e "$0" ]; do sleep 0.05; done', daemon.flag('slow')],
  timeout_s: 600,
});
/// Its step waits.
const slowStep = (daemon: Pawld): object => ({
  name: 'slowest',
  stages: [
    { name: 'wait', to: 'done', steps: [{ name: 'merge', ...waits(daemon), probe: ['false'], irreversible: true }] },
  ],
});
/// Its agent waits: so a daemon that drains does not end.
const slowAgent = (daemon: Pawld): object => ({
  name: 'slow',
  agents: [{ name: 'bot', ...waits(daemon) }],
  stages: [{ name: 'wait', agent: 'bot', to: 'done' }],
});

export class Elsewhere {
  private readonly daemons: Pawld[] = [];
  /// All begin at once: the first takes as long as a request may take to arrive, the last as long as pawld's own looks
  /// at its disk.
  private readonly asked: Record<Trouble, Promise<Answers>>;

  constructor(private readonly world: World) {
    this.asked = {
      slow: this.askSlowly(),
      plain: this.askPlain(),
      full: this.askTheFull(),
      flood: this.askTooMuch(),
      crowd: this.askInACrowd(),
      sick: this.askTheSick(),
      restored: this.askTheRestored(),
    };
    // What fails is told by the case that wants to know.
    for (const each of Object.values(this.asked)) each.catch(() => {});
  }

  async end(): Promise<void> {
    for (const daemon of this.daemons) await daemon.end();
  }

  /// The cases of an operation.
  cases(operation: Operation): Case[] {
    const cases: Case[] = [];
    const add = (code: string, status: number, trouble: Trouble, isError = true): void => {
      cases.push({
        name: code,
        status,
        ...(isError && { code }),
        run: () => this.answer(`${operation.name} ${code}`, trouble),
      });
    };
    add('request_timeout', 408, 'slow');
    add('foreign_page', 403, 'plain');
    if (this.mayAnswer(operation, 429, 'quota')) add('quota', 429, 'full');
    if (this.mayAnswer(operation, 409, 'limit')) add('limit', 409, 'full');
    if (this.mayAnswer(operation, 429, 'too_many_streams')) add('too_many_streams', 429, 'crowd');
    if (this.mayAnswer(operation, 503, 'too_many_past')) add('too_many_past', 503, 'sick');
    if (isDelivery(operation)) add('webhook_not_configured', 403, 'plain');
    add('too_many_requests', 429, 'flood');
    add('too_many_connections', 503, 'crowd');
    const isServed = ['GET /healthz', 'GET /', 'GET /api', 'GET /page/files/{file}'].includes(operation.name);
    if (operation.name === 'GET /readyz') {
      // It says so itself, and is not refused.
      for (const reason of ['starting', 'disk_full', 'not_writable', 'ending']) add(reason, 503, 'sick', false);
    } else if (!isServed) {
      add('starting', 503, 'sick');
    }
    if (isWrite(operation) && operation.name !== 'POST /v1/batch') {
      add('disk_full', 503, 'sick');
      add('not_writable', 503, 'sick');
    }
    if (this.mayAnswer(operation, 503, 'ending')) add('ending', 503, 'sick');
    if (readsTheLog(operation)) add('io', 500, 'sick');
    if (operation.name === 'GET /v1/events') add('gone', 410, 'restored');
    if (operation.name === 'POST /v1/tasks/{id}/resolve') {
      add('previous_alive', 409, 'crowd');
      for (const code of ['already_done', 'no_such_step', 'outcome_unknown']) add(code, 409, 'restored');
    }
    return cases;
  }

  private async answer(name: string, trouble: Trouble): Promise<Exchange> {
    const found = (await this.asked[trouble]).get(name);
    if (!found || found instanceof Error) throw found ?? new Error(`${name} was not asked`);
    return found;
  }

  private mayAnswer(operation: Operation, status: number, code: string): boolean {
    return this.world.document.codes(operation, String(status)).includes(code);
  }

  private daemon(options: string[] = [], more: { files?: number; env?: Record<string, string> } = {}): Pawld {
    const daemon = new Pawld({ options, ...more });
    this.daemons.push(daemon);
    return daemon;
  }

  private get operations(): Operation[] {
    return this.world.document.operations;
  }

  /// Asks all of these operations; `ask` gets the document's own example.
  private async all(
    into: Answers,
    code: string,
    operations: Operation[],
    ask: (request: Request) => Promise<Exchange>,
  ): Promise<void> {
    await Promise.all(
      operations.map(async (operation) => {
        into.set(`${operation.name} ${code}`, await ask(example(operation)).catch((error: Error) => error));
      }),
    );
  }

  private checked(request: Request, answer: Answer, isWhole = true): Exchange {
    return {
      operation: this.world.checked(request, answer, isWhole ? {} : { bytes: Buffer.alloc(0) }),
      request,
      answer,
    };
  }

  /// Requests whose end never comes.
  private async askSlowly(): Promise<Answers> {
    const answers: Answers = new Map();
    await this.all(answers, 'request_timeout', this.operations, async (request) => {
      const sent = { ...request, headers: { ...request.headers, 'Content-Length': '1000' } };
      return this.checked(sent, await send(this.world.daemon.tcp, sent), false);
    });
    return answers;
  }

  /// A daemon without tokens, which a page of another site tries to use; and without a webhook's secret.
  private async askPlain(): Promise<Answers> {
    const daemon = await this.daemon().start();
    const answers: Answers = new Map();
    await this.all(answers, 'foreign_page', this.operations, async (request) => {
      const sent = { ...request, headers: { ...request.headers, Host: 'evil.example' } };
      return this.world.call(sent, { as: 'nobody', at: daemon.tcp });
    });
    await this.all(answers, 'webhook_not_configured', this.operations.filter(isDelivery), (request) =>
      this.world.call(request, { as: 'nobody', at: daemon.tcp }),
    );
    return answers;
  }

  /// A daemon that has as many tasks, boots, leases and repositories as it may have.
  private async askTheFull(): Promise<Answers> {
    const daemon = await this.daemon().start();
    const ask = (request: Request): Promise<Exchange> => this.world.call(request, { as: 'nobody', at: daemon.socket });
    const boot = { name: 'w', boot_id: 'w', pid: 7, pid_start: 1, host: 'elsewhere x 1', version: '1' };
    await ask({ method: 'POST', path: '/v1/boots', body: boot });
    const lease = (key: string): Request => ({
      method: 'POST',
      path: '/v1/leases',
      body: { key, owner: { boot_id: 'w', pid: 7, actor: 'w' } },
    });
    await ask(lease('first'));
    await ask({ method: 'POST', path: '/v1/tasks', body: { work_item: 'W-1', repo: 'shop' } });
    const quotas = { 'quota.tasks': 1, 'quota.boots': 1, 'quota.leases': 1 };
    await ask({ method: 'POST', path: '/v1/settings', body: quotas });
    const answers: Answers = new Map();
    const more = (request: Request): Request => (request.path === '/v1/leases' ? lease('second') : request);
    await this.all(
      answers,
      'quota',
      this.operations.filter((operation) => this.mayAnswer(operation, 429, 'quota')),
      (request) => ask(more(request)),
    );
    /// Whether one of them was refused because there are as many as may be.
    const fill = async (path: string, bodies: object[]): Promise<boolean> => {
      const requests = bodies.map((body) => ({ method: 'POST', path, body }));
      const { items } = JSON.parse(
        (await ask({ method: 'POST', path: '/v1/batch', body: { requests } })).answer.text,
      ) as { items: { status: number }[] };
      return items.some(({ status }) => status === 409);
    };
    let repos = 0;
    const newRepos = (): object[] => Array.from({ length: 256 }, () => ({ repo: `many-${++repos}` }));
    await until('there are as many repositories as may be', () => fill('/v1/repos', newRepos()));
    // As many places may be held as there may be repositories; a few of those are not of this test.
    const stages = ['analysis', 'development', 'review', 'testing', 'deploy-staging', 'deploy'];
    const others = ['task:1', 'repo:shop', 'pipeline:delivery', ...stages.map((stage) => `stage:${stage}`)];
    const places = [...others, ...Array.from({ length: repos }, (_, index) => `repo:many-${index + 1}`)];
    const somePlaces = (): object[] => places.splice(0, 256).map((place) => ({ place }));
    await until('as many places are held as may be', () => fill('/v1/holds', somePlaces()));
    const limited = this.operations.filter((operation) => this.mayAnswer(operation, 409, 'limit'));
    const oneMore = { place: 'agent:developer' };
    await this.all(answers, 'limit', limited, (request) =>
      ask(request.path === '/v1/holds' ? { ...request, body: oneMore } : request),
    );
    return answers;
  }

  /// A token that sends more than it may. Each request is repeated until it is refused.
  private async askTooMuch(): Promise<Answers> {
    const daemon = this.daemon();
    const hash = createHash('sha256').update('flood').digest('hex');
    daemon.ways.options = ['--tokens', daemon.write('tokens', `flood operate ${hash}\n`)];
    await daemon.start();
    const answers: Answers = new Map();
    const signed = (request: Request): Request => ({
      ...request,
      headers: { ...request.headers, Authorization: 'Bearer flood' },
    });
    const batch = (count: number): Request =>
      signed({
        method: 'POST',
        path: '/v1/batch',
        body: { requests: Array(count).fill({ method: 'GET', path: '/v1/tasks/1' }) },
      });
    const drain = [...Array(16).fill(256), 128, 64, 32, 16, 8, 4, 2, 1, 1, 1].map(batch);
    await until('each operation was refused', async () => {
      const missing = this.operations.filter(({ name }) => !answers.has(`${name} too_many_requests`));
      // In one piece, so that the requests follow each other faster than the allowance grows.
      const requests = [...drain, ...missing.flatMap((operation) => [signed(example(operation)), batch(1), batch(1)])];
      const connection = new Connection(daemon.tcp);
      connection.write(Buffer.concat(requests.map((request) => bytesOf(request))));
      for (const request of requests) {
        const answer = await connection.answer(request.method);
        const operation = this.world.document.operationOf(request)!;
        if (answer.status === 429) answers.set(`${operation.name} too_many_requests`, this.checked(request, answer));
      }
      connection.close();
      return this.operations.every(({ name }) => answers.has(`${name} too_many_requests`));
    });
    return answers;
  }

  /// A daemon that may have few connections: half of them wait, and then all are busy.
  private async askInACrowd(): Promise<Answers> {
    const daemon = this.daemon([], { files: 128, env: badDisk });
    await daemon.start();
    await daemon.stop();
    await daemon.start(); // the first records are read from the disk now
    daemon.raise('slow');
    const ask = (request: Request): Promise<Exchange> => this.world.call(request, { as: 'nobody', at: daemon.socket });
    await ask({ method: 'POST', path: '/v1/pipelines', body: slowAgent(daemon) });
    await ask({ method: 'POST', path: '/v1/pipelines', body: slowStep(daemon) });
    // Only what is asked for is driven.
    await ask({ method: 'POST', path: '/v1/settings', body: { 'reconciler.enabled': false, 'stop.kill_after_s': 0 } });
    const submit = (number: number, pipeline: string): Promise<Exchange> =>
      ask({ method: 'POST', path: '/v1/tasks', body: { work_item: `W-${number}`, repo: 'shop', pipeline } });
    await submit(1, 'slow');
    await until(
      'an agent runs',
      async () => JSON.parse((await ask({ method: 'GET', path: '/v1/jobs/1' })).answer.text).pid !== null,
    );
    const answers: Answers = new Map();
    const open = (request: Request): Connection => {
      const connection = new Connection(daemon.socket);
      connection.write(bytesOf(request));
      return connection;
    };
    const waits = (path: string): Request => ({
      method: 'GET',
      path: `${path.replace('/12', '/1')}?wait_s=60${path.endsWith('events') ? '&after=900000000' : ''}`,
    });
    const polls: Connection[] = [];
    await until('half of all connections wait', async () => {
      if (polls.length < 32) polls.push(open(waits('/v1/events')));
      const status = await Promise.race([
        ask(waits('/v1/events')).then(
          ({ answer }) => answer.status,
          () => 0,
        ),
        later(),
      ]);
      return status === 429;
    });
    const wait = this.operations.filter((operation) => this.mayAnswer(operation, 429, 'too_many_streams'));
    await this.all(answers, 'too_many_streams', wait, (request) => ask(waits(request.path)));
    for (const each of polls) each.close();

    await submit(2, 'slowest');
    const crossing = open({ method: 'POST', path: '/v1/tasks/2/advance', body: {} });
    await until(
      'its step runs',
      async () => JSON.parse((await ask({ method: 'GET', path: '/v1/tasks/2' })).answer.text).steps.length > 0,
    );
    const resolve = { method: 'POST', path: '/v1/tasks/2/resolve', body: { step: 'merge', happened: false } };
    answers.set('POST /v1/tasks/{id}/resolve previous_alive', await ask(resolve));

    // A look at the past that hangs is not one of those that may be ended.
    daemon.raise('held');
    const isFull = async (): Promise<boolean> =>
      (await this.refusedAtTheDoor(daemon, { method: 'GET', path: '/healthz' })) !== null;
    const busy: Connection[] = [];
    await until('all connections are busy', async () => {
      // Each of the daemon's threads has some of them.
      for (let tries = 0; tries < 4; tries++) {
        if (await isFull()) continue;
        // One whose request has not arrived when the next comes makes room for that.
        busy.push(open({ method: 'GET', path: '/v1/head?at=2' }));
        return false;
      }
      return true;
    });
    for (const operation of this.operations) {
      const request = example(operation);
      const answer = await this.refusedAtTheDoor(daemon, request);
      answers.set(
        `${operation.name} too_many_connections`,
        answer ? this.checked(request, answer) : new Error('a connection was free'),
      );
    }
    for (const connection of [...busy, crossing]) connection.close();
    return answers;
  }

  /// The answer of a daemon without a free connection; null if there was one. It does not wait for the request, and a
  /// client that sends it too late for that loses the answer: so this one looks first.
  private async refusedAtTheDoor(daemon: Pawld, request: Request): Promise<Answer | null> {
    const connection = new Connection(daemon.socket);
    try {
      const answer = connection.answer(request.method);
      const early = await Promise.race([answer, later()]);
      if (early !== 0) return early;
      connection.write(bytesOf(request));
      const { text } = await answer;
      return text.includes('too_many_connections') ? answer : null;
    } catch {
      return null;
    } finally {
      connection.close();
    }
  }

  /// A daemon whose disk is full, does not let it write, does not answer while it starts, and cannot be read; and that
  /// ends.
  private async askTheSick(): Promise<Answers> {
    const daemon = this.daemon(['--drain-s', '600'], { env: badDisk });
    await daemon.start();
    const answers: Answers = new Map();
    const ask = (request: Request): Promise<Exchange> => this.world.call(request, { as: 'nobody', at: daemon.socket });
    const ready = this.operations.filter(({ name }) => name === 'GET /readyz');
    const writes = [
      ...this.operations.filter((operation) => isWrite(operation) && operation.name !== 'POST /v1/batch'),
      ...ready,
    ];
    const isReady = async (): Promise<boolean> => (await ask({ method: 'GET', path: '/readyz' })).answer.status === 200;

    daemon.raise('slow');
    await ask({ method: 'POST', path: '/v1/pipelines', body: slowAgent(daemon) });
    const task = { method: 'POST', path: '/v1/tasks', body: { work_item: 'W-1', repo: 'shop', pipeline: 'slow' } };
    await ask(task);
    daemon.raise('full');
    await until('the disk is full', async () => !(await isReady()));
    await this.all(answers, 'disk_full', writes, ask);
    daemon.lower('full');
    await until('there is room', isReady);
    run('prlimit', '--pid', String(daemon.pid), '--fsize=0:unlimited');
    await until('it cannot write', async () => !(await isReady()));
    await this.all(answers, 'not_writable', writes, ask);
    daemon.signal('SIGKILL');
    await daemon.ended();

    daemon.raise('held');
    daemon.spawn();
    await until('it answers while it starts', () =>
      send(daemon.socket, { method: 'GET', path: '/healthz' }).then(
        ({ text }) => text.includes('starting'),
        () => false,
      ),
    );
    await this.all(answers, 'starting', this.operations, ask);
    daemon.lower('held');
    await until('it has started', isReady);

    const here = (request: Request): Request => ({
      ...request,
      path: request.path.replace('/12', '/1').replace('from=340&to=345', 'from=1&to=2'),
    });
    const past = (request: Request): Request => {
      const hasPast = this.world.document
        .operationOf(request)!
        .said['parameters'].some((each: { name?: string }) => each.name === 'at');
      return hasPast ? { ...request, path: `${request.path}${request.path.includes('?') ? '&' : '?'}at=2` } : request;
    };
    // One look at the past hangs, and one report; as many wait behind each as may.
    daemon.raise('held');
    const looks = ['/v1/head?at=2', '/v1/incidents/1'].map((path) => ({ method: 'GET', path }));
    const waiting = looks.flatMap((look) =>
      Array.from({ length: 33 }, () => new Connection(daemon.socket)).map((each) => (each.write(bytesOf(look)), each)),
    );
    for (const look of looks) {
      const status = (): Promise<number> => ask(look).then(({ answer }) => answer.status);
      await until('as many wait as may', async () => (await Promise.race([status(), later()])) === 503);
    }
    const haveThePast = this.operations.filter((operation) => this.mayAnswer(operation, 503, 'too_many_past'));
    await this.all(answers, 'too_many_past', haveThePast, (request) => ask(past(here(request))));
    daemon.lower('held');
    for (const each of waiting) await each.answer('GET').finally(() => each.close());

    daemon.raise('broken');
    await this.all(answers, 'io', this.operations.filter(readsTheLog), (request) => ask(past(here(request))));
    daemon.lower('broken');

    await until(
      'an agent runs',
      async () => JSON.parse((await ask({ method: 'GET', path: '/v1/jobs/1' })).answer.text).pid !== null,
    );
    daemon.signal('SIGTERM');
    await until('it ends', async () => !(await isReady()));
    const begins = this.operations.filter((operation) => this.mayAnswer(operation, 503, 'ending'));
    await this.all(answers, 'ending', [...begins, ...ready], (request) => ask(here(request)));
    return answers;
  }

  /// A daemon that goes on from a backup: some records are lost.
  private async askTheRestored(): Promise<Answers> {
    const daemon = this.daemon();
    await daemon.start();
    const ask = (request: Request): Promise<Exchange> => this.world.call(request, { as: 'nobody', at: daemon.socket });
    await ask({ method: 'POST', path: '/v1/pipelines', body: hand });
    for (const work_item of ['W-1', 'W-2'])
      await ask({
        method: 'POST',
        path: '/v1/tasks',
        body: { work_item, repo: 'shop', pipeline: 'hand', stage: 'ship' },
      });
    const headers = { 'Pawl-Boot': 'w' };
    const owner = { boot_id: 'w', pid: 7, actor: 'w' };
    await ask({
      method: 'POST',
      path: '/v1/boots',
      body: { name: 'w', boot_id: 'w', pid: 7, pid_start: 1, host: 'elsewhere x 1', version: '1' },
    });
    const tokens = [];
    for (const key of ['task:2', 'repo:shop'])
      tokens.push(
        JSON.parse((await ask({ method: 'POST', path: '/v1/leases', body: { key, owner } })).answer.text).token,
      );
    const start = {
      type: 'StepStarted',
      version: 1,
      step: 'merge',
      to: 'done',
      token: tokens[0],
      repo_token: tokens[1],
    };
    await ask({ method: 'POST', path: '/v1/tasks/2/steps', headers, body: start });
    daemon.pawl('backup', daemon.data, join(daemon.folder, 'backup'));
    const { seq } = JSON.parse((await ask({ method: 'GET', path: '/v1/head' })).answer.text);
    for (let count = 0; count < 5; count++)
      await ask({ method: 'POST', path: '/v1/tasks/1/note', body: { text: 'lost' } });
    await daemon.stop();
    const restored = this.daemon();
    restored.pawl('restore', join(daemon.folder, 'backup'), restored.data);
    await restored.start();
    const now = (request: Request): Promise<Exchange> =>
      this.world.call(request, { as: 'nobody', at: restored.socket });
    const resolve = (task: number, step: string): Promise<Exchange> =>
      now({ method: 'POST', path: `/v1/tasks/${task}/resolve`, body: { step, happened: true } });
    await resolve(1, 'merge');
    return new Map([
      ['GET /v1/events gone', await now({ method: 'GET', path: `/v1/events?after=${seq + 2}` })],
      ['POST /v1/tasks/{id}/resolve already_done', await resolve(1, 'merge')],
      ['POST /v1/tasks/{id}/resolve no_such_step', await resolve(1, 'sing')],
      ['POST /v1/tasks/{id}/resolve outcome_unknown', await resolve(2, 'tell')],
    ]);
  }
}

/// 0, after a moment.
const later = (): Promise<0> => new Promise((done) => setTimeout(() => done(0), 50));

/// Whether it cannot answer if the log cannot be read.
function readsTheLog(operation: Operation): boolean {
  return 'responses' in operation.said && '500' in operation.said['responses'];
}
