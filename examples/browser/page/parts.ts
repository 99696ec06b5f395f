/**
 * Elements of the document by selector, of a known type.
 */

/** @throws Error if the document has no such element */
export function part<T extends Element>(within: ParentNode, selector: string, type: new () => T): T {
  const element = within.querySelector(selector);
  if (element instanceof type) return element;
  throw new Error(`the page has no ${selector}`);
}

/** Text only: what comes from a file or from the network cannot become markup. */
export function show(id: string, text: string): void {
  part(document, `#${id}`, HTMLElement).textContent = text;
}
