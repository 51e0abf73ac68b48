// Server-Sent Events, from the text of a stream. EventSource cannot send a header, so the stream is read by fetch.
import type { LogRecord } from '../api/types';

export interface Piece {
  records: LogRecord[];
  last: string | null; // the id of the last event in it
}

/// Takes a stream's text as it arrives, cut anywhere, and returns whole events.
export class EventParser {
  private rest = '';

  take(text: string): Piece {
    const piece: Piece = { records: [], last: null };
    this.rest += text;
    let from = 0;
    for (;;) {
      const end = this.rest.indexOf('\n\n', from);
      if (end === -1) break;
      this.event(this.rest.slice(from, end), piece);
      from = end + 2;
    }
    this.rest = this.rest.slice(from);
    return piece;
  }

  private event(text: string, piece: Piece): void {
    const data: string[] = [];
    for (const line of text.split('\n')) {
      if (line.startsWith('data:')) data.push(line.slice(line.startsWith('data: ') ? 6 : 5));
      else if (line.startsWith('id:')) piece.last = line.slice(3).trim();
      // Anything else is a heartbeat or a field that pawld does not send.
    }
    if (data.length > 0) piece.records.push(JSON.parse(data.join('\n')) as LogRecord);
  }
}
