/**
 * A run as an SVG: a panel for each metric over time, a line for each side.
 */
import { type Moment, SIDES } from "./sample.ts";

const WIDTH = 760;
const LEFT = 64;
const RIGHT = 16;
const TITLE = 34;
const PANEL = 120;
const GAP = 34;

const STYLE = `text{font:12px system-ui,sans-serif;fill:#1f2328}.t{font-weight:600;font-size:15px}.m{font-weight:600}
path{fill:none;stroke-width:1.5}.g{stroke:#d0d7de}.server{stroke:#1f6feb}.client{stroke:#bf5b04}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.g{stroke:#3d444d}}`;

const PANELS = [
  { title: "conversations per second", lines: [{ name: "client", of: (at: Moment) => at.perSecond }] },
  { title: "heap after garbage collection, MiB", lines: both("heapMiB") },
  { title: "resident memory, MiB", lines: both("rssMiB") },
  { title: "handles", lines: both("handles") },
  { title: "timers", lines: both("timers") },
];

export function plot(title: string, moments: readonly Moment[]): string {
  const spanS = Math.max(moments.at(-1)?.seconds ?? 1, 1);
  const x = (seconds: number) => (LEFT + (seconds / spanS) * (WIDTH - LEFT - RIGHT)).toFixed(1);
  const panels = PANELS.map(({ title, lines }, i) => {
    const top = TITLE + GAP + i * (PANEL + GAP);
    const most = Math.max(1, ...lines.flatMap(({ of }) => moments.map(of)));
    const y = (value: number) => (top + PANEL - (value / most) * PANEL).toFixed(1);
    const paths = lines.map(({ name, of }) => {
      const points = moments.map((at) => `${x(at.seconds)} ${y(of(at))}`).join("L");
      return `<path class="${name}" d="M${points}"><title>${name}</title></path>`;
    });
    return `<text class="m" x="${LEFT}" y="${top - 8}">${title}</text>
<path class="g" d="M${LEFT} ${top}H${WIDTH - RIGHT}M${LEFT} ${top + PANEL}H${WIDTH - RIGHT}"/>
<text x="${LEFT - 8}" y="${top + 4}" text-anchor="end">${Number(most.toFixed(1))}</text>
<text x="${LEFT - 8}" y="${top + PANEL + 4}" text-anchor="end">0</text>
${paths.join("\n")}`;
  });
  const height = TITLE + PANELS.length * (PANEL + GAP) + GAP;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">
<title>${title}</title><style>${STYLE}</style>
<text class="t" x="0" y="18">${title}</text>
<path class="server" d="M${WIDTH - 190} 14h20"/><text x="${WIDTH - 164}" y="18">server</text>
<path class="client" d="M${WIDTH - 100} 14h20"/><text x="${WIDTH - 74}" y="18">client</text>
${panels.join("\n")}
<text x="${LEFT}" y="${height - 12}">0 s</text><text x="${WIDTH - RIGHT}" y="${height - 12}" text-anchor="end">${spanS.toFixed(0)} s</text>
</svg>
`;
}

function both(metric: "heapMiB" | "rssMiB" | "handles" | "timers") {
  return SIDES.map((name) => ({ name, of: (at: Moment) => at[name][metric] }));
}
