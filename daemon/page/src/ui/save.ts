// A file for the reader to keep. What it holds came with the token in a header, so a plain link could not fetch it.

export function save(content: Blob, name: string): void {
  const link = document.createElement('a');
  // As bytes: the browser never shows it as a page of this site.
  link.href = URL.createObjectURL(new Blob([content], { type: 'application/octet-stream' }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 0);
}
