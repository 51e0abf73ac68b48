// What waits for a person's word: the tasks that the one who is here may answer for first, and a task's own panel.
import type { JSX } from 'preact';
import { mayAnswer, me } from '../api/session';
import type { Approval, Said, Task } from '../api/types';
import { taskHash } from '../route';
import { approvalsOf, leaveOf, questionOf, standingOf, waitsFor, type QuestionStanding } from '../store/approvals';
import { msOf, nowMs } from '../store/clock';
import { Age, Cell, Empty, More, Name, Rows, When } from '../ui/parts';
import { span } from '../words/time';
import { world } from '../world';
import { ActButton } from './actions';

const standings: { [standing in QuestionStanding]: [words: string, colour: string] } = {
  open: ['waits', 'warn'],
  approved: ['approved', 'good'],
  rejected: ['rejected', 'bad'],
  lapsed: ['no answer in time', 'bad'],
};

function Standing({ question }: { question: Approval }): JSX.Element {
  const [words, colour] = standings[standingOf(question, nowMs.value)];
  return (
    <>
      <span class={`tag ${colour}`}>{words}</span> {approvalsOf(question)} of {question.need}
    </>
  );
}

function About({ question }: { question: Approval }): JSX.Element {
  return (
    <>
      version {question.version}
      {question.head !== null && (
        <>
          , commit <Name text={question.head.slice(0, 12)} class="mono" />
        </>
      )}
    </>
  );
}

function Until({ question }: { question: Approval }): JSX.Element {
  if (question.until_at === null) return <>it is answered</>;
  const left = msOf(question.until_at) - nowMs.value;
  return (
    <>
      <When time={question.until_at} /> {left > 0 && <span class="quiet-text">in {span(left)}</span>}
    </>
  );
}

function Names({ names }: { names: readonly string[] }): JSX.Element {
  return (
    <>
      {names.map((name, at) => (
        <span key={name}>
          {at > 0 && (at + 1 === names.length ? ' or ' : ', ')}
          <Name text={name} class="mono" />
        </span>
      ))}
    </>
  );
}

/// The buttons, or why there are none.
function Answer({ task, question }: { task: Task; question: Approval }): JSX.Element | null {
  const standing = standingOf(question, nowMs.value);
  if (!mayAnswer.value || standing === 'rejected' || standing === 'lapsed') return null;
  const leave = leaveOf(task, question, me.value);
  const of = { task: task.id, version: question.version, head: question.head };
  const mayApprove = standing === 'open' && leave === 'yes';
  return (
    <div class="answer-row">
      {leave !== 'no' && (
        <span class="buttons">
          {mayApprove && <ActButton act={{ kind: 'approve', ...of }} class="primary" />}
          <ActButton act={{ kind: 'reject', ...of }} class="danger-quiet" />
        </span>
      )}
      <span class="quiet-text">
        {leave === 'said' && 'You have approved it. Until the crossing begins you may still reject it.'}
        {leave === 'submitter' && 'You submitted this task, so another has to approve it.'}
        {leave === 'no' && (
          <>
            You are <Name text={me.value?.principal ?? 'not known'} class="mono" />, whom the gate does not name.
          </>
        )}
      </span>
    </div>
  );
}

function SaidLine({ said }: { said: Said }): JSX.Element {
  return (
    <li>
      <span class={`tag ${said.approved ? 'good' : 'bad'}`}>{said.approved ? 'approved' : 'rejected'}</span>{' '}
      <Name text={said.principal} class="mono" />
      {said.as !== null && (
        <>
          {' '}
          as <Name text={said.as} class="mono" />
        </>
      )}{' '}
      <span class="quiet-text">
        <Age since={said.said_at} /> ago
      </span>
      {said.reason && (
        <>
          : <Name text={said.reason} class="reason" />
        </>
      )}
    </li>
  );
}

