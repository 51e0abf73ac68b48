// One call: what it takes, what it answers, and a form to try it.
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import type { Call, Content, Document, Response, Schema } from './document';
import { laidOut } from './request';
import { linesOf, shapeOf } from './schema';
import { Method, Path, Prose } from './small';
import { statusName } from './statuses';
import { Try } from './try';

const places = { path: 'in the path', query: 'in the query', header: 'header' };

interface Described {
  schema: Schema;
  document: Document;
  marks: boolean; // whether it is said what is required: of what is sent, not of an answer
}

/// What a value is; an object within opens. Its members are drawn only then, so a schema may refer to itself.
function ShapeView({ schema, document, marks }: Described): JSX.Element {
  const isOpen = useSignal(false);
  const { words, inner } = shapeOf(document, schema);
  if (!inner) return <span class="shape">{words}</span>;
  return (
    <details onToggle={(event) => (isOpen.value = event.currentTarget.open)}>
      <summary class="shape">{words}</summary>
      {isOpen.value && <Members schema={inner} document={document} marks={marks} />}
    </details>
  );
}

function Member({
  name,
  isRequired,
  words,
  children,
}: {
  name: string;
  isRequired: boolean;
  words: string;
  children: JSX.Element;
}): JSX.Element {
  return (
    <div class="member">
      <dt>
        <code>{name}</code> {isRequired && <span class="tag">required</span>}
      </dt>
      <dd>
        {children}
        {words !== '' && (
          <p class="member-words">
            <Prose text={words} />
          </p>
        )}
      </dd>
    </div>
  );
}

function Members({ schema, document, marks }: Described): JSX.Element {
  return (
    <dl class="members">
      {linesOf(document, schema).map(({ name, isRequired, schema: each }) => (
        <Member key={name} name={name} isRequired={marks && isRequired} words={each.description ?? ''}>
          <ShapeView schema={each} document={document} marks={marks} />
        </Member>
      ))}
    </dl>
  );
}

/// A schema at the top: an object's members at once, anything else in words.
function SchemaView(of: Described): JSX.Element {
  const { words, inner } = shapeOf(of.document, of.schema);
  return inner && !words.startsWith('list') ? <Members {...of} schema={inner} /> : <ShapeView {...of} />;
}

function Example({ value }: { value: unknown }): JSX.Element {
  return (
    <>
      <h3>Example</h3>
      <pre class="code">{laidOut(JSON.stringify(value))}</pre>
    </>
  );
}

function ContentView({ content, document }: { content: Content; document: Document }): JSX.Element {
  return (
    <>
      {Object.entries(content).map(([type, { schema, example }]) => (
        <div key={type} class="content">
          <p class="content-type">
            <code>{type}</code>
          </p>
          {schema && <SchemaView schema={schema} document={document} marks={false} />}
          {example !== undefined && <Example value={example} />}
        </div>
      ))}
    </>
  );
}

function Answer({
  status,
  response,
  document,
  isOpen,
}: {
  status: string;
  response: Response;
  document: Document;
  isOpen: boolean;
}): JSX.Element {
  const shown = useSignal(isOpen);
  const kind = status.startsWith('2') ? 'good' : status.startsWith('3') ? '' : 'bad';
  return (
    <details class="answer" open={isOpen} onToggle={(event) => (shown.value = event.currentTarget.open)}>
      <summary>
        <span class={`tag ${kind}`}>{status}</span>
        <span>{kind === 'bad' ? <Prose text={response.description ?? ''} /> : statusName(status)}</span>
      </summary>
      {shown.value && (
        <div class="answer-more">
          {kind === 'bad' ? (
            <p>{statusName(status)}</p>
          ) : (
            <p>
              <Prose text={response.description ?? ''} />
            </p>
          )}
          {response.content ? (
            <ContentView content={response.content} document={document} />
          ) : (
            <p class="aside">Without a body.</p>
          )}
        </div>
      )}
    </details>
  );
}

function roleWords({ role, roleWithoutBoot }: Call): JSX.Element {
  if (role === 'none') return <>needs no token</>;
  return (
    <>
      needs the role <b>{role}</b>
      {roleWithoutBoot !== null && (
        <>
          , or <b>{roleWithoutBoot}</b> without <code>Pawl-Boot</code>
        </>
      )}
    </>
  );
}

export function CallView({ call, document }: { call: Call; document: Document }): JSX.Element {
  const success = call.responses.find(([status]) => status.startsWith('2'))?.[0];
  return (
    <div class="call">
      <header class="call-head">
        <p class="crumbs">
          <a href="#">All calls</a> / {call.group}
        </p>
        <h1>
          <Method of={call} /> <Path of={call} />
        </h1>
        <p>
          <Prose text={call.summary} /> It {roleWords(call)}, and{' '}
          {call.changes ? 'may change something' : 'changes nothing'}.
        </p>
      </header>
      <div class="call-body">
        <div class="call-words">
          {call.parameters.length > 0 && (
            <section class="panel">
              <h2>Parameters</h2>
              <dl class="members">
                {call.parameters.map(({ name, in: place, required, description = '', schema = {} }) => (
                  <Member key={name} name={name} isRequired={required === true} words={description}>
                    <span class="shape">
                      {shapeOf(document, schema).words}, {places[place]}
                    </span>
                  </Member>
                ))}
              </dl>
            </section>
          )}
          {call.body && (
            <section class="panel">
              <h2>Body {!call.body.isRequired && <span class="count">may be left out</span>}</h2>
              <SchemaView schema={call.body.schema} document={document} marks={true} />
            </section>
          )}
        </div>
        <Try call={call} />
        <section class="panel call-answers">
          <h2>
            Answers <span class="count">{call.responses.length}</span>
          </h2>
          {call.responses.map(([status, response]) => (
            <Answer key={status} status={status} response={response} document={document} isOpen={status === success} />
          ))}
        </section>
      </div>
    </div>
  );
}
