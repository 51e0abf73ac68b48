// What single operations answer: further statuses, and the refusals of the machine.
import { delivery } from './deliveries';
import type { Case } from './everywhere';
import { isDelivery } from './everywhere';
import type { Document } from './document';
import { until } from './pawld';
import { in2099, type Exchange, type How, type World } from './world';
import type { Request } from './wire';

type Made = Request | { request: Request; how: How };

/// A case that makes a request, and asks it.
function asks(name: string, status: number, make: (world: World) => Promise<Made> | Made): Case {
  const isCode = /^[a-z_]+$/.test(name) && status >= 400;
  return {
    name,
    status,
    ...(isCode && { code: name }),
    run: async (world): Promise<Exchange> => {
      const made = await make(world);
      return 'request' in made ? world.call(made.request, made.how) : world.call(made);
    },
  };
}

const get = (path: string): Request => ({ method: 'GET', path });
const post = (path: string, body?: unknown, headers?: Record<string, string>): Request => ({
  method: 'POST',
  path,
  ...(body !== undefined && { body }),
  ...(headers && { headers }),
});
const onTask = (task: number, what: string, body?: unknown, headers?: Record<string, string>): Request =>
  post(`/v1/tasks/${task}/${what}`, body, headers);
const taskOf = (body: object): Request => post('/v1/tasks', { repo: 'shop', ...body });
const move = (task: number, to: string, version = 1, more: object = {}): Request =>
  onTask(task, 'transition', { to, expected_version: version, ...more });

/// A task whose cancel has to wait for its job.
async function cancelWaits(world: World): Promise<Awaited<ReturnType<World['claimed']>>> {
  const at = await world.claimed();
  await world.ok(onTask(at.task, 'cancel', { reason: 'in the middle of it' }));
  return at;
}

