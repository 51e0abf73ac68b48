// Keys that act on the page as a whole.

/// Whether a key goes into a field: then it is text.
export const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  target.closest('input:not([type=range], [type=checkbox], [type=radio]), select, textarea, [contenteditable]') !==
    null;

/// Whether a key is a command to the page: not one to the browser, nor to a dialog.
export const isCommand = (event: KeyboardEvent): boolean =>
  !isTyping(event.target) && !event.ctrlKey && !event.metaKey && !event.altKey && !document.querySelector('dialog');

/// To the first field in which one can search.
export function toSearch(event: KeyboardEvent): void {
  const field = document.querySelector<HTMLInputElement>('#page input[type=search]');
  if (!field) return;
  event.preventDefault();
  field.focus();
}
