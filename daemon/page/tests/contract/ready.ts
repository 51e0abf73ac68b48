// For each operation a request that succeeds, made ready by what it needs. Everything that is refused for any request
// alike (tests/contract/everywhere.ts) is tried with these.
import { delivery } from './deliveries';
import type { Request } from './wire';
import { in2099, type World } from './world';

type Ready = (world: World) => Promise<Request>;

const get =
  (path: string): Ready =>
  () =>
    Promise.resolve({ method: 'GET', path });
const onTask =
  (path: string): Ready =>
  async (world) => ({ method: 'GET', path: `/v1/tasks/${await world.submit()}${path}` });

const incident =
  (what: string): Ready =>
  async (world) => ({ method: 'GET', path: `/v1/incidents/${await world.incident()}${what}` });

/// A report of a worker on its claimed job.
const report =
  (what: string, more: object = {}): Ready =>
  async (world) => {
    const { path, headers, job } = await world.claimed();
    return { method: 'POST', path: `${path}/${what}`, headers, body: { attempt: job['attempts'], ...more } };
  };

const source =
  (name: string, what: 'start' | 'stop' | 'pushed'): Ready =>
  async (world) => {
    const number = Number(world.fresh('issue').split('-')[1]) + 1000;
    const branch = `branch-${number}`;
    if (what !== 'start') await world.submit({ work_item: `SHOP-${number}`, branch });
    return delivery(name, { what, number, branch });
  };

