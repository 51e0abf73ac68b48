import { describe, expect, it } from 'vitest';
import { Client, type Query } from '../../src/api/client';
import { readComparison } from '../../src/store/compare';
import { readIncidents } from '../../src/store/incidents';

/// A client that has lists of so many items, which grow with each read; and what it was asked for.
function listing(of: { [list: string]: number }, grows: readonly number[] = []): { client: Client; skips: number[] } {
  const skips: number[] = [];
  const client = new Client('http://pawl/', () => null);
  const answer = async (path: string, query: Query = {}): Promise<never> => {
    void path;
    const [skip, limit] = [Number(query['skip']), Number(query['limit'])];
    const more = grows[skips.length] ?? 0;
    skips.push(skip);
    const json: { [name: string]: unknown } = {};
    for (const [list, count] of Object.entries(of)) {
      const all = Array.from({ length: count + more }, (_, seq) => ({ seq }));
      json[list] = all.slice(skip, skip + limit);
      json[`${list}_total`] = all.length;
    }
    return json as never;
  };
  client.get = answer;
  client.present = answer;
  return { client, skips };
}

const seqs = (items: readonly object[]): number[] => items.map((item) => (item as { seq: number }).seq);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, at) => at);

describe('incidents', () => {
  it('are read page by page, up to as many as are shown', async () => {
    const { client, skips } = listing({ findings: 700, ended: 300 });
    const first = await readIncidents(client, 256);
    expect([first.findings.length, first.ended.length, first.findings_total]).toEqual([256, 256, 700]);
    const second = await readIncidents(client, 512);
    expect(seqs(second.findings)).toEqual(upTo(512));
    expect(seqs(second.ended)).toEqual(upTo(300));
    const all = await readIncidents(client, 1024);
    expect(seqs(all.findings)).toEqual(upTo(700));
    expect(skips).toEqual([0, 0, 256, 0, 256, 512]);
  });

  it('are read again if there are more of them meanwhile, but not for ever', async () => {
    const { client, skips } = listing({ findings: 300, ended: 0 }, [0, 1, 1, 1]);
    expect(seqs((await readIncidents(client, 512)).findings)).toEqual(upTo(301));
    expect(skips).toEqual([0, 256, 0, 256]);
    const restless = listing({ findings: 300, ended: 0 }, [1, 2, 3, 4, 5, 6, 7, 8]);
    expect((await readIncidents(restless.client, 512)).findings).toHaveLength(306);
    expect(restless.skips).toHaveLength(6);
  });
});

describe('comparison', () => {
  it('is read page by page, up to as many rows as are shown', async () => {
    const { client, skips } = listing({ rows: 600 });
    const read = (count: number): Promise<{ rows: object[] }> =>
      readComparison(client, { from: 1, to: 9 }, count, new AbortController().signal);
    expect((await read(256)).rows).toHaveLength(256);
    expect(seqs((await read(768)).rows)).toEqual(upTo(600));
    expect(skips).toEqual([0, 0, 256, 512]);
  });
});
