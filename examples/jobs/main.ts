/**
 * The jobs example: a service and a consumer of it as two processes, which process the files of a folder. Start reading at
 * service.ts, the definition that both import. Ends with the consumer's exit code: 0 only if everything was verified.
 */
import { runBoth } from "./processes.ts";

const folder = process.argv[2] ?? ".";
process.exit(await runBoth(import.meta.url, [folder, "--drop-at", "150"], [folder]));
