// The story of a task as pawld tells it (`pawl explain`), as the lines of a history.
import type { LogRecord } from '../api/types';
import { refusalWords, sentenceOf } from '../words/record';

export interface Finding {
  kind: string;
  seq: number;
  what: string;
  led_by: number[];
  followed_by: number[];
  decided: string[];
}

interface Entry {
  seq: number;
  lane: number;
  refused: boolean;
  says: string;
  notes: string[];
  because: number[];
  findings: number[]; // their places in the story's
  like: number | null; // the record that says the same of the same thing, before this one
  record: LogRecord;
}

export interface Told {
  subject: string;
  lanes: string[];
  findings: Finding[];
  entries: Entry[];
}

export interface Line {
  record: LogRecord;
  actor: string;
  says: string;
  notes: string[];
  because: number[];
  findings: Finding[];
  isRefused: boolean;
  like: Line[]; // those that only repeat it
}

function lineOfEntry(told: Told, { lane, refused, says, notes, because, findings, record }: Entry): Line {
  return {
    record,
    actor: told.lanes[lane] ?? record.actor,
    says,
    notes: refused ? [`refused: ${refusalWords(record.outcome)}`, ...notes] : notes,
    because,
    findings: findings.flatMap((at) => told.findings[at] ?? []),
    isRefused: refused,
    like: [],
  };
}

/// A record that pawld has not told of (yet), in this page's own words.
function lineOfRecord(record: LogRecord): Line {
  const { actor, does, refused } = sentenceOf(record);
  return {
    record,
    actor,
    says: does,
    notes: refused === null ? [] : [`refused: ${refused}`],
    because: [],
    findings: [],
    isRefused: refused !== null,
    like: [],
  };
}

/// The story, and behind it the records that came since; without a story, all records. `records` are in their order.
export function linesOf(told: Told | null, records: readonly LogRecord[]): Line[] {
  const lines: Line[] = [];
  const bySeq = new Map<number, Line>();
  for (const entry of told?.entries ?? []) {
    if (!told) break;
    const line = lineOfEntry(told, entry);
    const first = entry.like === null ? undefined : bySeq.get(entry.like);
    if (first) first.like.push(line);
    else {
      bySeq.set(entry.seq, line);
      lines.push(line);
    }
  }
  const last = told?.entries.at(-1)?.seq ?? 0;
  return lines.concat(records.filter(({ seq }) => seq > last).map(lineOfRecord));
}

/// The same lines, each by itself.
export const allOf = (lines: readonly Line[]): Line[] => lines.flatMap((line) => [line, ...line.like]);
