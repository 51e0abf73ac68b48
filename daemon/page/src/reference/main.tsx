// The page of the calls, at /api: another page than the board, so that neither loads what the other needs.
import { render } from 'preact';
import { askWho } from '../api/session';
import '../style/reference.css';
import { Reference } from './page';

render(<Reference />, document.getElementById('page') as HTMLElement);
void askWho();
