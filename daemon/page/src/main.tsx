import { render } from 'preact';
import { askWho, client } from './api/session';
import { App } from './app';
import { followAddress, place } from './route';
import { startClock } from './store/clock';
import './style/page.css';
import { world } from './world';

followAddress();
startClock();
render(<App />, document.getElementById('page') as HTMLElement);
void askWho();
client.at = place.peek().at;
void world.start();
