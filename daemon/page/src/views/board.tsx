// The board: a column for each stage of each pipeline, a card for each live task.
import { useSignalEffect } from '@preact/signals';
import type { JSX } from 'preact';
import { place, setFilter } from '../route';
import type { Filter } from '../store/columns';
import { Empty, Name } from '../ui/parts';
import { counted } from '../words/time';
import { world } from '../world';
import { Column, moveFocus } from './column';
import { Ended } from './ended';

const filterOf = (filters: { [name: string]: string }): Filter => ({
  repo: filters['repo'] ?? '',
  pipeline: filters['pipeline'] ?? '',
  text: filters['text'] ?? '',
});

interface Group {
  name: string;
  stages: string[];
}

/// The pipelines in force, in the order of their names, and others by which tasks still run.
function groups(): { filled: Group[]; empty: string[] } {
  void world.columns.shape.value;
  const stages = new Map<string, string[]>();
  for (const { definition } of world.pipelines.value)
    stages.set(
      definition.name,
      definition.stages.map(({ name }) => name),
    );
  for (const [, task, name] of world.placed())
    if (!stages.has(name)) stages.set(name, world.definitionOf(task.pipeline)?.stages.map((stage) => stage.name) ?? []);
  const filled: Group[] = [];
  const empty: string[] = [];
  for (const name of [...stages.keys()].sort()) {
    const all = stages.get(name) ?? [];
    const seen = world.columns.stagesOf(name);
    if (seen.length === 0 && stages.size > 1) {
      empty.push(name);
      continue;
    }
    filled.push({ name, stages: [...all, ...seen.filter((stage) => !all.includes(stage))] });
  }
  return { filled, empty };
}

function Filters({ filter }: { filter: Filter }): JSX.Element {
  const repos = world.repos.value.map(({ repo }) => repo);
  const names = world.pipelines.value.map(({ definition }) => definition.name);
  const isSet = filter.repo !== '' || filter.pipeline !== '' || filter.text !== '';
  const choose = (name: string) => (event: Event) =>
    setFilter(name, (event.currentTarget as HTMLInputElement | HTMLSelectElement).value);
  const choices = (all: string[], chosen: string): string[] =>
    chosen === '' || all.includes(chosen) ? all : [...all, chosen];
  return (
    <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
      <input
        type="search"
        name="text"
        class="search"
        placeholder="Filter by work item, branch, reason"
        aria-label="Filter by text"
        value={filter.text}
        onInput={choose('text')}
      />
      <select name="repo" aria-label="Repository" value={filter.repo} onChange={choose('repo')}>
        <option value="">All repositories</option>
        {choices(repos, filter.repo).map((repo) => (
          <option key={repo} value={repo}>
            {repo}
          </option>
        ))}
      </select>
      <select name="pipeline" aria-label="Pipeline" value={filter.pipeline} onChange={choose('pipeline')}>
        <option value="">All pipelines</option>
        {choices(names, filter.pipeline).map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
      <label class="check">
        <input
          type="checkbox"
          checked={place.value.filters['ended'] === 'shown'}
          onChange={(event) => setFilter('ended', event.currentTarget.checked ? 'shown' : '')}
        />
        Ended tasks
      </label>
      <span class="shown" role="status">
        {isSet
          ? `${counted(world.columns.count.value, 'task')} shown`
          : counted(world.columns.count.value, 'live task')}
      </span>
    </form>
  );
}

export function Board(): JSX.Element {
  const filter = filterOf(place.value.filters);
  useSignalEffect(() => world.columns.setFilter(filterOf(place.value.filters), world.placed()));
  const { filled, empty } = groups();
  const shown = filled.filter(({ name }) => filter.pipeline === '' || name === filter.pipeline);
  const hasNone = world.columns.count.value === 0;
  const isSet = filter.repo !== '' || filter.pipeline !== '' || filter.text !== '';
  return (
    <div class="board" onKeyDown={moveFocus}>
      <h1 class="unseen">Board</h1>
      <Filters filter={filter} />
      {hasNone && isSet && (
        <Empty title="No live task passes these filters">
          <a href="#/board">Show all tasks</a>
        </Empty>
      )}
      {hasNone && !isSet && (
        <Empty title="No live tasks">
          <p>
            A task begins with <code>pawl submit WORK_ITEM --repo REPO --branch BRANCH</code>, or with a webhook.
          </p>
        </Empty>
      )}
      {!(hasNone && isSet) &&
        shown.map(({ name, stages }) => (
          <section class="pipeline" key={name} aria-label={`Pipeline ${name}`}>
            <h2 class={filled.length > 1 || empty.length > 0 ? 'pipeline-name' : 'unseen'}>
              <Name text={name} />
            </h2>
            <div class="columns">
              {stages.map((stage) => (
                <Column key={stage} pipeline={name} stage={stage} />
              ))}
            </div>
          </section>
        ))}
      {empty.length > 0 && filter.pipeline === '' && (
        <p class="aside">
          Without live tasks:{' '}
          {empty.map((name, at) => (
            <>
              {at > 0 && ', '}
              <Name text={name} />
            </>
          ))}
        </p>
      )}
      {place.value.filters['ended'] === 'shown' && <Ended filter={filter} />}
    </div>
  );
}