const tasks: Record<string, Case[]> = {
  'POST /v1/tasks': [
    asks('unknown_task', 404, (world) => taskOf({ work_item: world.fresh('W'), depends_on: [999999999] })),
    asks('duplicate_work_item', 409, async (world) => {
      const work_item = world.fresh('W');
      await world.submit({ work_item });
      return taskOf({ work_item });
    }),
    asks('relaunch', 409, async (world) => {
      const work_item = world.fresh('W');
      await world.submit({ work_item, stage: 'ship' });
      return taskOf({ work_item });
    }),
    asks('unknown_repo', 422, (world) => taskOf({ work_item: world.fresh('W'), repo: 'shpo' })),
    asks('unknown_pipeline', 422, (world) => taskOf({ work_item: world.fresh('W'), pipeline: 'none' })),
    asks('unknown_stage', 422, (world) => taskOf({ work_item: world.fresh('W'), stage: 'nowhere' })),
    asks('bad_priority', 422, (world) => taskOf({ work_item: world.fresh('W'), priority: -101 })),
    asks('a turn', 201, (world) => taskOf({ work_item: world.fresh('W'), priority: -5, not_before: in2099 })),
    asks('no_branch', 422, (world) => taskOf({ work_item: world.fresh('W'), repo: 'depot', branch: 'knwon' })),
    asks('a branch of origin', 201, (world) => taskOf({ work_item: world.fresh('W'), repo: 'depot', branch: 'known' })),
  ],
  'GET /v1/tasks/{id}': [
    asks('a task that has ended', 200, async (world) => get(`/v1/tasks/${await world.cancelled()}`)),
  ],
  'GET /v1/tasks/{id}/log': [asks('no_log', 404, async (world) => get(`/v1/tasks/${await world.submit()}/log`))],
  'POST /v1/tasks/{id}/transition': [
    asks('terminal', 409, async (world) => move(await world.cancelled(), 'ship')),
    asks('version_conflict', 409, async (world) => move(await world.submit(), 'ship', 7)),
    asks('no_such_edge', 409, async (world) => move(await world.submit(), 'done')),
    asks('committed', 409, async (world) => move((await world.merging()).task, 'build')),
    asks('outcome_unknown', 409, async (world) => move((await world.merging()).task, 'done')),
    asks('steps_unfinished', 409, async (world) => move(await world.submit({ stage: 'ship' }), 'done')),
    asks('blocked', 409, async (world) => move(await world.blocked(), 'ship')),
    asks('dependency', 409, async (world) => move(await world.submit({ depends_on: [await world.submit()] }), 'ship')),
    asks('not_yet', 409, async (world) => move(await world.putOff(), 'ship')),
    asks('held', 409, async (world) => move(await world.heldBack(), 'ship')),
    asks('not_approved', 409, async (world) => move(await world.asked(), 'deliver')),
    asks('lease_required', 409, async (world) => {
      const at = await world.merged();
      await world.ok({
        method: 'DELETE',
        path: `/v1/leases?key=task:${at.task}&token=${at.token}`,
        headers: at.headers,
      });
      return move(at.task, 'done');
    }),
    asks('lease_held', 409, async (world) => {
      const task = await world.submit();
      await world.lease(`task:${task}`, await world.boot());
      return move(task, 'ship');
    }),
    asks('stale_token', 409, async (world) => move(await world.submit(), 'ship', 1, { token: 7 })),
  ],
  'POST /v1/tasks/{id}/advance': [
    asks('terminal', 409, async (world) => onTask(await world.cancelled(), 'advance')),
    asks('version_conflict', 409, async (world) => onTask(await world.submit(), 'advance', { expected_version: 7 })),
    asks('no_command', 409, async (world) => onTask(await world.submit({ stage: 'ship' }), 'advance')),
    asks('its lease is held', 200, async (world) => onTask((await world.shipping()).task, 'advance')),
    asks('it is blocked', 200, async (world) => onTask(await world.blocked(), 'advance')),
  ],
  'POST /v1/tasks/{id}/cancel': [
    asks('terminal', 409, async (world) => onTask(await world.cancelled(), 'cancel')),
    asks('it has to wait', 202, async (world) => onTask((await world.claimed()).task, 'cancel', { keep_branch: true })),
  ],
  'POST /v1/tasks/{id}/resolve': [
    asks('not_started', 409, async (world) =>
      onTask(await world.submit({ stage: 'ship' }), 'resolve', { step: 'merge', happened: true }),
    ),
    asks('it did not happen', 200, async (world) =>
      onTask((await world.merging()).task, 'resolve', { step: 'merge', happened: false, reason: 'looked at' }),
    ),
  ],
  'POST /v1/tasks/{id}/retry': [
    asks('terminal', 409, async (world) => onTask(await world.cancelled(), 'retry')),
    asks('cancel_requested', 409, async (world) => onTask((await cancelWaits(world)).task, 'retry')),
    asks('no_agent', 409, async (world) => onTask(await world.submit({ stage: 'ship' }), 'retry')),
    asks('already_queued', 409, async (world) => onTask(await world.submit(), 'retry')),
    asks('cannot_take', 409, async (world) => onTask(await world.submit(), 'retry', { take: 'origin' })),
  ],
  'POST /v1/tasks/{id}/unblock': [
    asks('terminal', 409, async (world) => onTask(await world.cancelled(), 'unblock')),
    asks('not_blocked', 409, async (world) => onTask(await world.submit(), 'unblock')),
  ],
  'POST /v1/tasks/{id}/override': [
    asks('terminal', 409, async (world) => onTask(await world.cancelled(), 'override', { reason: 'r' })),
    asks('version_conflict', 409, async (world) =>
      onTask(await world.heldBack(), 'override', { reason: 'r', version: 7 }),
    ),
    asks('no_hold', 409, async (world) => onTask(await world.submit(), 'override', { reason: 'r' })),
  ],
  'POST /v1/tasks/{id}/approval': [
    asks('it is rejected', 200, async (world) =>
      onTask(await world.asked(), 'approval', { version: 1, approved: false, reason: 'not like this' }),
    ),
    asks('a reader may', 200, async (world) => ({
      request: onTask(await world.asked(), 'approval', { version: 1, approved: true }),
      how: { as: 'reader' },
    })),
    asks('terminal', 409, async (world) =>
      onTask(await world.cancelled(), 'approval', { version: 1, approved: true }),
    ),
    asks('version_conflict', 409, async (world) =>
      onTask(await world.asked(), 'approval', { version: 7, approved: true }),
    ),
    asks('not_asked', 409, async (world) => onTask(await world.submit(), 'approval', { version: 1, approved: true })),
    asks('stale_head', 409, async (world) =>
      onTask(await world.asked(), 'approval', { version: 1, head: 'c0ffee', approved: true }),
    ),
    asks('may_not_approve', 409, async (world) => ({
      request: onTask(await world.asked(), 'approval', { version: 1, approved: true }),
      how: { as: 'worker' },
    })),
    asks('already_said', 409, async (world) => {
      const task = await world.asked();
      await world.ok(onTask(task, 'approval', { version: 1, approved: true }));
      return onTask(task, 'approval', { version: 1, approved: true });
    }),
  ],
  'POST /v1/tasks/{id}/priority': [
    asks('a time', 200, async (world) => onTask(await world.submit(), 'priority', { not_before: in2099, reason: 'r' })),
    asks('no time', 200, async (world) => onTask(await world.putOff(), 'priority', { clear_not_before: true })),
    asks('malformed', 400, async (world) => ({
      request: onTask(await world.submit(), 'priority', { reason: 'r' }),
      how: { unknowable: 'it is about three fields, of which one is needed' },
    })),
    asks('terminal', 409, async (world) => onTask(await world.cancelled(), 'priority', { priority: 5 })),
    asks('bad_priority', 422, async (world) => onTask(await world.submit(), 'priority', { priority: 101 })),
    asks('bad_time', 422, async (world) =>
      onTask(await world.submit(), 'priority', { not_before: in2099, clear_not_before: true }),
    ),
  ],
  'POST /v1/tasks/{id}/gate': [
    asks('version_conflict', 409, async (world) => onTask(await world.submit(), 'gate', { gate: 'build', version: 7 })),
  ],
  'POST /v1/tasks/{id}/steps': [
    asks('it ends', 200, async (world) => {
      const at = await world.merging();
      return world.step(at, {
        type: 'StepFinished',
        version: 1,
        step: 'merge',
        started: at.started,
        outcome: 'done',
        by: 'command',
      });
    }),
    asks('terminal', 409, async (world) => {
      const boot = await world.boot();
      return world.step(
        { task: await world.cancelled(), headers: { 'Pawl-Boot': boot } },
        { type: 'StepStarted', version: 1, step: 'merge', to: 'done' },
      );
    }),
    asks('version_conflict', 409, async (world) => world.startOf(await world.shipping(), { version: 7 })),
    asks('no_such_step', 409, async (world) => world.startOf(await world.shipping(), { step: 'sing' })),
    asks('blocked', 409, async (world) => {
      const boot = await world.boot();
      return world.step(
        { task: await world.blocked(), headers: { 'Pawl-Boot': boot } },
        { type: 'StepStarted', version: 1, step: 'merge', to: 'done' },
      );
    }),
    asks('cancel_requested', 409, async (world) => {
      const at = await world.shipping();
      await world.ok(onTask(at.task, 'cancel'));
      return world.startOf(at);
    }),
    asks('dependency', 409, async (world) => {
      const task = await world.submit({ stage: 'ship', depends_on: [await world.submit()] });
      return world.step(
        { task, headers: { 'Pawl-Boot': await world.boot() } },
        { type: 'StepStarted', version: 1, step: 'merge', to: 'done' },
      );
    }),
    asks('not_yet', 409, async (world) => {
      const at = await world.shipping();
      await world.delay(at.task);
      return world.startOf(at);
    }),
    asks('held', 409, async (world) => {
      const at = await world.shipping();
      await world.hold(at.task);
      return world.startOf(at);
    }),
    asks('not_approved', 409, async (world) => {
      const task = await world.submit({ pipeline: 'asking', stage: 'deliver' });
      return world.step(
        { task, headers: { 'Pawl-Boot': await world.boot() } },
        { type: 'StepStarted', version: 1, step: 'merge', to: 'done' },
      );
    }),
    asks('lease_required', 409, async (world) => world.startOf(await world.shipping(), { token: null })),
    asks('stale_token', 409, async (world) => world.startOf(await world.shipping(), { token: 7 })),
    asks('already_done', 409, async (world) => world.startOf(await world.merged())),
    asks('outcome_unknown', 409, async (world) => world.startOf(await world.merging(), { step: 'tell' })),
    asks('run_in_use', 409, async (world) => {
      const run = world.fresh('run');
      const first = await world.shipping();
      await world.ok(world.startOf(first, { run }));
      return world.startOf(await world.shipping(), { run });
    }),
    asks('not_started', 409, async (world) =>
      world.step(await world.shipping(), {
        type: 'StepFinished',
        version: 1,
        step: 'merge',
        started: 7,
        outcome: 'done',
        by: 'command',
      }),
    ),
    asks('not_daemon', 409, async (world) => {
      const at = await world.merging();
      return world.step(at, {
        type: 'StepFinished',
        version: 1,
        step: 'merge',
        started: at.started,
        outcome: 'done',
        by: 'probe',
      });
    }),
    asks('not_owner', 409, async (world) => {
      const at = await world.merging();
      return world.step(
        { task: at.task, headers: { 'Pawl-Boot': await world.boot() } },
        { type: 'StepFinished', version: 1, step: 'merge', started: at.started, outcome: 'done', by: 'command' },
      );
    }),
    asks("an operator's word", 400, async (world) => {
      const at = await world.merging();
      const body = {
        type: 'StepFinished',
        version: 1,
        step: 'merge',
        started: at.started,
        outcome: 'done',
        by: 'operator',
      };
      return { request: world.step(at, body), how: { unknowable: 'the document lists every word that the log knows' } };
    }),
  ],
};

