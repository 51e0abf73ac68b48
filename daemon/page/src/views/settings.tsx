// All settings, and who set them.
import type { JSX } from 'preact';
import { client } from '../api/session';
import type { Value } from '../api/types';
import { Cell, Failure, Loading, Name, Rows, When } from '../ui/parts';
import { useWhole } from '../ui/whole';
import { visible } from '../words/visible';

interface Settings {
  settings: { [key: string]: Value };
  changed: { [key: string]: { seq: number; time: string; actor: string; principal: string | null } };
}

function shown(value: Value): string {
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(String).join(', ');
  if (typeof value === 'number') return value.toLocaleString('en');
  return String(value);
}

export function SettingsView(): JSX.Element {
  const { reading, again } = useWhole('settings', () => client.get<Settings>('v1/settings'));
  const { value, failed } = reading.value;
  const groups = new Map<string, string[]>();
  for (const key of Object.keys(value?.settings ?? {}).sort()) {
    const group = key.split('.')[0] ?? key;
    groups.set(group, [...(groups.get(group) ?? []), key]);
  }
  return (
    <div class="page">
      <h1>Settings</h1>
      {failed !== null && <Failure words={failed} again={again} />}
      {!value && failed === null && <Loading what="the settings" />}
      {value && (
        <section class="panel">
          <Rows
            label="Settings"
            heads={[
              { name: 'Setting' },
              { name: 'Value' },
              { name: 'Set by' },
              { name: 'Set' },
              { name: 'Record', class: 'num' },
            ]}
          >
            {[...groups].map(([group, keys]) => (
              <>
                <tr class="group" key={group}>
                  <th colSpan={5} scope="rowgroup">
                    {group}
                  </th>
                </tr>
                {keys.map((key) => {
                  const change = value.changed[key];
                  return (
                    <tr key={key} class={change ? '' : 'is-default'}>
                      <Cell of="Setting" class="mono">
                        {key}
                      </Cell>
                      <Cell of="Value">{visible(shown(value.settings[key] ?? null))}</Cell>
                      <Cell of="Set by">
                        {change ? (
                          <>
                            <Name text={change.actor} />{' '}
                            {change.principal !== null && <Name text={change.principal} class="quiet-text mono" />}
                          </>
                        ) : (
                          'its default'
                        )}
                      </Cell>
                      <Cell of="Set">{change ? <When time={change.time} /> : '–'}</Cell>
                      <Cell of="Record" class="num">
                        {change ? change.seq : '–'}
                      </Cell>
                    </tr>
                  );
                })}
              </>
            ))}
          </Rows>
        </section>
      )}
    </div>
  );
}