/// On the page of a task: what is asked, of whom, and what was said.
export function ApprovalPanel({ task }: { task: Task }): JSX.Element | null {
  const question = questionOf(task);
  if (!question) return null;
  return (
    <section class="panel approval" aria-label="Approval">
      <div class="panel-head">
        <h2>
          Approval of <Name text={task.stage} />
        </h2>
        <span>
          <Standing question={question} />
        </span>
      </div>
      <dl class="facts">
        <dt>It is about</dt>
        <dd>
          <About question={question} />
        </dd>
        <dt>Who may</dt>
        <dd>
          <Names names={question.by} />
          {question.not_submitter && ', but not who submitted it'}
        </dd>
        <dt>Asked</dt>
        <dd>
          <Age since={question.asked_at} /> ago
        </dd>
        <dt>Until</dt>
        <dd>
          <Until question={question} />
        </dd>
      </dl>
      {question.said.length > 0 && (
        <ul class="said" aria-label="What was said">
          {question.said.map((said) => (
            <SaidLine key={said.seq} said={said} />
          ))}
        </ul>
      )}
      <Answer task={task} question={question} />
    </section>
  );
}

function Asked({ title, tasks, none }: { title: string; tasks: readonly Task[]; none: string }): JSX.Element {
  return (
    <section class="panel" aria-label={title}>
      <h2>
        {title} <span class="count">{tasks.length}</span>
      </h2>
      {tasks.length === 0 ? (
        <Empty title={none} />
      ) : (
        <Rows
          label={title}
          heads={['Work item', 'Stage', 'About', 'So far', 'Asked', 'Until', 'Who may'].map((name) => ({ name }))}
        >
          <More items={tasks} each={(task) => <AskedRow key={task.id} task={task} />} />
        </Rows>
      )}
    </section>
  );
}

function AskedRow({ task }: { task: Task }): JSX.Element | null {
  const question = questionOf(task);
  if (!question) return null;
  return (
    <tr>
      <Cell of="Work item">
        <a href={taskHash(task.id)}>
          <Name text={task.work_item} />
        </a>{' '}
        <Name text={task.repo} class="quiet-text" />
      </Cell>
      <Cell of="Stage">
        <Name text={task.stage} />
      </Cell>
      <Cell of="About">
        <About question={question} />
      </Cell>
      <Cell of="So far">
        <Standing question={question} />
      </Cell>
      <Cell of="Asked">
        <Age since={question.asked_at} /> ago
      </Cell>
      <Cell of="Until">
        <Until question={question} />
      </Cell>
      <Cell of="Who may">
        <Names names={question.by} />
      </Cell>
    </tr>
  );
}

/// The tasks that a question is asked about, the one asked first first.
function askedTasks(): Task[] {
  void world.askedVersion.value;
  const tasks = [...world.asked].flatMap((id) => world.tasks.get(id)?.peek().task ?? []);
  return tasks.sort((a, b) => msOf(questionOf(a)?.asked_at ?? '') - msOf(questionOf(b)?.asked_at ?? ''));
}

/// How many wait for the one who is here.
export const waitingForMe = (): number => askedTasks().filter((task) => waitsFor(task, me.value, nowMs.peek())).length;

export function ApprovalsView(): JSX.Element {
  const tasks = askedTasks();
  const mine = tasks.filter((task) => waitsFor(task, me.value, nowMs.value));
  const others = tasks.filter((task) => !mine.includes(task));
  return (
    <div class="page">
      <h1>
        Approvals <span class="count">{tasks.length}</span>
      </h1>
      {tasks.length === 0 ? (
        <Empty title="No task waits for an approval">
          <p>
            A stage whose gate has <code>approve</code> asks for one, after its command is green.
          </p>
        </Empty>
      ) : (
        <>
          <Asked title="Waiting for you" tasks={mine} none="Nothing waits for your word" />
          {others.length > 0 && <Asked title="Waiting for others, or answered" tasks={others} none="" />}
        </>
      )}
    </div>
  );
}