const leases: Record<string, Case[]> = {
  'POST /v1/leases': [
    asks('unknown_task', 404, async (world) =>
      post('/v1/leases', { key: 'task:999999999', owner: world.owner(await world.boot()) }),
    ),
    asks('lease_held', 409, async (world) => {
      const key = world.fresh('place');
      await world.lease(key, await world.boot());
      return post('/v1/leases', { key, owner: world.owner(await world.boot()) });
    }),
    asks('stale_token', 409, async (world) =>
      post('/v1/leases', { key: world.fresh('place'), owner: world.owner(await world.boot()), token: 7 }),
    ),
    asks('terminal', 409, async (world) =>
      post('/v1/leases', { key: `task:${await world.cancelled()}`, owner: world.owner(await world.boot()) }),
    ),
    asks('blocked', 409, async (world) =>
      post('/v1/leases', { key: `task:${await world.blocked()}`, owner: world.owner(await world.boot()) }),
    ),
    asks('cancel_requested', 409, async (world) =>
      post('/v1/leases', { key: `task:${(await cancelWaits(world)).task}`, owner: world.owner(await world.boot()) }),
    ),
    asks('dependency', 409, async (world) => {
      const task = await world.submit({ depends_on: [await world.submit()] });
      return post('/v1/leases', { key: `task:${task}`, owner: world.owner(await world.boot()) });
    }),
    asks('not_yet', 409, async (world) =>
      post('/v1/leases', { key: `task:${await world.putOff()}`, owner: world.owner(await world.boot()) }),
    ),
    asks('held', 409, async (world) =>
      post('/v1/leases', { key: `task:${await world.heldBack()}`, owner: world.owner(await world.boot()) }),
    ),
    asks('a renewal', 201, async (world) => {
      const key = world.fresh('place');
      const owner = world.owner(await world.boot());
      const { token } = await world.ok(post('/v1/leases', { key, owner, ttl_s: 5 }));
      return post('/v1/leases', { key, owner, ttl_s: 60, edge: 'build->ship', token });
    }),
  ],
  'DELETE /v1/leases': [
    asks('not_held', 409, (world) => ({ method: 'DELETE', path: `/v1/leases?key=${world.fresh('place')}&token=7` })),
    asks('stale_token', 409, async (world) => {
      const key = world.fresh('place');
      await world.lease(key, await world.boot());
      return { method: 'DELETE', path: `/v1/leases?key=${key}&token=7` };
    }),
  ],
  'DELETE /v1/leases/{key}': [
    asks('not_held', 409, (world) => ({ method: 'DELETE', path: `/v1/leases/${world.fresh('place')}?token=7` })),
    asks('stale_token', 409, async (world) => {
      const key = world.fresh('place');
      await world.lease(key, await world.boot());
      return { method: 'DELETE', path: `/v1/leases/${key}?token=7` };
    }),
  ],
  'POST /transition-lease/release': [
    asks('unknown_task', 404, (world) => post(`/transition-lease/release?work_item=${world.fresh('W')}`)),
    asks('not_held', 409, async (world) => {
      const work_item = world.fresh('W');
      await world.submit({ work_item });
      return post(`/transition-lease/release?work_item=${work_item}`);
    }),
    asks('the work item is in two repositories', 400, async (world) => {
      const work_item = world.fresh('W');
      for (const repo of ['shop', 'depot']) await world.submit({ work_item, repo });
      return {
        request: post(`/transition-lease/release?work_item=${work_item}`),
        how: { unknowable: 'it depends on the tasks there are' },
      };
    }),
  ],
  'POST /v1/boots': [
    asks('duplicate_boot_id', 409, async (world) =>
      post('/v1/boots', { ...world.bootBody(await world.boot()), name: world.fresh('worker') }),
    ),
    asks('not_yours', 409, async (world) => {
      const boot = await world.boot('worker');
      return post('/v1/boots', { ...world.bootBody(boot), boot_id: world.fresh('boot') });
    }),
    asks('reserved_name', 422, (world) => post('/v1/boots', { ...world.bootBody(world.fresh('boot')), name: 'pawld' })),
  ],
  'DELETE /v1/boots/{id}': [
    asks('unknown_boot', 404, () => ({ method: 'DELETE', path: '/v1/boots/never-heard-of' })),
    asks('reserved_name', 422, async (world) => ({
      method: 'DELETE',
      path: `/v1/boots/${(await world.get('/readyz')).boot}`,
    })),
    asks('forbidden', 403, async (world) => ({
      request: { method: 'DELETE', path: `/v1/boots/${await world.boot()}` },
      how: { as: 'worker' },
    })),
  ],
};

