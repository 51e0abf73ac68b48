// Texts of others on a page: what cannot be seen is shown as a sign, and nothing can turn around what stands beside it.

const hidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;

/// Control characters as their pictures (␀), other invisible ones as �. Line breaks and tabs stay.
export function visible(text: string): string {
  return text.replace(hidden, (character) => {
    const code = character.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? '\u2421' : '\ufffd';
  });
}

/// The host's name: the first of the three words that identify a host.
export const hostName = (host: string): string => host.split(' ')[0] ?? host;
