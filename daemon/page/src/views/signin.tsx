// Where pawld asks for a token.
import { useSignal } from '@preact/signals';
import type { ComponentChildren, JSX } from 'preact';
import { signIn, wantsToken } from '../api/session';

/// Its heading is the caller's: it may be a page of its own, or a part of one.
export function SignIn({ signedIn, children }: { signedIn: () => void; children: ComponentChildren }): JSX.Element {
  const problem = useSignal<string | null>(null);
  const isBusy = useSignal(false);
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const field = (event.currentTarget as HTMLFormElement).elements.namedItem('token') as HTMLInputElement;
    const value = field.value.trim();
    if (value === '') problem.value = 'Paste a token first.';
    else if (!/^[\x21-\x7e]+$/.test(value))
      problem.value = 'A token is one word of plain letters, digits and signs: copy it again.';
    else {
      isBusy.value = true;
      problem.value = await signIn(value);
      isBusy.value = false;
      if (problem.value === null) signedIn();
    }
    if (problem.value !== null) field.focus();
  };
  return (
    <div class="sign-in">
      {children}
      <p>{wantsToken.value}</p>
      <form onSubmit={(event) => void submit(event as SubmitEvent)} noValidate>
        <label class="field">
          Token
          <input
            type="password"
            name="token"
            autocomplete="off"
            autofocus
            aria-invalid={problem.value !== null}
            aria-describedby={problem.value !== null ? 'token-problem' : undefined}
            onInput={() => (problem.value = null)}
          />
        </label>
        {problem.value !== null && (
          <p id="token-problem" class="problem" role="alert">
            {problem.value}
          </p>
        )}
        <button type="submit" class="primary" aria-disabled={isBusy.value}>
          {isBusy.value ? 'Asking …' : 'Sign in'}
        </button>
      </form>
      <p class="aside">
        It stays in this tab alone, until it is closed. An operator makes one with{' '}
        <code>pawl tokens add NAME --role read --file FILE</code>.
      </p>
    </div>
  );
}
