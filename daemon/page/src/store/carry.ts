// Carries out what an operator has asked for: what each act sends.
import { errorWords, newKey, Refused, type Client } from '../api/client';
import { taskOfRelease, type Act, type Chosen } from './acts';
import type { Entry } from './rows';

/// The instant that is meant by a time in the browser's own zone.
const instantOf = (local: string): string => new Date(local).toISOString();

/// Carries it out. Throws Refused.
export async function carryOut(client: Client, act: Act, chosen: Chosen, entry: Entry | null): Promise<void> {
  const why = chosen.why.trim();
  const reason = why === '' ? {} : { reason: why };
  const key = newKey();
  const noteOn = async (task: number | null, words: string): Promise<void> => {
    if (task !== null && why !== '') {
      await client.act('POST', `v1/tasks/${task}/note`, { body: { text: `${words}: ${why}` }, key: newKey() });
    }
  };
  switch (act.kind) {
    case 'advance':
      await noteOn(act.task, 'advanced by hand');
      await client.act('POST', `v1/tasks/${act.task}/advance`, {
        body: entry ? { expected_version: entry.task.version } : {},
      });
      return;
    case 'retry':
      await client.act('POST', `v1/tasks/${act.task}/retry`, {
        body: { ...reason, ...(chosen.take !== '' && { take: chosen.take }) },
        key,
      });
      return;
    case 'unblock':
      await client.act('POST', `v1/tasks/${act.task}/unblock`, { body: reason, key });
      return;
    case 'cancel':
      await client.act('POST', `v1/tasks/${act.task}/cancel`, {
        body: { ...reason, ...(chosen.keepBranch && { keep_branch: true }) },
        key,
      });
      return;
    case 'note':
      await client.act('POST', `v1/tasks/${act.task}/note`, { body: { text: why }, key });
      return;
    case 'resolve':
      await client.act('POST', `v1/tasks/${act.task}/resolve`, {
        body: { ...reason, step: act.step, happened: chosen.happened },
        key,
      });
      return;
    case 'release':
      await noteOn(taskOfRelease(act, entry), 'lease released by hand');
      await client.act('DELETE', 'v1/leases', { query: { key: act.key, token: act.token }, key });
      return;
    case 'force':
      await noteOn(taskOfRelease(act, entry), 'lease released by force');
      await client.act('POST', 'transition-lease/release', {
        query: { work_item: act.work_item, repo: act.repo },
        key,
      });
      return;
    case 'hold': {
      const place = act.place ?? `${chosen.placeKind}:${chosen.placeName.trim()}`;
      const until = chosen.until === '' ? {} : { until: instantOf(chosen.until) };
      await client.act('POST', 'v1/holds', { body: { place, ...until, ...reason }, key });
      return;
    }
    case 'resume':
      await client.act('DELETE', 'v1/holds', { query: { place: act.place, ...reason }, key });
      return;
    case 'override':
      await client.act('POST', `v1/tasks/${act.task}/override`, {
        body: { ...reason, ...(entry && { version: entry.task.version }) },
        key,
      });
      return;
    case 'priority':
      await client.act('POST', `v1/tasks/${act.task}/priority`, {
        body: {
          priority: Number(chosen.priority),
          not_before: chosen.notBefore === '' ? null : instantOf(chosen.notBefore),
          ...reason,
        },
        key,
      });
      return;
    case 'approve':
    case 'reject':
      await client.act('POST', `v1/tasks/${act.task}/approval`, {
        body: {
          approved: act.kind === 'approve',
          version: act.version,
          ...(act.head !== null && { head: act.head }),
          ...reason,
        },
        key,
      });
      return;
    case 'reap':
      await client.act('POST', 'v1/reaper/run', {});
      return;
    case 'setting':
      await client.act('POST', 'v1/settings', { body: { [act.key]: act.value }, key });
  }
}

/// What one can do about a refusal, by its code, where its sentence does not say it.
const waysOn: { [code: string]: string } = {
  version_conflict: 'The task has moved on since you looked. Leave it, and look at what it is now.',
  stale_head: 'Its branch has moved since you looked. Leave it, look at the new commit, and answer for that one.',
  not_asked: 'So no word is needed from you now.',
  may_not_approve: 'Ask one of those to look at it.',
  already_said: 'You may still reject it, until its crossing begins.',
};

/// Why it was not done, as sentences.
export function refusedWords(error: unknown): string {
  if (!(error instanceof Refused) || error.status === 0) return errorWords(error);
  const way = waysOn[error.code];
  return `pawld refused this: ${error.message}${way === undefined ? '' : `. ${way}`}`;
}
