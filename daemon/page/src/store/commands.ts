// The commands that `pawl stuck` proposes, as acts of this page.
import type { Act } from './acts';
import { placeOf } from './holds';

/// The words of a command line as a shell takes them apart; null if a quote is not closed.
export function wordsOf(line: string): string[] | null {
  const words: string[] = [];
  let word: string | null = null;
  let quote = '';
  for (let at = 0; at < line.length; at++) {
    const c = line[at] as string;
    if (quote !== '') {
      if (c === quote) quote = '';
      else if (c === '\\' && quote === '"' && at + 1 < line.length) word += line[++at] as string;
      else word += c;
    } else if (c === "'" || c === '"') {
      quote = c;
      word ??= '';
    } else if (c === '\\' && at + 1 < line.length) {
      word = (word ?? '') + (line[++at] as string);
    } else if (/\s/.test(c)) {
      if (word !== null) words.push(word);
      word = null;
    } else {
      word = (word ?? '') + c;
    }
  }
  if (quote !== '') return null;
  if (word !== null) words.push(word);
  return words;
}

/// The acts that a proposal of `pawl stuck` stands for: its command and, in brackets, another one for another case. One
/// that this page cannot do is left out.
export function actsOf(proposal: string): Act[] {
  const [, first, second] = /^(.*?) \(or, [^:]+: (pawl .*)\)$/.exec(proposal) ?? [null, proposal, null];
  return [first, second].flatMap((command) => (command ? (actOf(command) ?? []) : []));
}

function actOf(command: string): Act | null {
  const words = wordsOf(command);
  if (!words || words[0] !== 'pawl') return null;
  const [, verb, first, second, third, fourth] = words;
  const task = first !== undefined && /^\d+$/.test(first) ? Number(first) : null;
  switch (verb) {
    case 'advance':
    case 'unblock':
    case 'retry':
    case 'cancel':
    case 'override':
      return task === null ? null : { kind: verb, task };
    case 'resolve':
      return task === null || second === undefined ? null : { kind: 'resolve', task, step: second };
    case 'resume':
      return first === undefined || placeOf(first) === null ? null : { kind: 'resume', place: first };
    case 'reap':
      return { kind: 'reap' };
    case 'release':
      if (first === '--work-item' && second !== undefined && third === '--repo' && fourth !== undefined) {
        return { kind: 'force', work_item: second, repo: fourth };
      }
      if (first !== undefined && second === '--token' && third !== undefined && /^\d+$/.test(third)) {
        return { kind: 'release', key: first, token: Number(third) };
      }
      return null;
    case 'settings': {
      const found = /^([a-z_.]+)=(true|false)$/.exec(first ?? '');
      return found ? { kind: 'setting', key: found[1] as string, value: found[2] === 'true' } : null;
    }
    default:
      return null;
  }
}