/// A report on a job: of an attempt that is not, of another worker, of a job that has ended.
function reports(what: string, more: object, accepted = true): Case[] {
  const send = (at: Awaited<ReturnType<World['claimed']>>, change: object = {}, headers = at.headers): Request =>
    post(`${at.path}/${what}`, { attempt: at.job['attempts'], ...more, ...change }, headers);
  return [
    asks('stale_attempt', 409, async (world) => send(await world.claimed(), { attempt: 7 })),
    asks('not_owner', 409, async (world) => send(await world.claimed(), {}, { 'Pawl-Boot': await world.boot() })),
    asks('not_running', 409, async (world) => {
      const at = await world.claimed();
      await world.ok(post(`${at.path}/finished`, { attempt: at.job['attempts'], result: 'failed' }, at.headers));
      return send(at);
    }),
    ...(accepted
      ? [
          asks('already_exited', 409, async (world: World) => {
            const at = await world.claimed('checked', 'checker');
            await world.exit(at);
            return send(at);
          }),
        ]
      : []),
  ];
}

const jobs: Record<string, Case[]> = {
  'POST /v1/jobs/claim': [
    asks('there is no job', 204, async (world) =>
      post('/v1/jobs/claim', { agents: ['nobody'], owner: world.owner(await world.boot()) }),
    ),
  ],
  'GET /v1/jobs/{id}': [
    asks('a job of a task that has ended', 200, async (world) => {
      const { task, path, job, headers } = await cancelWaits(world);
      await world.ok(post(`${path}/exited`, { attempt: job['attempts'], exit_code: 143 }, headers));
      await until('it is cancelled', async () => (await world.get(`/v1/tasks/${task}`)).stage === 'cancelled');
      return get(path);
    }),
  ],
  'GET /v1/jobs/{id}/log': [asks('no_log', 404, async (world) => get(`${(await world.claimed()).path}/log`))],
  'POST /v1/jobs/{id}/started': [
    ...reports('started', { pid: 4243, pid_start: 2 }, false),
    asks('bad_pid', 422, async (world) => {
      const at = await world.claimed();
      return post(`${at.path}/started`, { attempt: at.job['attempts'], pid: 1, pid_start: 2 }, at.headers);
    }),
  ],
  'POST /v1/jobs/{id}/renew': [
    ...reports('renew', {}),
    asks('its cancel is requested', 200, async (world) => {
      const at = await cancelWaits(world);
      return post(`${at.path}/renew`, { attempt: at.job['attempts'] }, at.headers);
    }),
  ],
  'POST /v1/jobs/{id}/exited': reports('exited', { exit_code: 3 }),
  'POST /v1/jobs/{id}/finished': reports('finished', { result: 'retry' }),
};

