import { render } from 'preact';
import { Refused } from './api/client';
import { client, me } from './api/session';
import type { Me } from './api/types';
import { App } from './app';
import { followAddress, place } from './route';
import { startClock } from './store/clock';
import './style/page.css';
import { world } from './world';

/// Who is here decides which buttons there are. Asked until there is an answer; a missing token shows the sign-in.
async function askWho(): Promise<void> {
  for (;;) {
    try {
      me.value = await client.get<Me>('v1/me');
      return;
    } catch (error) {
      if (error instanceof Refused && error.status === 401) return;
      await new Promise((done) => setTimeout(done, 1000));
    }
  }
}

followAddress();
startClock();
render(<App />, document.getElementById('page') as HTMLElement);
void askWho();
client.at = place.peek().at;
void world.start();
