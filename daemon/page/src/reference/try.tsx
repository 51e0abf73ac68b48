// The form of a call: what is sent, the same as a line for a shell, and what came back.
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { client, me, token, wantsToken } from '../api/session';
import { exactSpan } from '../words/time';
import { save } from '../ui/save';
import { visible } from '../words/visible';
import { SignIn } from '../views/signin';
import { answerTo, failureWords, recordsMax, shownText, type Answered } from './answer';
import { refusalFor, type Call, type Parameter } from './document';
import { acceptsOf, curlOf, filledFor, problemIn, requestOf, type Filled } from './request';
import { Copy, Prose } from './small';
import { statusName } from './statuses';

/// More than this in one element makes a browser slow; the rest can be saved.
const shownMax = 200_000;

function Field({
  parameter,
  value,
  change,
}: {
  parameter: Parameter;
  value: string;
  change: (value: string) => void;
}): JSX.Element {
  const { name, required, schema, example, in: place } = parameter;
  const set = (event: Event): void => change((event.currentTarget as HTMLInputElement | HTMLSelectElement).value);
  const hint = example === undefined ? '' : `for example ${String(example)}`;
  return (
    <label class="field try-field">
      <span>
        <code>{name}</code>{' '}
        {required ? '' : <span class="quiet-text">{place === 'header' ? 'header' : 'optional'}</span>}
      </span>
      {schema?.enum ? (
        <select value={value} onChange={set}>
          {!required && <option value="">not sent</option>}
          {schema.enum.map((word) => (
            <option key={String(word)} value={String(word)}>
              {String(word)}
            </option>
          ))}
        </select>
      ) : (
        <input
          type="text"
          name={name}
          value={value}
          placeholder={required ? '' : hint}
          onInput={set}
          autocomplete="off"
          spellcheck={false}
        />
      )}
    </label>
  );
}

function Curl({ line }: { line: string }): JSX.Element {
  const code = useRef<HTMLPreElement>(null);
  const select = (): void => {
    if (code.current) getSelection()?.selectAllChildren(code.current);
  };
  return (
    <div class="curl">
      <div class="panel-head">
        <h3>In a shell</h3>
        <span class="curl-copy">
          <Copy text={line} select={select} />
        </span>
      </div>
      <pre ref={code} class="code wraps" tabIndex={0} role="region" aria-label="Line for a shell">
        {visible(line)}
      </pre>
    </div>
  );
}

function Result({ answer }: { answer: Answered }): JSX.Element {
  const { status, headers, ms, text, isCut, hasEnded } = answer;
  const shown = shownText(answer);
  const kind = status < 300 ? 'good' : status < 400 ? '' : 'bad';
  return (
    <div class="result">
      <p role="status">
        <span class={`tag ${kind}`}>{status}</span> {answer.statusText || statusName(String(status))} ·{' '}
        {hasEnded ? `took ${exactSpan(ms)}` : 'the answer is coming in …'}
      </p>
      {isCut && (
        <p class="aside">Cut off: a stream is shown up to its first {recordsMax} records, or to when you stop it.</p>
      )}
      <details>
        <summary>
          Headers <span class="count">{headers.length}</span>
        </summary>
        <dl class="facts headers">
          {headers.map(([name, value]) => (
            <>
              <dt key={name}>{name}</dt>
              <dd>
                <code>{visible(value)}</code>
              </dd>
            </>
          ))}
        </dl>
      </details>
      {text === '' ? (
        hasEnded && <p class="aside">The body is empty.</p>
      ) : (
        <>
          <pre class="code body" tabIndex={0} role="region" aria-label="Body of the answer">
            {visible(shown.slice(0, shownMax))}
          </pre>
          <p class="result-foot">
            {shown.length > shownMax && (
              <span class="aside">
                The first {shownMax.toLocaleString('en')} of {shown.length.toLocaleString('en')} characters are shown.{' '}
              </span>
            )}
            <button type="button" class="small" onClick={() => save(new Blob([text]), 'answer.txt')}>
              Save the body
            </button>
          </p>
        </>
      )}
    </div>
  );
}

/// Nothing here signs a delivery: only the sender has the secret.
const isSigned = (call: Call): boolean => call.group === 'webhooks';

