// What vitest takes for a coverage provider: that of @vitest/coverage-v8, which vitest itself looks for only beside itself.
import { fileURLToPath } from "node:url";
import v8 from "@vitest/coverage-v8";

export default {
  ...v8,
  async getProvider() {
    const provider = await v8.getProvider();
    const resolveOptions = provider.resolveOptions.bind(provider);
    // Or the processes of the tests would be told of "v8", and look for it there.
    const own = { provider: "custom", customProviderModule: fileURLToPath(import.meta.url) };
    provider.resolveOptions = () => Object.assign(resolveOptions(), own);
    return provider;
  },
};