export const ready: Record<string, Ready> = {
  'POST /v1/tasks': async (world) => ({
    method: 'POST',
    path: '/v1/tasks',
    body: { work_item: world.fresh('W'), repo: 'shop' },
  }),
  'GET /v1/tasks': get('/v1/tasks?live=true&limit=5'),
  'GET /v1/tasks/{id}': onTask(''),
  'GET /v1/tasks/{id}/history': onTask('/history?limit=10'),
  'GET /v1/tasks/{id}/logs': async (world) => ({ method: 'GET', path: `/v1/tasks/${await world.delivered()}/logs` }),
  'GET /v1/tasks/{id}/log': async (world) => ({
    method: 'GET',
    path: `/v1/tasks/${await world.delivered()}/log?what=agent&from=6`,
  }),
  'POST /v1/tasks/{id}/transition': async (world) => ({
    method: 'POST',
    path: `/v1/tasks/${await world.submit()}/transition`,
    body: { to: 'ship', expected_version: 1, reason: 'built by hand' },
  }),
  'POST /v1/tasks/{id}/advance': async (world) => ({
    method: 'POST',
    path: `/v1/tasks/${await world.submit()}/advance`,
    body: { expected_version: 1 },
  }),
  'POST /v1/tasks/{id}/cancel': async (world) => ({
    method: 'POST',
    path: `/v1/tasks/${await world.submit()}/cancel`,
    body: { reason: 'not wanted' },
  }),
  'POST /v1/tasks/{id}/resolve': async (world) => {
    const { task } = await world.merging();
    return { method: 'POST', path: `/v1/tasks/${task}/resolve`, body: { step: 'merge', happened: true } };
  },
  'POST /v1/tasks/{id}/retry': async (world) => ({
    method: 'POST',
    path: `/v1/tasks/${await world.blocked()}/retry`,
    body: { reason: 'once more' },
  }),
  'POST /v1/tasks/{id}/unblock': async (world) => ({
    method: 'POST',
    path: `/v1/tasks/${await world.blocked()}/unblock`,
    body: { reason: 'looked at' },
  }),
  'POST /v1/tasks/{id}/note': async (world) => ({
    method: 'POST',
    path: `/v1/tasks/${await world.submit()}/note`,
    body: { text: 'seen' },
  }),
  'POST /v1/tasks/{id}/gate': async (world) => ({
    method: 'POST',
    path: `/v1/tasks/${await world.submit()}/gate`,
    body: { gate: 'build', version: 1, passed: true },
  }),
  'POST /v1/tasks/{id}/steps': async (world) => {
    const at = await world.shipping();
    return world.step(at, {
      type: 'StepStarted',
      version: 1,
      step: 'merge',
      to: 'done',
      token: at.token,
      repo_token: at.repo_token,
    });
  },
  'POST /v1/leases': async (world) => {
    const boot = await world.boot();
    return {
      method: 'POST',
      path: '/v1/leases',
      body: { key: world.fresh('place'), owner: world.owner(boot), ttl_s: 60 },
    };
  },
  'GET /v1/leases': get('/v1/leases?limit=200'),
  'DELETE /v1/leases': async (world) => {
    const key = world.fresh('place');
    const boot = await world.boot();
    return {
      method: 'DELETE',
      path: `/v1/leases?key=${key}&token=${await world.lease(key, boot)}`,
      headers: { 'Pawl-Boot': boot },
    };
  },
  'DELETE /v1/leases/{key}': async (world) => {
    const key = world.fresh('place:');
    const boot = await world.boot();
    return {
      method: 'DELETE',
      path: `/v1/leases/${encodeURIComponent(key)}?token=${await world.lease(key, boot)}`,
      headers: { 'Pawl-Boot': boot },
    };
  },
  'POST /v1/boots': async (world) => ({ method: 'POST', path: '/v1/boots', body: world.bootBody(world.fresh('boot')) }),
  'GET /v1/boots': get('/v1/boots?limit=200'),
  'DELETE /v1/boots/{id}': async (world) => ({
    method: 'DELETE',
    path: `/v1/boots/${await world.boot()}?reason=clean`,
  }),
  'POST /v1/jobs/claim': async (world) => {
    await world.submit();
    return {
      method: 'POST',
      path: '/v1/jobs/claim',
      body: { agents: ['coder'], owner: world.owner(await world.boot()), ttl_s: 3600 },
    };
  },
  'GET /v1/jobs': get('/v1/jobs?status=queued&limit=5'),
  'GET /v1/jobs/{id}': async (world) => ({ method: 'GET', path: (await world.claimed()).path }),
  'GET /v1/jobs/{id}/log': async (world) => {
    const { items } = await world.get(`/v1/jobs?task=${await world.delivered()}`);
    return { method: 'GET', path: `/v1/jobs/${items[0].id}/log?attempt=1` };
  },
  'POST /v1/jobs/{id}/started': report('started', { pid: 4243, pid_start: 2 }),
  'POST /v1/jobs/{id}/renew': report('renew'),
  'POST /v1/jobs/{id}/exited': report('exited', { exit_code: 1 }),
  'POST /v1/jobs/{id}/finished': report('finished', { result: 'retry' }),
  'POST /v1/batch': async (world) => {
    const task = await world.submit();
    const note = {
      method: 'POST',
      path: `/v1/tasks/${task}/note`,
      body: { text: 'in a batch' },
      headers: { 'Idempotency-Key': world.fresh('key') },
    };
    return {
      method: 'POST',
      path: '/v1/batch',
      body: {
        requests: [
          note,
          note,
          { method: 'GET', path: `/v1/tasks/${task}` },
          { method: 'GET', path: '/v1/tasks' },
          { method: 'POST', path: '/v1/tasks' },
        ],
      },
    };
  },
  'POST /v1/tasks/{id}/approval': async (world) => ({
    method: 'POST',
    path: `/v1/tasks/${await world.asked()}/approval`,
    body: { version: 1, approved: true, reason: 'fine' },
  }),
  'POST /v1/tasks/{id}/override': async (world) => {
    const task = await world.submit();
    await world.hold(task);
    return { method: 'POST', path: `/v1/tasks/${task}/override`, body: { reason: 'it cannot wait', version: 1 } };
  },
  'POST /v1/tasks/{id}/priority': async (world) => ({
    method: 'POST',
    path: `/v1/tasks/${await world.submit()}/priority`,
    body: { priority: 5, not_before: in2099, reason: 'after the holidays' },
  }),
  'POST /v1/holds': async (world) => ({
    method: 'POST',
    path: '/v1/holds',
    body: { place: `task:${await world.submit()}`, until: in2099, reason: 'not now' },
  }),
  'DELETE /v1/holds': async (world) => {
    const task = await world.submit();
    await world.hold(task);
    return { method: 'DELETE', path: `/v1/holds?place=task:${task}&reason=go` };
  },
  'GET /v1/holds': get('/v1/holds'),
  'GET /v1/tasks/{id}/story': async (world) => ({ method: 'GET', path: `/v1/tasks/${await world.delivered()}/story` }),
  'GET /v1/compare': get('/v1/compare?from=2&to=20'),
  'GET /v1/incidents': get('/v1/incidents?limit=20'),
  'GET /v1/incidents/{seq}': incident(''),
  'GET /v1/incidents/{seq}/page': incident('/page'),
  'GET /v1/incidents/{seq}/log': incident('/log'),
  'GET /v1/events': get('/v1/events?after=1&limit=20'),
  'GET /v1/head': get('/v1/head'),
  'GET /v1/settings': get('/v1/settings'),
  'POST /v1/settings': async () => ({ method: 'POST', path: '/v1/settings', body: { 'output.max_bytes': 65536 } }),
  'GET /v1/pipelines': get('/v1/pipelines'),
  'POST /v1/pipelines': async (world) => ({
    method: 'POST',
    path: '/v1/pipelines',
    body: {
      name: world.fresh('small'),
      agents: [{ name: 'coder', run: ['make'], env: [{ name: 'CI', value: '1' }] }],
      calendar: {
        zone: 'UTC',
        closed: [{ days: 'sat, sun', from: '00:00', until: '24:00', reason: 'the weekend', stages: ['build'] }],
        freezes: [{ from: '2030-12-24', until: '2030-12-26 08:00' }],
      },
      stages: [
        {
          name: 'build',
          agent: 'coder',
          gate: { run: ['make', 'check'], timeout_s: 10 },
          to: 'done',
          steps: [{ name: 'merge', run: ['true'], probe: ['true'], timeout_s: 5, irreversible: true }],
        },
      ],
      branch: 'existing',
      env: [{ name: 'LANG', value: 'C.UTF-8' }],
    },
  }),
  'POST /v1/repos': async (world) => ({
    method: 'POST',
    path: '/v1/repos',
    body: { repo: world.fresh('repo'), url: 'https://git.example/r.git' },
  }),
  'GET /v1/repos': get('/v1/repos'),
  'DELETE /v1/repos': async (world) => {
    const repo = world.fresh('repo');
    await world.ok({ method: 'POST', path: '/v1/repos', body: { repo } });
    return { method: 'DELETE', path: `/v1/repos?repo=${repo}` };
  },
  'DELETE /v1/repos/{repo}': async (world) => {
    const repo = world.fresh('repo');
    await world.ok({ method: 'POST', path: '/v1/repos', body: { repo } });
    return { method: 'DELETE', path: `/v1/repos/${repo}` };
  },
  'POST /transition-lease/release': async (world) => {
    const work_item = world.fresh('W');
    const task = await world.submit({ work_item });
    await world.lease(`task:${task}`, await world.boot());
    return { method: 'POST', path: `/transition-lease/release?work_item=${work_item}&repo=shop` };
  },
  'POST /v1/reaper/run': async () => ({ method: 'POST', path: '/v1/reaper/run' }),
  'POST /v1/alerts/test': async () => ({ method: 'POST', path: '/v1/alerts/test' }),
  'GET /v1/stuck': get('/v1/stuck?all=true'),
  'GET /queue': get('/queue'),
  'GET /metrics': get('/metrics'),
  'POST /webhooks/gitea': source('gitea', 'stop'),
  'POST /webhooks/plane': source('plane', 'start'),
  'POST /webhooks/github': source('github', 'start'),
  'POST /webhooks/gitlab': source('gitlab', 'start'),
  'POST /webhooks/generic': source('generic', 'start'),
  'GET /openapi.json': get('/openapi.json'),
  'GET /v1/me': get('/v1/me'),
  'GET /': get('/'),
  'GET /api': get('/api'),
  'GET /page/files/{file}': get('/page/files/licences.txt'),
  'GET /healthz': get('/healthz'),
  'GET /readyz': get('/readyz'),
};
