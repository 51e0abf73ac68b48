// A task's page.
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useMemo } from 'preact/hooks';
import { client, mayOperate } from '../api/session';
import type { Definition, LogRecord, Task } from '../api/types';
import { numberTyped, taskHash, viewHash } from '../route';
import { msOf, nowMs } from '../store/clock';
import { doingOf } from '../store/doing';
import { Story } from '../store/story';
import { linesOf } from '../store/told';
import { isTerminal } from '../store/stages';
import { Age, Empty, Failure, Loading, Name, Ring, When } from '../ui/parts';
import { shortSpan, span } from '../words/time';
import { world } from '../world';
import { ActButton } from './actions';
import { ApprovalPanel } from './approvals';
import { holdOfEntry, outputOf } from './card';
import { HistoryView } from './history';
import { HeldBanner } from './holds';
import { LanesView } from './lanes';
import { OutputView } from './output';

/// How long the task was in each stage, in total, from its transitions.
function timesIn(task: Task, records: readonly LogRecord[], definition: Definition | null): Map<string, number> {
  const times = new Map<string, number>();
  let stage = definition?.stages[0]?.name ?? null;
  let since = msOf(task.created_at);
  const add = (name: string | null, until: number): void => {
    if (name !== null) times.set(name, (times.get(name) ?? 0) + Math.max(0, until - since));
  };
  for (const record of records) {
    const isMove = record.type === 'StageTransition' || record.type === 'TaskCancelled';
    if (record.type === 'TaskCreated' && typeof record.data['stage'] === 'string') stage = record.data['stage'];
    if (!isMove || record.outcome !== 'accepted') continue;
    add(stage, msOf(record.time));
    since = msOf(record.time);
    stage = record.type === 'TaskCancelled' ? 'cancelled' : String(record.data['to']);
  }
  if (!isTerminal(task.stage)) add(task.stage, nowMs.value);
  return times;
}

function StageBar({
  task,
  records,
  definition,
}: {
  task: Task;
  records: readonly LogRecord[];
  definition: Definition | null;
}): JSX.Element {
  const names = definition?.stages.map(({ name }) => name) ?? [task.stage];
  const end = task.stage === 'cancelled' ? 'cancelled' : 'done';
  const all = [...names, ...(names.includes(task.stage) || isTerminal(task.stage) ? [] : [task.stage]), end];
  const times = timesIn(task, records, definition);
  const at = all.indexOf(task.stage);
  const kindOf = (name: string, place: number): string => {
    if (name === task.stage) return task.blocked !== null ? 'is-blocked' : isTerminal(name) ? 'is-past' : 'is-now';
    return place < at && times.has(name) ? 'is-past' : 'is-ahead';
  };
  return (
    <ol class="stage-bar" aria-label="Stages">
      {all.map((name, place) => {
        const time = times.get(name);
        return (
          <li
            key={name}
            class={kindOf(name, place)}
            {...(name === task.stage ? { 'aria-current': 'step' as const } : {})}
          >
            <Name text={name} class="stage" />
            <span class="stage-time">{time === undefined ? '' : shortSpan(time)}</span>
          </li>
        );
      })}
    </ol>
  );
}

