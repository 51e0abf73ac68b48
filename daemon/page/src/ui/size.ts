// The root's font size, which all sizes follow. It changes with the window and the browser's settings.
let px = 0;

export function remPx(): number {
  if (px === 0) {
    px = parseFloat(getComputedStyle(document.documentElement).fontSize) || 13;
    addEventListener('resize', () => (px = 0), { once: true });
  }
  return px;
}
