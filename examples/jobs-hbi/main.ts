/**
 * The jobs example in the style of HBI's own documents: hosting environments, posting and hosting ends, conversations, and
 * both of their styles, answering by script and by object. examples/jobs is the typed form.
 */
import { runBoth } from "../jobs/processes.ts";

const folder = process.argv[2] ?? ".";
process.exit(await runBoth(import.meta.url, ["--interrupt-at", "150"], [folder]));
