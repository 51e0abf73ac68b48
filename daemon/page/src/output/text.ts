// The output of one run as lines. Holds it in the pieces in which it came, with the places where lines begin: 64 MiB
// cost little more than their bytes, and showing some lines touches these alone.
import { plain, styleAfter, withoutSequences, type Style } from './ansi';

/// A longer line is shown as several.
const lineCharsMax = 4096;

interface Piece {
  text: string; // ends with a line's end, except for the last piece
  starts: number[]; // of its lines
  first: number; // the number of its first line
  styles: Style[]; // at its begin, and every so many lines
}

const linesPerStyle = 256;

export interface Found {
  lines: number[];
  isAll: boolean; // false: there are more than were looked for
}

const foundMax = 5_000;

export class OutputText {
  private pieces: Piece[] = [];
  private open = ''; // what came after the last line's end
  private openStyle: Style = plain;

  /// Lines, including the unfinished last one.
  get lines(): number {
    return this.finished + this.openStarts().length;
  }
  private finished = 0;

  append(text: string): void {
    const all = this.open + text;
    const end = all.lastIndexOf('\n') + 1;
    this.open = all.slice(end);
    if (end === 0) return;
    const whole = all.slice(0, end);
    const piece: Piece = { text: whole, starts: startsOf(whole), first: this.finished, styles: [this.openStyle] };
    this.pieces.push(piece);
    this.finished += piece.starts.length;
    if (!whole.includes('\u001b')) return;
    for (let line = linesPerStyle; line < piece.starts.length; line += linesPerStyle) {
      piece.styles.push(
        styleAfter(whole.slice(piece.starts[line - linesPerStyle], piece.starts[line]), this.openStyle),
      );
      this.openStyle = piece.styles[piece.styles.length - 1] as Style;
    }
    this.openStyle = styleAfter(whole.slice(piece.starts[(piece.styles.length - 1) * linesPerStyle]), this.openStyle);
  }

  private openStarts(): number[] {
    return this.open === '' ? [] : startsOf(this.open);
  }

  private pieceOf(line: number): Piece | null {
    if (line >= this.finished) {
      return { text: this.open, starts: this.openStarts(), first: this.finished, styles: [this.openStyle] };
    }
    let low = 0;
    let high = this.pieces.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.pieces[middle] as Piece).first <= line) low = middle;
      else high = middle - 1;
    }
    return this.pieces[low] ?? null;
  }

  /// A line's text as it came, without its end, and the style at its begin.
  line(number: number): { text: string; style: Style } {
    const piece = this.pieceOf(number);
    const at = number - (piece?.first ?? 0);
    const start = piece?.starts[at];
    if (!piece || start === undefined) return { text: '', style: plain };
    const mark = Math.min(Math.floor(at / linesPerStyle), piece.styles.length - 1);
    const from = piece.styles.length === 1 ? 0 : (piece.starts[mark * linesPerStyle] ?? 0);
    const near = piece.styles[mark] ?? plain;
    const style =
      at >= linesPerStyle && piece.styles.length === 1 ? near : styleAfter(piece.text.slice(from, start), near);
    return { text: shown(piece.text.slice(start, piece.starts[at + 1] ?? piece.text.length)), style };
  }

  /// The numbers of the lines that contain the text, in any case. Returns to the browser between pieces; `isOver` ends
  /// it.
  async find(wanted: string, isOver: () => boolean): Promise<Found> {
    const lines: number[] = [];
    const needle = wanted.toLowerCase();
    if (needle === '') return { lines, isAll: true };
    const all = [...this.pieces, this.pieceOf(this.finished)];
    let looked = 0;
    for (const piece of all) {
      if (!piece || isOver()) break;
      for (const at of matchesIn(piece, needle, foundMax - lines.length)) lines.push(piece.first + at);
      if (lines.length >= foundMax) return { lines, isAll: false };
      looked += piece.text.length;
      if (looked > 1 << 20) {
        looked = 0;
        await new Promise((done) => setTimeout(done, 0));
      }
    }
    return { lines, isAll: true };
  }
}

function startsOf(text: string): number[] {
  const starts: number[] = [];
  let from = 0;
  while (from < text.length) {
    starts.push(from);
    const found = text.indexOf('\n', from);
    const end = found === -1 ? text.length : found + 1;
    from = end - from > lineCharsMax + 1 ? from + lineCharsMax : end;
  }
  return starts;
}

/// Without its end; a line that was overwritten with \r is as it was in the end.
function shown(line: string): string {
  const text = line.replace(/\r?\n$/, '');
  const again = text.lastIndexOf('\r');
  return again === -1 ? text : again === text.length - 1 ? shown(text.slice(0, -1)) : text.slice(again + 1);
}

/// Line numbers within a piece.
function* matchesIn(piece: Piece, needle: string, max: number): Iterable<number> {
  const text = piece.text.toLowerCase();
  if (text.length !== piece.text.length || text.includes('\u001b')) {
    // Offsets differ, or a sequence may stand within what is looked for: line by line.
    for (let at = 0, found = 0; at < piece.starts.length && found < max; at++) {
      const line = piece.text.slice(piece.starts[at], piece.starts[at + 1] ?? piece.text.length);
      if (!withoutSequences(line).toLowerCase().includes(needle)) continue;
      found++;
      yield at;
    }
    return;
  }
  let at = 0;
  let found = 0;
  let from = 0;
  while (found < max) {
    const place = text.indexOf(needle, from);
    if (place === -1) return;
    while ((piece.starts[at + 1] ?? Infinity) <= place) at++;
    found++;
    yield at;
    from = piece.starts[at + 1] ?? text.length;
    if (from >= text.length) return;
  }
}
