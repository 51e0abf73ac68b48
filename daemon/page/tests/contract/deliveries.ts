// Webhooks' deliveries, as their senders make them: docs/WEBHOOKS.md has the formats.
import { createHmac, randomUUID } from 'node:crypto';
import type { Request } from './wire';

export const secrets: Record<string, string> = {
  gitea: 'secret of gitea',
  plane: 'secret of plane',
  github: 'secret of github',
  gitlab: 'secret of gitlab',
  generic: 'secret of a program',
};

/// A start or stop of an issue, or a push: what the source has of them.
export interface Wanted {
  what: 'start' | 'stop' | 'pushed' | 'merged' | 'nothing';
  /// Of SHOP-N.
  number: number;
  branch: string;
}

const repository = {
  id: 140,
  name: 'shop',
  full_name: 'acme/shop',
  default_branch: 'main',
  owner: { id: 7, login: 'acme', type: 'Organization' },
};
const ada = { id: 3, login: 'ada', username: 'ada', type: 'User' };

const bodies: Record<string, (wanted: Wanted) => { event: string; body: unknown }> = {
  gitea: ({ what, branch, number }) => {
    if (what === 'nothing') return { event: 'fork', body: { repository } };
    if (what === 'pushed')
      return { event: 'push', body: { ref: `refs/heads/${branch}`, after: 'b'.repeat(40), repository } };
    const repo = { id: 140, full_name: 'acme/shop' };
    const pull_request = {
      number,
      merged: what === 'merged',
      head: { ref: branch, label: branch, sha: 'b'.repeat(40), repo },
      base: { ref: 'main', repo },
    };
    return { event: 'pull_request', body: { action: 'closed', number, pull_request, repository } };
  },
  plane: ({ what, number }) => {
    const state = {
      id: 'state-1',
      name: what,
      group: what === 'start' ? 'started' : what === 'stop' ? 'cancelled' : 'backlog',
    };
    const data = { id: randomUUID(), sequence_id: number, name: 'a work item', project: 'project-1', state };
    return {
      event: 'issue',
      body: { event: 'issue', action: 'updated', data, activity: { field: 'state', old_value: 'x', new_value: what } },
    };
  },
  github: ({ what, number, branch }) => {
    if (what === 'nothing') return { event: 'ping', body: { zen: 'Keep it logically awesome.', repository } };
    if (what === 'pushed')
      return { event: 'push', body: { ref: `refs/heads/${branch}`, after: 'b'.repeat(40), repository } };
    const issue = { number, title: 'an issue', user: ada, author_association: 'MEMBER' };
    return {
      event: 'issues',
      body: { action: 'labeled', label: { name: `pawl:${what}` }, issue, repository, sender: ada },
    };
  },
  gitlab: ({ what, number, branch }) => {
    const project = { id: 140, path_with_namespace: 'acme/shop' };
    if (what === 'nothing') return { event: 'Tag Push Hook', body: { object_kind: 'tag_push', project } };
    if (what === 'pushed')
      return {
        event: 'Push Hook',
        body: { object_kind: 'push', ref: `refs/heads/${branch}`, after: 'b'.repeat(40), project },
      };
    const changes = { labels: { previous: [], current: [{ title: `pawl:${what}` }] } };
    const object_attributes = { iid: number, action: 'update', labels: [{ title: `pawl:${what}` }] };
    return {
      event: 'Issue Hook',
      body: {
        object_kind: 'issue',
        user: ada,
        project,
        object_attributes,
        labels: [{ title: `pawl:${what}` }],
        changes,
      },
    };
  },
  generic: ({ what, number, branch }) => ({
    event: '',
    body: {
      event: what === 'nothing' ? 'pushed' : what,
      repo: 'shop',
      work_item: `SHOP-${number}`,
      branch: what === 'nothing' ? 'unheard-of' : branch,
      id: randomUUID(),
    },
  }),
};

/// A signed delivery; with another body, if one is given.
export function delivery(source: string, wanted: Wanted, other?: string): Request {
  const { event, body } = bodies[source]!(wanted);
  const text = other ?? JSON.stringify(body);
  const id = randomUUID();
  const digest = createHmac('sha256', secrets[source]!).update(text).digest('hex');
  const headers: Record<string, Record<string, string>> = {
    gitea: { 'X-Gitea-Event': event, 'X-Gitea-Delivery': id, 'X-Gitea-Signature': digest },
    plane: { 'X-Plane-Event': event, 'X-Plane-Delivery': id, 'X-Plane-Signature': digest },
    github: { 'X-GitHub-Event': event, 'X-GitHub-Delivery': id, 'X-Hub-Signature-256': `sha256=${digest}` },
    gitlab: { 'X-Gitlab-Event': event, 'X-Gitlab-Token': secrets['gitlab']!, 'Idempotency-Key': id },
    generic: { 'X-Pawl-Signature': digest },
  };
  return {
    method: 'POST',
    path: `/webhooks/${source}`,
    headers: { 'Content-Type': 'application/json', ...headers[source] },
    body: text,
  };
}
