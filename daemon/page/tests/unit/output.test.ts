// Output: colours, lines, and search.
import { describe, expect, it } from 'vitest';
import { plain, spansOf, withoutSequences } from '../../src/output/ansi';
import { OutputText } from '../../src/output/text';

const spans = (line: string): [string, number | null, boolean][] =>
  spansOf(line, plain).spans.map(({ text, style }) => [text, style.colour, style.bold]);

describe('spansOf', () => {
  it('takes colours apart', () => {
    expect(spans('a\u001b[31mb\u001b[1mc\u001b[0md')).toEqual([
      ['a', null, false],
      ['b', 1, false],
      ['c', 1, true],
      ['d', null, false],
    ]);
    expect(spans('\u001b[92mx')).toEqual([['x', 10, false]]);
  });
  it('brings 256 colours and true colours to the nearest', () => {
    expect(spans('\u001b[38;5;196mx')).toEqual([['x', 9, false]]);
    expect(spans('\u001b[38;2;0;200;0mx')).toEqual([['x', 10, false]]);
    expect(spans('\u001b[38;5;240mx')[0]?.[1]).toBe(8);
  });
  it('shows nothing of other sequences', () => {
    expect(withoutSequences('\u001b[2K\u001b[1Gdone\u001b]0;title\u0007!\u001b(B')).toContain('done!');
    expect(
      spans('a\u001b[2Kb')
        .map(([text]) => text)
        .join(''),
    ).toBe('ab');
    expect(
      spans('cut \u001b[3')
        .map(([text]) => text)
        .join(''),
    ).toBe('cut ');
  });
});

describe('OutputText', () => {
  const all = (text: OutputText): string[] => Array.from({ length: text.lines }, (_, at) => text.line(at).text);

  it('has the same lines however the output was cut', () => {
    const whole = 'one\ntwo\r\n\nlong '.concat('x'.repeat(50), '\nlast');
    for (let cut = 0; cut <= whole.length; cut++) {
      const text = new OutputText();
      text.append(whole.slice(0, cut));
      text.append(whole.slice(cut));
      expect(all(text)).toEqual(['one', 'two', '', `long ${'x'.repeat(50)}`, 'last']);
    }
  });

  it('carries a colour over lines and pieces', () => {
    const text = new OutputText();
    text.append(`plain\n\u001b[31m${'red\n'.repeat(700)}`);
    text.append('still red\n\u001b[0mplain\n');
    for (const line of [2, 255, 256, 257, 600, 701]) expect(text.line(line).style.colour, `line ${line}`).toBe(1);
    expect(text.line(0).style.colour).toBeNull();
    expect(spansOf(text.line(702).text, text.line(702).style).spans[0]?.style.colour).toBeNull();
  });

  it('shows what a line was in the end', () => {
    const text = new OutputText();
    text.append(' 10%\r 50%\r100%\n');
    expect(text.line(0).text).toBe('100%');
  });

  it('breaks a line that is too long to show', () => {
    const text = new OutputText();
    text.append(`${'x'.repeat(10_000)}\nend\n`);
    expect(text.lines).toBe(4);
    expect(all(text).slice(0, 3).join('')).toBe('x'.repeat(10_000));
  });

  it('finds lines in any case, with and without colours', async () => {
    const text = new OutputText();
    text.append('Alpha\nbeta alpha alpha\ngamma\n');
    text.append('al\u001b[31mPha\u001b[0m\nend alph');
    text.append('a');
    expect((await text.find('ALPHA', () => false)).lines).toEqual([0, 1, 3, 4]);
    expect((await text.find('', () => false)).lines).toEqual([]);
    expect((await text.find('nothing', () => false)).lines).toEqual([]);
  });

  it('takes 64 MiB, and looks through them, within seconds', async () => {
    const text = new OutputText();
    const piece = `${'some output of a build, line after line, with a path/to/a/file.cc:123\n'.repeat(15_000)}`.slice(
      0,
      1 << 20,
    );
    for (let at = 0; at < 64; at++) text.append(piece);
    text.append('\nthe needle\n');
    expect(text.lines).toBeGreaterThan(900_000);
    const { lines } = await text.find('the needle', () => false);
    expect(text.line(lines[0] ?? 0).text).toBe('the needle');
  });
});