function Facts({ task, definition }: { task: Task; definition: Definition | null }): JSX.Element {
  const entry = world.entry(task.id)?.value;
  const doing = entry ? doingOf(entry, definition, (boot) => world.isDaemon(boot)) : null;
  const since =
    doing && 'seq' in doing ? (doing.since ?? (doing.seq === null ? null : world.timeOf(doing.seq).value)) : null;
  return (
    <dl class="facts">
      {doing && 'seq' in doing && (
        <>
          <dt>Now</dt>
          <dd>
            <span class="tag run">{doing.kind}</span> <Name text={doing.name} />{' '}
            {since !== null && <Ring since={since} limitS={doing.limitS} />}
          </dd>
        </>
      )}
      {entry?.job && (
        <>
          <dt>Job</dt>
          <dd>
            {entry.job.id}, <Name text={entry.job.agent} />, {entry.job.status}
            {entry.job.attempts > 0 && `, attempt ${entry.job.attempts} of ${entry.job.max_attempts}`}
          </dd>
        </>
      )}
      {entry?.lease && (
        <>
          <dt>Lease</dt>
          <dd>
            <Name text={entry.lease.owner.actor} /> since <Age since={entry.lease.acquired_at} />{' '}
            <ActButton act={{ kind: 'release', key: entry.lease.key, token: entry.lease.token }} class="small" />
          </dd>
        </>
      )}
      <dt>Repository</dt>
      <dd>
        <Name text={task.repo} />
      </dd>
      <dt>Branch</dt>
      <dd>{task.branch === null ? 'none' : <Name text={task.branch} class="mono" />}</dd>
      {task.branch_head !== null && (
        <>
          <dt>Head</dt>
          <dd>
            <Name text={task.branch_head.slice(0, 12)} class="mono" />
          </dd>
        </>
      )}
      <dt>Pipeline</dt>
      <dd>
        <Name text={world.pipelineNameOf(task)} />
      </dd>
      <dt>Version</dt>
      <dd>
        {task.version}
        {task.rollbacks > 0 && `, rolled back ${task.rollbacks}×`}
      </dd>
      <dt>Priority</dt>
      <dd>
        {task.priority ?? 0}{' '}
        {!isTerminal(task.stage) && (
          <ActButton act={{ kind: 'priority', task: task.id }} class="small" label="Change" />
        )}
      </dd>
      {task.not_before_at && (
        <>
          <dt>Not before</dt>
          <dd>
            <When time={task.not_before_at} />
          </dd>
        </>
      )}
      {task.depends_on.length > 0 && (
        <>
          <dt>Waits for</dt>
          <dd>
            {task.depends_on.map((id, at) => (
              <span key={id}>
                {at > 0 && ', '}
                <a href={taskHash(id)}>task {id}</a>
              </span>
            ))}
          </dd>
        </>
      )}
      <dt>Created</dt>
      <dd>
        <When time={task.created_at} />
        {task.principal !== null && (
          <>
            {' '}
            by <Name text={task.principal} class="mono" />
          </>
        )}
      </dd>
      <dt>{isTerminal(task.stage) ? 'Ended' : 'In its stage'}</dt>
      <dd>
        {isTerminal(task.stage) ? (
          <When time={task.entered_at} />
        ) : (
          <>for {span(nowMs.value - msOf(task.entered_at))}</>
        )}
      </dd>
    </dl>
  );
}

function Blocked({ task }: { task: Task }): JSX.Element {
  const entry = world.entry(task.id)?.value;
  const output = entry ? outputOf(entry) : null;
  return (
    <div class="banner bad">
      <p>
        <span class="tag bad">blocked</span> <Name text={task.blocked ?? ''} />
      </p>
      {output !== null && (
        <p class="last-line">
          <Name text={output} class="mono" />
        </p>
      )}
    </div>
  );
}

function Acts({ task, definition }: { task: Task; definition: Definition | null }): JSX.Element | null {
  if (!mayOperate.value) return null;
  const isLive = !isTerminal(task.stage);
  const entry = world.entry(task.id)?.value;
  const isHeld = entry !== undefined && holdOfEntry(entry) !== null;
  const open = task.steps.filter(
    (step) => step.version === task.version && (step.state === 'started' || step.in_doubt === true),
  );
  const hasAgent = definition?.stages.find(({ name }) => name === task.stage)?.agent ?? null;
  return (
    <div class="acts" role="group" aria-label="Actions">
      {isLive && task.blocked !== null && (
        <>
          {hasAgent !== null && <ActButton act={{ kind: 'retry', task: task.id }} class="primary" />}
          <ActButton act={{ kind: 'unblock', task: task.id }} />
        </>
      )}
      {isLive &&
        open.map(({ step }) => (
          <ActButton key={step} act={{ kind: 'resolve', task: task.id, step }} label={`Resolve ${step}`} />
        ))}
      {isLive && task.blocked === null && (
        <>
          <ActButton act={{ kind: 'advance', task: task.id }} />
          {hasAgent !== null && !entry?.job && <ActButton act={{ kind: 'retry', task: task.id }} />}
        </>
      )}
      {isLive && !isHeld && <ActButton act={{ kind: 'hold', place: `task:${task.id}` }} />}
      <ActButton act={{ kind: 'note', task: task.id }} />
      {isLive && <ActButton act={{ kind: 'cancel', task: task.id }} class="danger-quiet" />}
    </div>
  );
}

