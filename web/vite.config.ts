import { defineConfig } from "vite";

// The gateway's address when `npm run dev` serves the page.
const gateway = "http://127.0.0.1:7480";

export default defineConfig({
  base: "/",
  build: {
    outDir: "../src/tailrace/ui/static",
    emptyOutDir: true,
    assetsDir: "assets",
    // The content security policy allows no data: scripts or styles, so nothing is inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
  },
  server: { proxy: { "/loki": { target: gateway, ws: true } } },
});
