// What pawld finds in its own log, and the report of one incident.
import { Refused, type Client } from '../api/client';
import type { Finding, Told } from './told';

export interface LogFinding extends Finding {
  invariant: number | null;
  time: string | null;
  boot: string | null;
  actor: string | null;
  type: string | null;
  task: number | null;
}

export interface BadEnd {
  task: number | null;
  work_item: string | null;
  seq: number | null;
  what: string;
  cause: number | null;
  by_itself: string | null;
  let_go: number | null;
  decided: string[];
}

export interface Incidents {
  percent: number; // of one core that may look for them; 0: nothing does
  audited: number | null; // the record up to which this is complete
  head: number;
  first: number | null;
  culprit: number | null;
  stopped_at: number | null;
  findings: LogFinding[];
  findings_total: number;
  ended: BadEnd[];
  ended_total: number;
}

const perRead = 256;
const triesMax = 3;

/// The first `count` findings and bad ends, page by page. While pawld still reads its log, a page may shift: then all of
/// them are read again.
export async function readIncidents(client: Client, count: number): Promise<Incidents> {
  for (let tries = 1; ; tries++) {
    let all: Incidents | null = null;
    let isShifted = false;
    for (let skip = 0; skip === 0 || (skip < count && hasMore(all, skip)); skip += perRead) {
      const page: Incidents = await client.present('v1/incidents', { limit: perRead, skip });
      isShifted ||=
        all !== null && (all.findings_total !== page.findings_total || all.ended_total !== page.ended_total);
      const findings: LogFinding[] = [...(all?.findings ?? []), ...page.findings];
      const ended: BadEnd[] = [...(all?.ended ?? []), ...page.ended];
      all = { ...page, findings, ended };
    }
    if (all !== null && (!isShifted || tries === triesMax)) return all;
  }
}

const hasMore = (all: Incidents | null, seen: number): boolean =>
  all !== null && (all.findings_total > seen || all.ended_total > seen);

export interface Traced {
  seq: number;
  time: string;
  actor: string;
  type: string;
  outcome: string;
  says: string;
  decided: string[];
}

export interface Defence {
  change: string;
  undoes: number | null;
  verdict: string; // prevented, not_prevented, not_known
  why: string;
}

export interface Report {
  begin: string | null;
  end: string | null;
  records: number;
  incident: Finding | null;
  ended: BadEnd[];
  trace: Traced[];
  defences: Defence[];
  untried: string[];
  by_itself: BadEnd[];
  others: Finding[];
  open: string[];
  unknown: string[];
  stories: Told[];
}

/// The finding's words without the bad ends that are behind it, which are shown by themselves.
export function causeAlone(report: Pick<Report, 'incident' | 'ended'>): string {
  let words = report.incident?.what ?? '';
  for (const { what } of report.ended) {
    const at = words.indexOf(`; ${what}`);
    if (at !== -1) words = words.slice(0, at);
  }
  return words;
}

/// Asks for a report or a file of one. Each takes its turn at pawld: while others wait, it is asked for again when
/// pawld says so.
export async function patiently<T>(
  ask: () => Promise<T>,
  isOver: () => boolean,
  pause: (ms: number) => Promise<void>,
): Promise<T | null> {
  while (!isOver()) {
    try {
      return await ask();
    } catch (error) {
      if (isOver() || !(error instanceof Refused) || error.status !== 503) throw error;
      await pause((error.retryAfterS ?? 1) * 1000);
    }
  }
  return null;
}

export const reportOf = (client: Client, seq: number, signal: AbortSignal): Promise<Report> =>
  client.get<Report>(`v1/incidents/${seq}`, {}, signal);

/// A file of an incident: its page, or its redacted log.
export async function fileOf(client: Client, seq: number, what: 'page' | 'log', signal: AbortSignal): Promise<Blob> {
  return (await client.raw('GET', `v1/incidents/${seq}/${what}`, { signal })).blob();
}
