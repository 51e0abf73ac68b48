// Times and sizes in words.

/// "8 s", "3 min 20 s", "2 h 5 min", "3 d 4 h": two units, the larger first.
export function span(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 === 0 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  const days = Math.floor(hours / 24);
  return hours % 24 === 0 ? `${days} d` : `${days} d ${hours % 24} h`;
}

/// The larger unit alone, for places with little room: "8 s", "3 min", "2 h", "3 d".
export function shortSpan(ms: number): string {
  return span(ms).split(' ').slice(0, 2).join(' ');
}

/// As span(), but with milliseconds under ten seconds: "0.24 s".
export function exactSpan(ms: number): string {
  if (ms >= 10_000) return span(ms);
  return `${(Math.max(0, ms) / 1000).toFixed(ms < 1000 ? 3 : 2)} s`;
}

const two = (value: number): string => String(value).padStart(2, '0');

/// Local time of day: "14:03:07".
export function timeOfDay(ms: number): string {
  const date = new Date(ms);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/// Local date and time: "2026-03-01 14:03:07".
export function dateAndTime(ms: number): string {
  const date = new Date(ms);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${timeOfDay(ms)}`;
}

/// As the browser's field for times has it: "2026-03-01T14:03", local.
export const fieldTime = (ms: number): string => dateAndTime(ms).slice(0, 16).replace(' ', 'T');

/// "512 B", "1.5 KiB", "64 MiB".
export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let unit = 0;
  let value = count;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || value >= 100 || Number.isInteger(value) ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
