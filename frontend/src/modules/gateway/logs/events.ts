/** Server-sent events (HTML, 9.2) from a stream that is fetched, since EventSource sends no token. */

export interface ServerEvent {
  event: string;
  data: string;
  id: string;
}

/** Characters of one event at most: more is no event of ours. */
const LONGEST = 1_000_000;

/** Takes the text as it comes, in pieces of any size, and gives the events that are complete. */
export function eventReader(): (text: string) => ServerEvent[] {
  let rest = "";
  let current = { event: "message", data: [] as string[], id: "" };

  function line(text: string, found: ServerEvent[]): void {
    if (text === "") {
      if (current.data.length > 0) found.push({ ...current, data: current.data.join("\n") });
      current = { event: "message", data: [], id: current.id };
      return;
    }
    const colon = text.indexOf(":");
    if (colon === 0) return; // a comment: it says that the stream lives
    const field = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? "" : text.slice(colon + 1).replace(/^ /, "");
    if (field === "event") current.event = value;
    else if (field === "data") current.data.push(value);
    else if (field === "id") current.id = value;
  }

  return (text) => {
    const found: ServerEvent[] = [];
    const lines = (rest + text).split(/\r\n|\n|\r(?=[^\n])/);
    rest = lines.pop() ?? "";
    if (rest.length > LONGEST) throw new RangeError("an event is too long");
    for (const one of lines) line(one, found);
    return found;
  };
}