export function Try({ call }: { call: Call }): JSX.Element {
  const filled = useSignal<Filled>(filledFor(call));
  const problem = useSignal<string | null>(null);
  const isArmed = useSignal(false);
  const answer = useSignal<Answered | null>(null);
  const running = useSignal<AbortController | null>(null);
  useEffect(() => () => running.peek()?.abort(), []);
  const change = (part: Partial<Filled>): void => {
    filled.value = { ...filled.value, ...part };
    problem.value = null;
    isArmed.value = false; // what was changed is looked at again before it is sent
  };
  const request = requestOf(call, filled.value);
  const forms = acceptsOf(call);
  const asBoot = (filled.value.values['Pawl-Boot'] ?? '') !== '';
  const refusal = refusalFor(call, me.value, asBoot);

  const send = async (): Promise<void> => {
    const stopper = new AbortController();
    running.value = stopper;
    answer.value = null;
    try {
      await answerTo({
        base: client.base,
        request,
        token: token.peek(),
        signal: stopper.signal,
        tell: (each) => (answer.value = each),
      });
      if (answer.peek()?.status === 401 && !isSigned(call)) client.unauthorized();
    } catch (error) {
      problem.value = stopper.signal.aborted ? 'Stopped before pawld answered.' : failureWords(error);
    } finally {
      if (running.peek() === stopper) running.value = null;
    }
  };
  const press = (event: Event): void => {
    event.preventDefault();
    if (running.peek() || refusal !== null) return;
    problem.value = problemIn(call, filled.value);
    if (problem.value !== null) return;
    if (call.changes && !isArmed.value) {
      isArmed.value = true;
      return;
    }
    isArmed.value = false;
    void send();
  };

  return (
    <aside class="panel try" aria-label="Try it">
      <h2>Try it</h2>
      {isSigned(call) ? (
        <p>
          A delivery is signed with the secret of its webhook, which this page does not have: it cannot be sent from
          here.
        </p>
      ) : wantsToken.value !== null && call.role !== 'none' ? (
        <SignIn signedIn={() => {}}>
          <h3>Sign in</h3>
        </SignIn>
      ) : (
        <form onSubmit={press} noValidate>
          {call.parameters.map((parameter) => (
            <Field
              key={parameter.name}
              parameter={parameter}
              value={filled.value.values[parameter.name] ?? ''}
              change={(value) => change({ values: { ...filled.value.values, [parameter.name]: value } })}
            />
          ))}
          {forms.length > 1 && (
            <label class="field try-field">
              <span>Answer as</span>
              <select value={filled.value.accept} onChange={(event) => change({ accept: event.currentTarget.value })}>
                {forms.map((form) => (
                  <option key={form} value={form}>
                    {form}
                  </option>
                ))}
              </select>
            </label>
          )}
          {call.body && (
            <label class="field">
              <span>Body</span>
              <textarea
                name="body"
                class="mono"
                spellcheck={false}
                rows={Math.min(16, Math.max(3, filled.value.body.split('\n').length + 1))}
                value={filled.value.body}
                onInput={(event) => change({ body: event.currentTarget.value })}
              />
            </label>
          )}
          {refusal !== null && (
            <p class="problem" id="try-refusal">
              <Prose text={refusal} />
            </p>
          )}
          {problem.value !== null && (
            <p class="problem" role="alert">
              {visible(problem.value)}
            </p>
          )}
          {isArmed.value && (
            <p class="banner warn" role="alert">
              This may change something, and nothing takes it back. Press again to send it.
            </p>
          )}
          <div class="try-foot">
            <button
              type="submit"
              class={isArmed.value ? 'danger' : 'primary'}
              disabled={refusal !== null}
              aria-disabled={running.value !== null}
              {...(refusal === null ? {} : { 'aria-describedby': 'try-refusal' })}
            >
              {isArmed.value ? `Send ${call.method}` : 'Try it'}
            </button>
            {isArmed.value && (
              <button type="button" class="quiet" onClick={() => (isArmed.value = false)}>
                Leave it
              </button>
            )}
            {running.value !== null && (
              <button type="button" onClick={() => running.value?.abort()}>
                Stop
              </button>
            )}
            {call.changes && !isArmed.value && <span class="tag warn">may change something</span>}
          </div>
        </form>
      )}
      {answer.value && <Result answer={answer.value} />}
      {!isSigned(call) && <Curl line={curlOf(client.base, request, token.value !== null && call.role !== 'none')} />}
    </aside>
  );
}
