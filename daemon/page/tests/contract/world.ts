// The daemon that most cases ask, and what they need in it: tasks, boots, claims, leases. Each request to it, and each
// answer, is compared with the document.
import { createHash, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { Document, type Operation } from './document';
import { Pawld, run, until } from './pawld';
import { bytesOf, send, type Answer, type Place, type Request } from './wire';
import { secrets } from './deliveries';

type Json = Record<string, any>;

/// What each token may do.
const roles = {
  operator: 'operate',
  worker: 'work',
  reader: 'read',
  narrow: 'operate repos=shop',
  crowd: 'operate',
} as const;
export type Who = keyof typeof roles | 'stranger' | 'nobody';

export interface Exchange {
  operation: Operation;
  request: Request;
  answer: Answer;
}

export interface How {
  as?: Who;
  /// Instead of the request's own bytes.
  bytes?: Buffer;
  at?: Place;
  /// Why the document cannot know that the request is refused as malformed. Else it has to say so.
  unknowable?: string;
}

export const hand = {
  name: 'hand',
  agents: [{ name: 'coder' }],
  stages: [
    { name: 'build', agent: 'coder', to: 'ship' },
    {
      name: 'ship',
      rollback: 'build',
      to: 'done',
      steps: [
        { name: 'merge', timeout_s: 60, irreversible: true, exclusive: true },
        { name: 'tell', timeout_s: 60 },
      ],
    },
  ],
};

const machine = {
  name: 'machine',
  agents: [{ name: 'bot', run: ['sh', '-c', 'echo hello from $PAWL_JOB'], timeout_s: 60 }],
  stages: [
    { name: 'code', agent: 'bot', gate: { run: ['sh', '-c', 'true'], timeout_s: 60 }, to: 'wait' },
    { name: 'wait', gate: { run: ['sh', '-c', 'echo looking'], timeout_s: 60 }, to: 'done' },
  ],
};

/// Its gate does not end: a job whose process has ended stays `running`.
const checked = (daemon: Pawld): Json => ({
  name: 'checked',
  agents: [{ name: 'checker' }],
  stages: [
    {
      name: 'check',
      agent: 'checker',
      gate: { run: ['sh', '-c', 'while [ -e "$0" ]; do sleep 0.05; done', daemon.flag('endless')], timeout_s: 600 },
      to: 'done',
    },
  ],
});

/// People are asked on both edges.
const approve = { by: ['token:operator', 'token:reader'], need: 2 };
const asking = {
  name: 'asking',
  stages: [
    { name: 'ask', gate: { approve }, to: 'deliver' },
    { name: 'deliver', gate: { approve }, to: 'done', steps: [{ name: 'merge', timeout_s: 60, irreversible: true }] },
  ],
};

export class World {
  readonly daemon = new Pawld();
  readonly tokens: Record<string, string> = {};
  /// A task of nobody else's, and the key of a note on it.
  usedKey = '';
  private numbers = 0;
  private wrong = 0;
  private said: Document | null = null;

  get document(): Document {
    if (!this.said) throw new Error('the daemon has not been started');
    return this.said;
  }

  async start(): Promise<void> {
    const { daemon } = this;
    const lines = Object.entries(roles).map(([name, role]) => {
      this.tokens[name] = randomUUID();
      const [word, ...limits] = role.split(' ');
      return `${[name, word, createHash('sha256').update(this.tokens[name]!).digest('hex'), ...limits].join(' ')}\n`;
    });
    daemon.ways.options = [
      '--tokens',
      daemon.write('tokens', lines.join('')),
      '--repo',
      'shop=',
      '--repo',
      `depot=${this.origin()}`,
    ];
    for (const [source, secret] of Object.entries(secrets))
      daemon.ways.options.push(`--${source}-secret-file`, daemon.write(`${source}.secret`, secret));
    for (const forge of ['github', 'gitlab'])
      daemon.ways.options.push(`--${forge}-repo`, 'acme/shop=shop:SHOP', `--${forge}-member`, 'ada');
    daemon.ways.options.push('--gitea-repo', 'acme/shop=shop', '--plane-project', 'project-1=shop:SHOP');
    daemon.raise('endless');
    await daemon.start();
    this.said = new Document(JSON.parse((await daemon.ask({ method: 'GET', path: '/openapi.json' })).text));
    const settings = {
      'queue.max_concurrency': 100_000,
      'queue.serial_per_repo': false,
      'reconciler.enabled': false,
      'job.retry_delay_s': 0,
      'pipeline.default': 'hand',
    };
    for (const body of [hand, machine, checked(daemon), asking]) await this.ok({ method: 'POST', path: '/v1/pipelines', body });
    await this.ok({ method: 'POST', path: '/v1/settings', body: settings });
    const task = await this.submit();
    this.usedKey = randomUUID();
    await this.ok({
      method: 'POST',
      path: `/v1/tasks/${task}/note`,
      headers: { 'Idempotency-Key': this.usedKey },
      body: { text: 'once' },
    });
  }

  /// A git repository with a branch.
  private origin(): string {
    const path = join(this.daemon.folder, 'depot.git');
    run('git', 'init', '-q', '--bare', '-b', 'main', path);
    const tree = run('git', '-C', path, 'hash-object', '-w', '-t', 'tree', '/dev/null').trim();
    const who = ['-c', 'user.name=a', '-c', 'user.email=a@example.org'];
    const commit = run('git', '-C', path, ...who, 'commit-tree', '-m', 'first', tree).trim();
    for (const branch of ['main', 'known']) run('git', '-C', path, 'update-ref', `refs/heads/${branch}`, commit);
    return path;
  }

  /// A request as it is sent: with its sender's token.
  signed(request: Request, as: Who): Request {
    const token = as === 'stranger' ? 'not-a-token' : this.tokens[as];
    return token === undefined
      ? request
      : { ...request, headers: { Authorization: `Bearer ${token}`, ...request.headers } };
  }

  /// Sends a request. Throws if it, or its answer, is not as the document says.
  async call(
    request: Request,
    { as = 'operator', bytes, at = this.daemon.tcp, unknowable }: How = {},
  ): Promise<Exchange> {
    const sent = this.signed(request, as);
    const answer = await send(at, sent, bytes ?? bytesOf(sent));
    return {
      operation: this.checked(sent, answer, {
        ...(unknowable !== undefined && { unknowable }),
        ...(bytes && { bytes }),
      }),
      request: sent,
      answer,
    };
  }

  checked(request: Request, answer: Answer, { bytes, unknowable }: How = {}): Operation {
    const operation = this.document.operationOf(request);
    if (!operation) throw new Error(`no operation is ${request.method} ${request.path}`);
    const problems = this.document.problemsOfAnswer(operation, answer);
    if (!bytes) {
      const wrong = this.document.problemsOfRequest(request);
      const isMalformed = answer.status === 400;
      if (!isMalformed) problems.push(...wrong);
      if (isMalformed && unknowable === undefined && wrong.length === 0)
        problems.push('refused as malformed, but the document allows it');
    }
    if (problems.length > 0) {
      const asked = `${request.method} ${request.path} ${JSON.stringify(request.body ?? null)}: ${answer.status}`;
      throw new Error([asked, ...problems, answer.text.slice(0, 2000)].join('\n  '));
    }
    return operation;
  }

  /// The answer of a request that has to succeed.
  async ok(request: Request, how: How = {}): Promise<any> {
    const { answer } = await this.call(request, how);
    if (answer.status >= 300) throw new Error(`${request.method} ${request.path}: ${answer.status} ${answer.text}`);
    return answer.text === '' ? null : JSON.parse(answer.text);
  }

  get(path: string): Promise<any> {
    return this.ok({ method: 'GET', path });
  }

  /// A text that nothing else has.
  fresh(what: string): string {
    return `${what}-${++this.numbers}`;
  }

  async submit(more: Json = {}): Promise<number> {
    return (
      await this.ok({ method: 'POST', path: '/v1/tasks', body: { work_item: this.fresh('W'), repo: 'shop', ...more } })
    ).task.id;
  }

  /// A worker's boot. `as`: it belongs to that token.
  async boot(as: Who = 'operator'): Promise<string> {
    const boot_id = this.fresh('boot');
    await this.ok({ method: 'POST', path: '/v1/boots', body: this.bootBody(boot_id) }, { as });
    return boot_id;
  }
  bootBody(boot_id: string): Json {
    return { name: `worker-${boot_id}`, boot_id, pid: 4242, pid_start: 1, host: 'elsewhere x 1', version: '1' };
  }
  async endedBoot(): Promise<string> {
    const boot = await this.boot();
    await this.ok({ method: 'DELETE', path: `/v1/boots/${boot}` });
    return boot;
  }

  owner(boot_id: string): Json {
    return { boot_id, pid: 4242, actor: 'worker' };
  }

  /// A job that a worker has claimed; `task` may be any task of the pipeline `hand`.
  async claimed(
    pipeline = 'hand',
    agent = 'coder',
  ): Promise<{ boot: string; job: Json; task: number; headers: Record<string, string>; path: string }> {
    await this.submit({ pipeline });
    const boot = await this.boot();
    const headers = { 'Pawl-Boot': boot };
    const { job } = await this.ok({
      method: 'POST',
      path: '/v1/jobs/claim',
      body: { agents: [agent], owner: this.owner(boot), ttl_s: 3600 },
    });
    return { boot, job, task: job.task, headers, path: `/v1/jobs/${job.id}` };
  }

  /// Its process has ended, and the daemon has not yet dealt with that.
  async exit({ path, job, headers }: { path: string; job: Json; headers: Record<string, string> }): Promise<void> {
    await this.ok({
      method: 'POST',
      path: `${path}/exited`,
      headers,
      body: { attempt: job['attempts'], exit_code: 0 },
    });
  }

  async lease(key: string, boot: string, more: Json = {}): Promise<number> {
    return (
      await this.ok({
        method: 'POST',
        path: '/v1/leases',
        body: { key, owner: this.owner(boot), ttl_s: 3600, ...more },
      })
    ).token;
  }

  /// A task on its way from `ship` to `done`, whose lease and repository a boot has.
  async shipping(
    more: Json = {},
  ): Promise<{ task: number; boot: string; headers: Record<string, string>; token: number; repo_token: number }> {
    const repo = this.fresh('repo');
    await this.ok({ method: 'POST', path: '/v1/repos', body: { repo } });
    const task = await this.submit({ stage: 'ship', repo, ...more });
    const boot = await this.boot();
    const token = await this.lease(`task:${task}`, boot, { edge: 'ship->done' });
    return { task, boot, headers: { 'Pawl-Boot': boot }, token, repo_token: await this.lease(`repo:${repo}`, boot) };
  }

  step(at: { task: number; headers: Record<string, string> }, body: Json): Request {
    return { method: 'POST', path: `/v1/tasks/${at.task}/steps`, headers: at.headers, body };
  }
  startOf(at: Awaited<ReturnType<World['shipping']>>, change: Json = {}): Request {
    return this.step(at, {
      type: 'StepStarted',
      version: 1,
      step: 'merge',
      to: 'done',
      token: at.token,
      repo_token: at.repo_token,
      ...change,
    });
  }
  /// Its step `merge` has started, with the seq that its end has to name.
  async merging(): Promise<Awaited<ReturnType<World['shipping']>> & { started: number }> {
    const at = await this.shipping();
    return { ...at, started: (await this.ok(this.startOf(at))).seq };
  }
  /// All its steps are done.
  async merged(): ReturnType<World['shipping']> {
    const at = await this.shipping();
    for (const step of ['merge', 'tell']) {
      const { seq } = await this.ok(this.startOf(at, { step }));
      await this.ok(
        this.step(at, { type: 'StepFinished', version: 1, step, started: seq, outcome: 'done', by: 'command' }),
      );
    }
    return at;
  }

  /// A task that only a person can move on.
  async blocked(): Promise<number> {
    for (let attempt = 0; ; attempt++) {
      const { path, job, headers, task } = await this.claimed();
      await this.ok({
        method: 'POST',
        path: `${path}/finished`,
        headers,
        body: { attempt: job['attempts'], result: 'failed' },
      });
      if ((await this.get(`/v1/tasks/${task}`)).blocked !== null) return task;
      if (attempt > 10) throw new Error('no task is blocked by a failed job');
    }
  }

  /// The seq of a record that made a task fail: a setting by which no job may be interrupted.
  async incident(): Promise<number> {
    if (this.wrong > 0) return this.wrong;
    const { boot } = await this.claimed();
    const set = (count: number): Promise<Json> =>
      this.ok({ method: 'POST', path: '/v1/settings', body: { 'recovery.max_interruptions': count } });
    this.wrong = (await set(0))['seq'];
    await this.ok({ method: 'DELETE', path: `/v1/boots/${boot}` });
    await set(5);
    return this.wrong;
  }

  /// A finished task of the pipeline `machine`, with output.
  async delivered(): Promise<number> {
    const task = await this.submit({ pipeline: 'machine' });
    await until('an agent has run', async () =>
      (await this.get(`/v1/jobs?task=${task}`)).items.every((job: Json) => job['status'] !== 'queued'),
    );
    await until('its gate has run', async () => (await this.get(`/v1/tasks/${task}`)).stage !== 'code');
    return task;
  }

  /// A task whose gate has asked people.
  async asked(): Promise<number> {
    const task = await this.submit({ pipeline: 'asking' });
    await this.ok({ method: 'POST', path: `/v1/tasks/${task}/advance` });
    return task;
  }

  /// Nothing new starts for the task.
  async hold(task: number): Promise<void> {
    await this.ok({ method: 'POST', path: '/v1/holds', body: { place: `task:${task}`, reason: 'not now' } });
  }
  async heldBack(more: Json = {}): Promise<number> {
    const task = await this.submit(more);
    await this.hold(task);
    return task;
  }

  async cancelled(): Promise<number> {
    const task = await this.submit();
    await this.ok({ method: 'POST', path: `/v1/tasks/${task}/cancel` });
    return task;
  }
}
