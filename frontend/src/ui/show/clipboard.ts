/** Copies a text; false when the browser does not let us. */
export async function copyText(text: string): Promise<boolean> {
  // Plain HTTP away from localhost has no clipboard; the old way still works there.
  const clipboard = (navigator as Partial<Navigator>).clipboard;
  if (clipboard) {
    try {
      await clipboard.writeText(text);
      return true;
    } catch {
      // Not allowed: try the old way.
    }
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.readOnly = true;
  area.className = "visually-hidden";
  // Inside an open dialog: the rest of the page can't be selected.
  const place = document.activeElement?.closest("dialog") ?? document.body;
  const focused = document.activeElement;
  place.append(area);
  area.select();
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- the only way without TLS
  const copied = document.execCommand("copy");
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return copied;
}