const past: Record<string, Case[]> = {
  'GET /v1/tasks/{id}/story': [
    asks('of a task that has ended', 200, async (world) => get(`/v1/tasks/${await world.cancelled()}/story`)),
    asks('of a task that a person has to move on', 200, async (world) =>
      get(`/v1/tasks/${await world.blocked()}/story`),
    ),
  ],
  'GET /v1/compare': [
    asks('beyond_end', 404, () => get('/v1/compare?from=1&to=9000000000000000')),
    asks('the other way round', 400, () => ({
      request: get('/v1/compare?from=9&to=3'),
      how: { unknowable: 'it is about two numbers' },
    })),
    asks('all that was done here', 200, async (world) =>
      get(`/v1/compare?from=1&to=${(await world.get('/queue')).seq}`),
    ),
  ],
};
for (const what of ['', '/page', '/log']) {
  past[`GET /v1/incidents/{seq}${what}`] = [
    asks('no_incident', 404, () => get(`/v1/incidents/1${what}`)),
    asks('beyond_end', 404, () => get(`/v1/incidents/9000000000000000${what}`)),
    asks('what is not a seq', 400, () => get(`/v1/incidents/first${what}`)),
  ];
}

const until2000 = '2000-01-01T00:00:00.000000Z';
const holds: Record<string, Case[]> = {
  'POST /v1/holds': [
    asks('unknown_task', 404, () => post('/v1/holds', { place: 'task:999999999' })),
    asks('unknown_place', 422, () => post('/v1/holds', { place: 'repo:shpo' })),
    asks('terminal', 409, async (world) => post('/v1/holds', { place: `task:${await world.cancelled()}` })),
    asks('bad_time', 422, () => post('/v1/holds', { place: 'stage:ship', until: until2000 })),
  ],
  'DELETE /v1/holds': [
    asks('unknown_task', 404, () => ({ method: 'DELETE', path: '/v1/holds?place=task:999999999' })),
    asks('no_hold', 409, () => ({ method: 'DELETE', path: '/v1/holds?place=stage:build' })),
  ],
};

