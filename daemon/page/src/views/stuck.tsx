// What `pawl stuck` says, with its commands as buttons.
import type { JSX } from 'preact';
import { client } from '../api/session';
import type { Stuck } from '../api/types';
import { withoutSequences } from '../output/ansi';
import { place, setFilter, taskHash } from '../route';
import { actsOf } from '../store/commands';
import { Age, Cell, Empty, Failure, Loading, More, Name, Rows, When } from '../ui/parts';
import { useWhole } from '../ui/whole';
import { counted } from '../words/time';
import { ActButton } from './actions';

interface All {
  items: Stuck[];
  waiting: number;
  held: { [setting: string]: number };
}

async function read(all: boolean): Promise<All> {
  const found: All = { items: [], waiting: 0, held: {} };
  let after: number | null = 0;
  while (after !== null) {
    const page: All & { next: number | null } = await client.get('v1/stuck', { after, all });
    found.items.push(...page.items);
    found.waiting += page.waiting;
    for (const [key, count] of Object.entries(page.held)) found.held[key] = (found.held[key] ?? 0) + count;
    after = page.next;
  }
  return found;
}

function Frees({ command }: { command: string | null }): JSX.Element {
  if (command === null) return <>–</>;
  return (
    <div class="frees">
      {actsOf(command).map((act) => (
        <ActButton key={act.kind} act={act} class="small" />
      ))}
      <code>
        <Name text={command} />
      </code>
    </div>
  );
}

export function StuckView(): JSX.Element {
  const all = place.value.filters['all'] === 'shown';
  return <StuckList key={String(all)} all={all} />;
}

function StuckList({ all }: { all: boolean }): JSX.Element {
  const { reading, again } = useWhole('stuck', () => read(all));
  const { value, failed } = reading.value;
  const held = Object.entries(value?.held ?? {});
  return (
    <div class="page">
      <h1>Stuck {value && <span class="count">{value.items.length}</span>}</h1>
      <div class="filters">
        <label class="check">
          <input
            type="checkbox"
            checked={all}
            onChange={(event) => setFilter('all', event.currentTarget.checked ? 'shown' : '')}
          />
          Also what waits its turn
        </label>
        {value && !all && (value.waiting > 0 || held.length > 0) && (
          <span class="shown">
            {value.waiting > 0 &&
              `${counted(value.waiting, 'task')} wait${value.waiting === 1 ? 's' : ''} for a turn. `}
            {held.map(([key, count]) => `${counted(count, 'task')} held by ${key}. `)}
          </span>
        )}
      </div>
      {failed !== null && <Failure words={failed} again={again} />}
      {!value && failed === null && <Loading what="what is stuck" />}
      {value && value.items.length === 0 && <Empty title="Nothing is stuck" />}
      {value && value.items.length > 0 && (
        <section class="panel">
          <Rows
            label="Stuck tasks"
            heads={[
              { name: 'Work item' },
              { name: 'Stage' },
              { name: 'Since' },
              { name: 'Why', class: 'wide' },
              { name: 'What frees it' },
            ]}
          >
            <More
              items={value.items}
              each={(item) => (
                <tr key={`${item.task ?? item.reason}/${item.held_by ?? ''}`}>
                  <Cell of="Work item">
                    {item.task === null ? (
                      <span class="tag bad">all tasks</span>
                    ) : (
                      <>
                        <a href={taskHash(item.task)}>
                          <Name text={item.work_item ?? `task ${item.task}`} />
                        </a>{' '}
                        <Name text={item.repo ?? ''} class="quiet-text" />
                      </>
                    )}
                  </Cell>
                  <Cell of="Stage" class="stage-name">
                    {item.stage === null ? '–' : <Name text={item.stage} />}
                  </Cell>
                  <Cell of="Since">{item.since === null ? '–' : <Age since={item.since} />}</Cell>
                  <Cell of="Why" class="wide">
                    <span class={`tag ${item.waits ? '' : 'bad'}`}>{item.reason.replace(/_/g, ' ')}</span>{' '}
                    <Name text={withoutSequences(item.detail ?? '')} class="reason" />
                    {item.until !== null && (
                      <>
                        {' '}
                        until <When time={item.until} />
                      </>
                    )}
                    {item.by !== null && (
                      <>
                        {' '}
                        (set by <Name text={item.by} />)
                      </>
                    )}
                  </Cell>
                  <Cell of="What frees it">
                    {item.reason === 'approval' && item.task !== null && (
                      <a href={taskHash(item.task)}>Look at it, and answer</a>
                    )}
                    <Frees command={item.frees} />
                  </Cell>
                </tr>
              )}
            />
          </Rows>
        </section>
      )}
    </div>
  );
}
