/**
 * The code of docs/schema-export.md, in its order: the jobs service described, documented, and compared with its released version.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asyncApiDocument, compareServices, defineService, describeService, method } from "hbi";
import { z } from "zod";
import { jobs } from "../jobs/service.ts";

// --- the documents -----------------------------------------------------------------------------------------------------

const description = describeService(jobs);
const document = asyncApiDocument(jobs, { servers: { local: { host: "127.0.0.1:3232", protocol: "tcp" } } });

console.log(`${description.name} ${description.version}: ${Object.keys(description.methods).join(", ")}`);
console.log(`asyncapi ${document.asyncapi}`);

// --- what has no JSON Schema -------------------------------------------------------------------------------------------

const calendar = defineService({
  name: "calendar",
  version: "1.0.0",
  methods: { book: method({ params: { slots: z.array(z.strictObject({ from: z.coerce.date() })) } }) },
});

console.log(JSON.stringify(describeService(calendar).methods["book"]?.params[0]?.schema).includes("x-hbi-unsaid"));
try {
  describeService(calendar, { strict: true });
} catch (error) {
  console.log((error as Error).message);
}

const booking = describeService(calendar, {
  override: ({ schema }) => (schema instanceof z.ZodDate ? { type: "string", format: "date-time" } : undefined),
  strict: true,
});
// without it: bad option: book.params.slots.[].from: a coercion, which accepts more than its type, has no JSON Schema;
// map it by an override

console.log(JSON.stringify(booking.methods["book"]?.params[0]?.schema).includes("date-time"));

// --- comparing ---------------------------------------------------------------------------------------------------------

const folder = mkdtempSync(join(tmpdir(), "hbi-released-"));
const file = join(folder, "jobs.released.json");
writeFileSync(file, JSON.stringify(description, undefined, 2)); // once per release

const released = JSON.parse(readFileSync(file, "utf8"));
const breaking = compareServices(released, jobs).filter((change) => change.isBreaking);
for (const { path, kind, why } of breaking) console.error(`${path}: ${kind}: ${why}`);
if (breaking.length > 0) process.exitCode = 1;

const { largest_part: _removed, ...kept } = jobs.methods;
const next = defineService({ name: "jobs", version: "2.0.0", methods: kept, reactions: jobs.reactions });
for (const { path, kind, isBreaking } of compareServices(released, next)) {
  console.log(`${path}: ${kind}${isBreaking ? ", breaking" : ""}`);
}
rmSync(folder, { recursive: true });
