// What a person chooses in the dialog of an act, besides the reason.
import type { JSX } from 'preact';
import type { Act, Chosen } from '../store/acts';
import { placeKinds, type PlaceKind } from '../store/holds';
import { world } from '../world';

interface Parts {
  act: Act;
  chosen: Chosen;
  set: (part: Partial<Chosen>) => void;
}

function Happened({ chosen, set }: Parts): JSX.Element {
  const choices: [happened: boolean, words: string][] = [
    [true, 'Yes: I looked, and it happened'],
    [false, 'No: it did not happen, and it will not'],
  ];
  return (
    <fieldset>
      <legend>Has the step happened?</legend>
      {choices.map(([happened, words]) => (
        <label key={words} class="check">
          <input
            type="radio"
            name="happened"
            checked={chosen.happened === happened}
            onChange={() => set({ happened })}
          />
          {words}
        </label>
      ))}
    </fieldset>
  );
}

function Take({ chosen, set }: Parts): JSX.Element {
  return (
    <label class="field">
      If the branch has diverged
      <select value={chosen.take} onChange={(event) => set({ take: event.currentTarget.value as Chosen['take'] })}>
        <option value="">leave it as it is</option>
        <option value="origin">take the commits of origin</option>
        <option value="ours">take those of the task's clone</option>
      </select>
    </label>
  );
}

function KeepBranch({ chosen, set }: Parts): JSX.Element {
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={chosen.keepBranch}
        onChange={(event) => set({ keepBranch: event.currentTarget.checked })}
      />
      Keep the branch at origin
    </label>
  );
}

const kindNames: { [kind in PlaceKind]: string } = {
  pipeline: 'a pipeline',
  repo: 'a repository',
  stage: 'a stage, of any pipeline',
  agent: 'the jobs of an agent',
  task: 'one task',
};
const suggestedMax = 200;

/// Names that can be meant: what the page knows of that kind.
function namesOf(kind: PlaceKind): [name: string, words: string][] {
  const definitions = world.pipelines.value.map(({ definition }) => definition);
  const once = (names: string[]): [string, string][] => [...new Set(names)].sort().map((name) => [name, '']);
  switch (kind) {
    case 'pipeline':
      return once(definitions.map(({ name }) => name));
    case 'repo':
      return once(world.repos.value.map(({ repo }) => repo));
    case 'stage':
      return once(definitions.flatMap(({ stages }) => stages.map(({ name }) => name)));
    case 'agent':
      return once(definitions.flatMap(({ agents }) => agents.map(({ name }) => name)));
    case 'task':
      return [...world.tasks].slice(0, suggestedMax).map(([id, entry]) => [String(id), entry.peek().task.work_item]);
  }
}

function Place({ chosen, set }: Parts): JSX.Element {
  return (
    <div class="fields">
      <label class="field">
        What
        <select
          name="kind"
          value={chosen.placeKind}
          onChange={(event) => set({ placeKind: event.currentTarget.value as PlaceKind, placeName: '' })}
        >
          {placeKinds.map((kind) => (
            <option key={kind} value={kind}>
              {kindNames[kind]}
            </option>
          ))}
        </select>
      </label>
      <label class="field">
        {chosen.placeKind === 'task' ? 'Its number' : 'Its name'}
        <input
          type="text"
          name="place"
          list="place-names"
          autocomplete="off"
          value={chosen.placeName}
          onInput={(event) => set({ placeName: event.currentTarget.value })}
        />
        <datalist id="place-names">
          {namesOf(chosen.placeKind).map(([name, words]) => (
            <option key={name} value={name}>
              {words}
            </option>
          ))}
        </datalist>
      </label>
    </div>
  );
}

const zone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

function Until({ chosen, set }: Parts): JSX.Element {
  return (
    <label class="field">
      Until
      <input
        type="datetime-local"
        name="until"
        value={chosen.until}
        onInput={(event) => set({ until: event.currentTarget.value })}
      />
      <span class="field-more">
        By the clock of this browser ({zone()}). Without a time it lasts until it is resumed.
      </span>
    </label>
  );
}

function Priority({ chosen, set }: Parts): JSX.Element {
  return (
    <div class="fields">
      <label class="field">
        Priority, from -100 to 100
        <input
          type="text"
          inputMode="numeric"
          name="priority"
          autocomplete="off"
          value={chosen.priority}
          onInput={(event) => set({ priority: event.currentTarget.value })}
        />
      </label>
      <label class="field">
        Not before
        <input
          type="datetime-local"
          name="not-before"
          value={chosen.notBefore}
          onInput={(event) => set({ notBefore: event.currentTarget.value })}
        />
        <span class="field-more">By the clock of this browser ({zone()}). Without a time it may start now.</span>
      </label>
    </div>
  );
}

export function Choices(parts: Parts): JSX.Element | null {
  switch (parts.act.kind) {
    case 'resolve':
      return <Happened {...parts} />;
    case 'retry':
      return <Take {...parts} />;
    case 'cancel':
      return <KeepBranch {...parts} />;
    case 'hold':
      return (
        <>
          {parts.act.place === null && <Place {...parts} />}
          <Until {...parts} />
        </>
      );
    case 'priority':
      return <Priority {...parts} />;
    default:
      return null;
  }
}