export function TaskView({ typed }: { typed: string }): JSX.Element {
  const id = numberTyped(typed);
  if (id === null) {
    return (
      <div class="page">
        <Empty title="That is not the number of a task">
          <p>
            The address says <Name text={typed} class="mono" />. <a href="#/board">Go to the board</a>
          </p>
        </Empty>
      </div>
    );
  }
  const standing = world.standing.value;
  const moment = standing.kind === 'past' ? standing.at : 'live';
  return <Known key={`${typed}@${moment}`} id={id} />;
}

function Known({ id }: { id: number }): JSX.Element {
  const story = useMemo(() => new Story(client, world, id), [id]);
  const selected = useSignal<number | null>(null);
  const chosenRun = useSignal<string | null>(null);
  useEffect(() => {
    story.start();
    return () => story.stop();
  }, [story]);
  const records = story.records.value;
  const told = story.told.value;
  const lines = useMemo(() => linesOf(told, records), [told, records]);
  const task = world.entry(id)?.value.task ?? story.task.value;
  const failed = story.failed.value;
  if (!task && failed?.isUnknown) {
    return (
      <div class="page">
        <Empty title={`There is no task ${id}`}>
          <p>
            {client.at === null ? 'It was never created' : 'At this position in the log it was not created yet'}, or
            your token does not cover it. <a href="#/board">Go to the board</a>
          </p>
        </Empty>
      </div>
    );
  }
  if (!task) {
    return (
      <div class="page">
        {failed ? <Failure words={failed.words} again={() => story.again()} /> : <Loading what={`task ${id}`} />}
      </div>
    );
  }
  void world.columns.shape.value;
  const definition = world.definitionOf(task.pipeline);
  const entry = world.entry(id)?.value;
  const hold = entry ? holdOfEntry(entry) : null;
  return (
    <div class="page task">
      <header class="task-head">
        <div>
          <p class="crumbs">
            <a href={viewHash('board')}>Board</a> / task {task.id}
          </p>
          <h1>
            <Name text={task.work_item} />
          </h1>
        </div>
        <Acts task={task} definition={definition} />
      </header>
      <StageBar task={task} records={records} definition={definition} />
      {task.blocked !== null && <Blocked task={task} />}
      {hold !== null && <HeldBanner hold={hold} task={task.id} />}
      {task.cancel_requested !== null && !isTerminal(task.stage) && (
        <p class="banner bad">
          <span class="tag bad">cancel requested</span> <Name text={task.cancel_requested} />
        </p>
      )}
      {failed && <Failure words={failed.words} again={() => story.again()} />}
      <div class="task-body">
        <div class="task-main">
          <LanesView records={records} runs={story.runs.value} selected={selected} />
          <OutputView
            task={id}
            runs={story.runs.value}
            chosen={chosenRun.value}
            choose={(run) => (chosenRun.value = run)}
          />
        </div>
        <aside class="task-side">
          <ApprovalPanel task={task} />
          <section class="panel" aria-label="Facts">
            <Facts task={task} definition={definition} />
          </section>
          <HistoryView lines={lines} selected={selected} isAll={story.isAll.value} untold={story.untold.value} />
        </aside>
      </div>
    </div>
  );
}
