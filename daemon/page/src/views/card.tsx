// A live task on the board. It reads its own task's signal alone, so a record redraws one card.
import type { JSX } from 'preact';
import type { QuestionStanding } from '../store/approvals';
import type { Hold, Stuck } from '../api/types';
import { client } from '../api/session';
import { taskHash } from '../route';
import { signal, type Signal } from '@preact/signals';
import { withoutSequences } from '../output/ansi';
import { msOf, nowMs } from '../store/clock';
import { holdOf, placeWords } from '../store/holds';
import { doingOf, lastLineOf, type Doing } from '../store/doing';
import type { Entry } from '../store/rows';
import { isTerminal } from '../store/stages';
import { Age, Name, Ring, When } from '../ui/parts';
import { world } from '../world';

function Started({ doing }: { doing: Extract<Doing, { kind: 'step' | 'gate' | 'agent' }> }): JSX.Element | null {
  const since = doing.since ?? (doing.seq === null ? null : world.timeOf(doing.seq).value);
  return since === null ? null : <Ring since={since} limitS={doing.limitS} />;
}

// What `pawl stuck` says of a blocked task, asked for once it is on the screen. Only the last few are kept.
const stuckOf = new Map<string, Signal<string | null>>();
const stuckMax = 300;

function detailOf({ task }: Entry): string | null {
  const key = `${task.id}/${task.version}/${task.blocked ?? ''}`;
  let detail = stuckOf.get(key);
  if (!detail) {
    detail = signal<string | null>(null);
    const oldest = stuckOf.keys().next();
    if (stuckOf.size >= stuckMax && !oldest.done) stuckOf.delete(oldest.value);
    stuckOf.set(key, detail);
    const found = detail;
    void client
      .get<{ items: Stuck[] }>('v1/stuck', { after: task.id - 1, limit: 1 })
      .then(({ items }) => {
        found.value = items.find((item) => item.task === task.id)?.detail ?? null;
      })
      .catch(() => stuckOf.delete(key));
  }
  return detail.value;
}

/// The last line of output, where the reason does not already end with it.
export function outputOf(entry: Entry): string | null {
  const reason = entry.task.blocked ?? '';
  const line = lastLineOf(entry);
  if (line !== null) return reason.includes(line) ? null : line;
  const marker = "the agent's last line: ";
  const detail = detailOf(entry);
  const at = detail?.indexOf(marker) ?? -1;
  return detail && at !== -1 ? withoutSequences(detail.slice(at + marker.length)) : null;
}

const askedWords: { [standing in QuestionStanding]: string } = {
  open: 'approval',
  approved: 'approved',
  rejected: 'rejected',
  lapsed: 'no answer',
};

function State({ entry }: { entry: Entry }): JSX.Element {
  const { task, job } = entry;
  const doing = doingOf(entry, world.definitionOf(task.pipeline), (boot) => world.isDaemon(boot));
  const attempt =
    job && job.attempts > 1 ? (
      <span class="attempt">
        attempt {job.attempts} of {job.max_attempts}
      </span>
    ) : null;
  switch (doing.kind) {
    case 'blocked': {
      const output = outputOf(entry);
      return (
        <>
          <span class="state blocked">
            <span class="tag bad">blocked</span> <Name text={doing.words} class="reason" />
          </span>
          {output && (
            <span class="state output">
              <Name text={output} />
            </span>
          )}
        </>
      );
    }
    case 'step':
    case 'gate':
    case 'agent':
      return (
        <span class="state running">
          <span class="tag run">{doing.kind}</span> {doing.kind !== 'gate' && <Name text={doing.name} class="what" />}
          <Started doing={doing} />
          {doing.kind === 'agent' && attempt}
        </span>
      );
    case 'held':
      return (
        <span class="state">
          <span class="tag run">held</span> by <Name text={doing.by} class="what" /> for{' '}
          <Age since={doing.since} short />
        </span>
      );
    case 'finishing':
      return (
        <span class="state">
          <span class="tag run">finishing</span> <Age since={doing.since} short />
        </span>
      );
    case 'asked':
      return (
        <span class="state">
          <span class="tag warn">{askedWords[doing.standing]}</span> {doing.got} of {doing.need}, for{' '}
          <Age since={doing.since} short />
        </span>
      );
    case 'queued':
      return (
        <span class="state">
          <span class="tag">queued</span> <Name text={job?.agent ?? ''} class="what" />{' '}
          <Age since={doing.since} short />
          {attempt}
        </span>
      );
    case 'idle':
      return (
        <span class="state">
          <span class="tag">waiting</span>
        </span>
      );
  }
}

/// What keeps a task from going on; null if nothing does.
export function holdOfEntry({ task, job }: Entry): Hold | null {
  if (isTerminal(task.stage)) return null;
  const agent = job !== null && job.run === null ? job.agent : null;
  return holdOf(task, world.pipelineNameOf(task), agent, world.holds.inForce.value);
}

/// A mark while it is too early for any work on the task.
function NotBefore({ time }: { time: string }): JSX.Element | null {
  if (msOf(time) <= nowMs.value) return null;
  return (
    <span class="tag warn">
      not before <When time={time} />
    </span>
  );
}

function Foot({ entry }: { entry: Entry }): JSX.Element | null {
  const { task, lease } = entry;
  const hold = holdOfEntry(entry);
  // A lease without a running gate or step already says who holds it.
  const holder = lease && (task.blocked !== null || entry.job?.run) ? lease.owner.actor : null;
  const isMarked = hold !== null || task.cancel_requested !== null || Boolean(task.not_before_at);
  if (!isMarked && task.rollbacks === 0 && holder === null && !task.priority) return null;
  return (
    <span class="card-foot">
      {hold !== null && (
        <span class="tag warn" title={placeWords(hold.place)}>
          {hold.freeze ? 'frozen' : 'on hold'}
        </span>
      )}
      {task.not_before_at && <NotBefore time={task.not_before_at} />}
      {task.cancel_requested !== null && <span class="tag bad">cancel requested</span>}
      {task.priority ? <span class="tag">priority {task.priority}</span> : null}
      {task.rollbacks > 0 && <span class="note">rolled back{task.rollbacks > 1 ? ` ${task.rollbacks}×` : ''}</span>}
      {holder !== null && (
        <span class="note">
          lease: <Name text={holder} />
        </span>
      )}
    </span>
  );
}

export function Card({ id }: { id: number }): JSX.Element | null {
  const entry = world.entry(id)?.value;
  if (!entry) return null;
  const { task } = entry;
  return (
    <a class={`card${task.blocked !== null ? ' is-blocked' : ''}`} href={taskHash(task.id)} data-task={task.id}>
      <span class="card-head">
        <Name text={task.work_item} class="work-item" />
        <span class="card-age" aria-label="in this stage for">
          <Age since={task.entered_at} short />
        </span>
      </span>
      <span class="card-where">
        <Name text={task.repo} class="repo" />
        {task.branch !== null && <Name text={task.branch} class="branch" />}
      </span>
      <State entry={entry} />
      <Foot entry={entry} />
    </a>
  );
}
