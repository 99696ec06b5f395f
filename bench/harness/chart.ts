/**
 * A section as a bar chart in SVG: a panel for each metric, a bar for each row, a whisker from minimum to maximum.
 */
import { figure, type Section, sampleOf, spread } from "./section.ts";

const WIDTH = 720;
const LABEL = 190;
const VALUE = 90;
const BAR = 16;
const GAP = 6;
const TITLE = 30;
const PANEL = 28;

const STYLE = `text{font:13px system-ui,sans-serif;fill:#1f2328}.t{font-weight:600;font-size:15px}.m{font-weight:600}
.b{fill:#9aa7b5}.o{fill:#1f6feb}.w{stroke:#57606a;stroke-width:1.5}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.b{fill:#6e7b89}.w{stroke:#c9d1d9}}`;

export function chart(section: Section): string {
  const parts: string[] = [];
  let y = TITLE;
  for (const { name, unit } of section.metrics) {
    parts.push(`<text class="m" x="0" y="${y + 18}">${escaped(`${name}, ${unit}`)}</text>`);
    y += PANEL;
    const bars = section.rows.flatMap((row) => {
      const sample = sampleOf(section, row.name, name);
      return sample === undefined ? [] : [{ ...row, ...spread(sample.values) }];
    });
    const most = Math.max(...bars.map(({ max }) => max));
    const scale = most > 0 ? (WIDTH - LABEL - VALUE) / most : 0;
    for (const bar of bars) {
      const middle = y + BAR / 2;
      const at = (value: number) => (LABEL + Math.max(0, value) * scale).toFixed(1);
      parts.push(
        `<text x="${LABEL - 8}" y="${middle + 4.5}" text-anchor="end">${escaped(bar.title)}</text>`,
        `<rect class="${bar.isPeer === true ? "b" : "o"}" x="${LABEL}" y="${y}" width="${(Math.max(0, bar.median) * scale).toFixed(1)}" height="${BAR}"/>`,
        `<path class="w" d="M${at(bar.min)} ${middle}H${at(bar.max)}"/>`,
        `<text x="${Number(at(bar.max)) + 6}" y="${middle + 4.5}">${figure(bar.median)}</text>`,
      );
      y += BAR + GAP;
    }
    y += GAP;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" role="img">
<title>${escaped(section.title)}</title><style>${STYLE}</style>
<text class="t" x="0" y="18">${escaped(section.title)}</text>
${parts.join("\n")}
</svg>
`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