const daemon: Record<string, Case[]> = {
  'GET /v1/events': [
    asks('a stream', 200, () => ({ ...get('/v1/events?after=1&limit=1'), headers: { Accept: 'text/event-stream' } })),
    asks('nothing yet', 200, () => get('/v1/events?after=900000000')),
  ],
  'POST /v1/settings': [
    asks('unknown_setting', 422, () => post('/v1/settings', { 'reaper.ticks': 3 })),
    asks('bad_value', 422, () => post('/v1/settings', { 'queue.max_concurrency': 0 })),
  ],
  'POST /v1/pipelines': [
    asks('bad_pipeline', 422, (world) =>
      post('/v1/pipelines', { name: world.fresh('bad'), stages: [{ name: 'a', to: 'nowhere' }] }),
    ),
  ],
  'DELETE /v1/repos': [
    asks('unknown_repo', 422, () => ({ method: 'DELETE', path: '/v1/repos?repo=unheard-of' })),
    asks(
      'repo_in_use',
      409,
      async (world) => (await world.submit(), { method: 'DELETE', path: '/v1/repos?repo=shop' }),
    ),
  ],
  'DELETE /v1/repos/{repo}': [
    asks('unknown_repo', 422, () => ({ method: 'DELETE', path: '/v1/repos/unheard-of' })),
    asks('repo_in_use', 409, async (world) => (await world.submit(), { method: 'DELETE', path: '/v1/repos/shop' })),
  ],
  'GET /v1/me': [asks('a token with limits', 200, () => ({ request: get('/v1/me'), how: { as: 'narrow' } }))],
  'GET /metrics': [
    asks('OpenMetrics', 200, () => ({ ...get('/metrics'), headers: { Accept: 'application/openmetrics-text' } })),
  ],
  'GET /': [asks('it is known already', 304, () => ({ ...get('/'), headers: { 'If-None-Match': '*' } }))],
  'GET /api': [asks('it is known already', 304, () => ({ ...get('/api'), headers: { 'If-None-Match': '*' } }))],
  'GET /page/files/{file}': [
    asks('it is known already', 304, () => ({ ...get('/page/files/licences.txt'), headers: { 'If-None-Match': '*' } })),
    asks('no_such_path', 404, () => get('/page/files/unheard-of.js')),
  ],
};

