// The one world of this tab.
import { client, token } from './api/session';
import { World } from './store/world';

export const world = new World(client, () => token.peek());
