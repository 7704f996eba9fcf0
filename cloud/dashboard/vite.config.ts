import { fileURLToPath } from "node:url";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";
import { precompress } from "./compress.ts";

// `npm run dev` serves the page itself and passes the API on to a running cloud.
const cloud = process.env.PRINTFARM_DEV_CLOUD ?? "http://127.0.0.1:8000";

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  plugins: [react(), tailwindcss(), precompress()],
  build: {
    target: "es2023",
    manifest: true,
    // Inlined data: URLs would need a wider content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The pairing page is an entry of its own: it is opened once, on a phone, perhaps over a bad network.
    rolldownOptions: { input: ["index.html", "pair.html"] },
  },
  server: { proxy: { "/api": { target: cloud, ws: true } } },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
