// Who is at this page: the token, in this tab alone (sessionStorage ends with the tab), and what it may do.
import { computed, signal } from '@preact/signals';
import { place } from '../route';
import { Client, errorWords, Refused } from './client';
import type { Me } from './types';

const storedAs = 'pawl.token';

function stored(): string | null {
  try {
    return sessionStorage.getItem(storedAs);
  } catch {
    return null; // the browser keeps nothing: then the token lasts until the next reload
  }
}

export const token = signal<string | null>(typeof sessionStorage === 'undefined' ? null : stored());
export const me = signal<Me | null>(null);
/// Why a token is asked for; null: it is not.
export const wantsToken = signal<string | null>(null);
/// The past can be looked at, and not acted in.
const isHere = computed(() => me.value !== null && place.value.at === null);
export const mayOperate = computed(() => isHere.value && me.value?.role === 'operate');
/// To answer for an approval takes no role: the gate names who may.
export const mayAnswer = isHere;

const base = typeof document === 'undefined' ? 'http://localhost/' : new URL('.', document.baseURI).href;
export const client = new Client(base, () => token.value);

client.unauthorized = () => {
  if (wantsToken.value !== null) return;
  wantsToken.value = token.value
    ? 'The token is no longer valid: it was revoked, or its time is over.'
    : 'This pawld asks for a token.';
};

export function keepToken(value: string | null): void {
  token.value = value;
  try {
    if (value === null) sessionStorage.removeItem(storedAs);
    else sessionStorage.setItem(storedAs, value);
  } catch {
    // As above.
  }
}

/// Tries a token. Returns why it cannot be used, or null.
export async function signIn(value: string): Promise<string | null> {
  const attempt = new Client(base, () => value);
  try {
    me.value = await attempt.get<Me>('v1/me');
  } catch (error) {
    if (error instanceof Refused && error.status === 401) return 'pawld does not know this token, or its time is over.';
    return errorWords(error);
  }
  keepToken(value);
  wantsToken.value = null;
  return null;
}

export function signOut(): void {
  keepToken(null);
  me.value = null;
  wantsToken.value = 'You have signed out.';
}

/// Who is here decides which buttons there are. Asked until there is an answer; a missing token shows the sign-in.
export async function askWho(): Promise<void> {
  for (;;) {
    try {
      me.value = await client.get<Me>('v1/me');
      return;
    } catch (error) {
      if (error instanceof Refused && error.status === 401) return;
      await new Promise((done) => setTimeout(done, 1000));
    }
  }
}
