// The colours of a terminal (SGR sequences). Everything else that a terminal would obey is left out.

export interface Style {
  colour: number | null; // 0 to 15; others are brought to the nearest of these
  ground: number | null;
  bold: boolean;
  faint: boolean;
  italic: boolean;
  underline: boolean;
  inverse: boolean;
}

export const plain: Style = {
  colour: null,
  ground: null,
  bold: false,
  faint: false,
  italic: false,
  underline: false,
  inverse: false,
};

export const isPlain = (style: Style): boolean =>
  style === plain || Object.keys(plain).every((key) => style[key as keyof Style] === plain[key as keyof Style]);

export interface Span {
  text: string;
  style: Style;
}

// CSI … final byte; OSC … BEL or ST; two-byte sequences; a sequence that is cut off at the end.
const sequence =
  /\u001b(?:\[([0-?]*)[ -/]*([@-~])|\][^\u0007\u001b]*(?:\u0007|\u001b\\|$)|[@-Z\\^_a-z0-9=>]|\[[0-?]*$|$)/g;

export const withoutSequences = (text: string): string => (text.includes('\u001b') ? text.replace(sequence, '') : text);

/// One of the 256 colours as one of the 16.
function nearest(code: number): number {
  if (code < 16) return code;
  let red: number, green: number, blue: number;
  if (code >= 232) {
    red = green = blue = (code - 232) * 10 + 8;
  } else {
    const level = (value: number): number => (value === 0 ? 0 : value * 40 + 55);
    red = level(Math.floor((code - 16) / 36));
    green = level(Math.floor((code - 16) / 6) % 6);
    blue = level((code - 16) % 6);
  }
  return ofRgb(red, green, blue);
}

function ofRgb(red: number, green: number, blue: number): number {
  const most = Math.max(red, green, blue);
  if (most < 48) return 0;
  const near = (value: number): number => (value > most * 0.6 ? 1 : 0);
  const hue = near(red) + 2 * near(green) + 4 * near(blue);
  if (hue === 7) return most > 200 ? 15 : most > 120 ? 7 : 8;
  return hue + (most > 180 ? 8 : 0);
}

/// Applies the parameters of one SGR sequence.
export function styled(style: Style, parameters: string): Style {
  const codes = parameters.split(/[;:]/).map((part) => (part === '' ? 0 : Number(part)));
  let next = { ...style };
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at] as number;
    if (code === 0) next = { ...plain };
    else if (code === 1) next.bold = true;
    else if (code === 2) next.faint = true;
    else if (code === 3) next.italic = true;
    else if (code === 4) next.underline = true;
    else if (code === 7) next.inverse = true;
    else if (code === 22) next.bold = next.faint = false;
    else if (code === 23) next.italic = false;
    else if (code === 24) next.underline = false;
    else if (code === 27) next.inverse = false;
    else if (code >= 30 && code <= 37) next.colour = code - 30;
    else if (code === 39) next.colour = null;
    else if (code >= 40 && code <= 47) next.ground = code - 40;
    else if (code === 49) next.ground = null;
    else if (code >= 90 && code <= 97) next.colour = code - 82;
    else if (code >= 100 && code <= 107) next.ground = code - 92;
    else if (code === 38 || code === 48) {
      const isRgb = codes[at + 1] === 2;
      const value = isRgb
        ? ofRgb(codes[at + 2] ?? 0, codes[at + 3] ?? 0, codes[at + 4] ?? 0)
        : nearest(codes[at + 2] ?? 0);
      if (code === 38) next.colour = value;
      else next.ground = value;
      at += isRgb ? 4 : 2;
    }
  }
  return next;
}

/// A line as spans of one style each, and the style after it.
export function spansOf(line: string, style: Style): { spans: Span[]; after: Style } {
  if (!line.includes('\u001b')) return { spans: line === '' ? [] : [{ text: line, style }], after: style };
  const spans: Span[] = [];
  let from = 0;
  const add = (text: string): void => {
    if (text !== '') spans.push({ text, style });
  };
  for (const found of line.matchAll(sequence)) {
    add(line.slice(from, found.index));
    from = found.index + found[0].length;
    if (found[2] === 'm') style = styled(style, found[1] ?? '');
  }
  add(line.slice(from));
  return { spans, after: style };
}

/// The style after a text, without its spans.
export function styleAfter(text: string, style: Style): Style {
  if (!text.includes('\u001b')) return style;
  for (const found of text.matchAll(sequence)) {
    if (found[2] === 'm') style = styled(style, found[1] ?? '');
  }
  return style;
}