/// What a source's deliveries come to.
function deliveries(source: string): Case[] {
  const at = (world: World): { number: number; branch: string } => {
    const number = Number(world.fresh('issue').split('-')[1]) + 1000;
    return { number, branch: `branch-${number}` };
  };
  const started = async (
    world: World,
    more: object = {},
  ): Promise<{ number: number; branch: string; task: number }> => {
    const wanted = at(world);
    return {
      ...wanted,
      task: await world.submit({ work_item: `SHOP-${wanted.number}`, branch: wanted.branch, ...more }),
    };
  };
  const cases = [
    asks('a stop', 200, async (world) => delivery(source, { what: 'stop', ...(await started(world)) })),
    asks('nothing to do', 202, (world) => delivery(source, { what: 'nothing', ...at(world) })),
    asks('a delivery that comes again', 200, async (world) => {
      const request = delivery(source, { what: 'stop', ...(await started(world)) });
      await world.ok(request);
      return request;
    }),
    asks('bad_signature', 401, (world) => {
      const request = delivery(source, { what: 'nothing', ...at(world) });
      return {
        ...request,
        headers: Object.fromEntries(
          Object.entries(request.headers!).map(([name, value]) => [
            name,
            /signature|token/i.test(name) ? value.replace(/.$/, 'x') : value,
          ]),
        ),
      };
    }),
    asks('what does not say anything', 202, (world) => delivery(source, { what: 'nothing', ...at(world) }, '{}')),
  ];
  if (source !== 'gitea') {
    cases.push(asks('a start', 201, (world) => delivery(source, { what: 'start', ...at(world) })));
    cases.push(
      asks('a start of what is there', 202, async (world) =>
        delivery(source, { what: 'start', ...(await started(world)) }),
      ),
    );
  }
  if (source !== 'plane') {
    cases.push(
      asks('a push', 202, async (world) =>
        delivery(source, { what: 'pushed', ...(await started(world, { stage: 'ship' })) }),
      ),
    );
    cases.push(
      asks('a push while its lease is held', 202, async (world) => {
        const wanted = await started(world, { stage: 'ship' });
        await world.lease(`task:${wanted.task}`, await world.boot());
        return delivery(source, { what: 'pushed', ...wanted });
      }),
    );
  }
  if (source === 'gitea' || source === 'generic')
    cases.push(asks('a merge', 200, async (world) => delivery(source, { what: 'merged', ...(await started(world)) })));
  return cases;
}

/// The cases of single operations, by name.
export function casesOf(document: Document): Record<string, Case[]> {
  const all: Record<string, Case[]> = { ...tasks, ...leases, ...jobs, ...past, ...holds, ...daemon };
  for (const operation of document.operations.filter(isDelivery))
    all[operation.name] = deliveries(operation.path.split('/')[2]!);
  return all;
}
