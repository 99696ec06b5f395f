/**
 * The state of the connection, in the head of the page.
 */
import type { Link } from "hbi";
import type { desk } from "../service.ts";
import { part, show } from "./parts.ts";

export function showState(link: Link<typeof desk>): void {
  const update = (): void => {
    part(document, "#link", HTMLElement).dataset["state"] = link.state;
    show("link", words(link.state, navigator.onLine));
  };
  link.onState(update);
  for (const change of ["online", "offline"]) addEventListener(change, update);
  update();
}

function words(state: Link<typeof desk>["state"], isOnline: boolean): string {
  if (state === "closed") return "Disconnected, reload the page";
  if (state === "open") return "Connected";
  return isOnline ? "No connection, trying again" : "Offline";
}
