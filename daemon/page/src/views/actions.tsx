// The dialog of an act: what it will do, why, and as whom it is recorded.
import { signal, useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { client, mayAnswer, mayOperate, me } from '../api/session';
import {
  buttonOf,
  chosenAtFirst,
  effectsOf,
  mayLeaveOutWhy,
  problemOf,
  takesWhy,
  taskOf,
  titleOf,
  type Act,
  type Chosen,
} from '../store/acts';
import { carryOut, refusedWords } from '../store/carry';
import type { Entry } from '../store/rows';
import { Dialog, Name } from '../ui/parts';
import { visible } from '../words/visible';
import { world } from '../world';
import { Choices } from './choices';

/// The act whose dialog is open.
export const asked = signal<{ act: Act; entry: Entry | null } | null>(null);
/// What was done last, in a sentence.
export const notice = signal<string | null>(null);

function entryOf(act: Act): Entry | null {
  const task = taskOf(act);
  if (task !== null) return world.entry(task)?.peek() ?? null;
  if (act.kind !== 'force') return null;
  for (const entry of world.tasks.values()) {
    const { task } = entry.peek();
    if (task.work_item === act.work_item && task.repo === act.repo) return entry.peek();
  }
  return null;
}

export function ask(act: Act): void {
  asked.value = { act, entry: entryOf(act) };
}

/// Nothing for those who may not.
export function ActButton({
  act,
  class: kind = '',
  label,
}: {
  act: Act;
  class?: string;
  label?: string;
}): JSX.Element | null {
  const isAnswer = act.kind === 'approve' || act.kind === 'reject';
  if (!(isAnswer ? mayAnswer : mayOperate).value) return null;
  return (
    <button type="button" class={kind} onClick={() => ask(act)}>
      {label ?? buttonOf(act)}
    </button>
  );
}

export function ActDialog(): JSX.Element | null {
  const now = asked.value;
  return now ? <Form key={titleOf(now.act)} act={now.act} entry={now.entry} /> : null;
}

function Form({ act, entry }: { act: Act; entry: Entry | null }): JSX.Element {
  const chosen = useSignal<Chosen>(chosenAtFirst(act, entry, world.holds.all.peek()));
  const problem = useSignal<string | null>(null);
  const isBusy = useSignal(false);
  const close = (): void => {
    asked.value = null;
  };
  const set = (part: Partial<Chosen>): void => {
    chosen.value = { ...chosen.value, ...part };
    problem.value = null;
  };
  const wantsWhy = takesWhy(act, entry);
  const definition = entry ? world.definitionOf(entry.task.pipeline) : null;
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    problem.value = problemOf(act, chosen.value, wantsWhy);
    if (problem.value !== null || isBusy.value) return;
    isBusy.value = true;
    try {
      await carryOut(client, act, chosen.value, entry);
      notice.value = `Done: ${titleOf(act)}.`;
      close();
    } catch (error) {
      problem.value = refusedWords(error);
    } finally {
      isBusy.value = false;
    }
  };
  return (
    <Dialog title={visible(titleOf(act))} close={close}>
      <form onSubmit={(event) => void submit(event)} noValidate>
        {entry && (
          <p class="dialog-of">
            <Name text={entry.task.work_item} class="work-item" /> in <Name text={entry.task.repo} />, on{' '}
            <Name text={entry.task.stage} />
          </p>
        )}
        <h3>What it will do</h3>
        <ul class="effects">
          {effectsOf(act, entry, definition).map((effect) => (
            <li key={effect}>{visible(effect)}</li>
          ))}
        </ul>
        <Choices act={act} chosen={chosen.value} set={set} />
        {wantsWhy && (
          <label class="field">
            {act.kind === 'note' ? 'Note' : mayLeaveOutWhy(act) ? 'Why, if you like' : 'Why'}
            <textarea
              name="why"
              rows={3}
              autofocus={act.kind !== 'hold' && act.kind !== 'priority'}
              value={chosen.value.why}
              onInput={(event) => set({ why: event.currentTarget.value })}
              aria-invalid={problem.value !== null}
              aria-describedby={problem.value !== null ? 'act-problem' : undefined}
            />
          </label>
        )}
        {problem.value !== null && (
          <p id="act-problem" class="problem" role="alert">
            {visible(problem.value)}
          </p>
        )}
        <div class="dialog-foot">
          <span class="as">
            Recorded as <Name text={me.value?.principal ?? 'tcp'} class="mono" />
          </span>
          <button type="button" class="quiet" onClick={close}>
            Leave it
          </button>
          <button
            type="submit"
            class={act.kind === 'cancel' || act.kind === 'reject' ? 'danger' : 'primary'}
            aria-disabled={isBusy.value}
          >
            {isBusy.value ? 'Working …' : buttonOf(act)}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
