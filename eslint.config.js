import js from "@eslint/js";

const browser = [
  "AbortController", "Blob", "CustomEvent", "Image", "ImageData", "OffscreenCanvas", "Path2D",
  "ResizeObserver", "URL", "URLSearchParams", "cancelAnimationFrame", "clearTimeout", "console",
  "createImageBitmap", "document", "fetch", "getComputedStyle", "performance",
  "requestAnimationFrame", "setTimeout", "window",
];

/** @param {string[]} names */
const readonly = (names) => Object.fromEntries(names.map((name) => [name, "readonly"]));

export default [
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2022, sourceType: "module" },
    rules: {
      "eqeqeq": "error",
      "max-depth": ["error", 4],
      "max-len": ["error", { code: 100, ignoreUrls: true }],
      "max-lines": ["error", 400],
      "max-lines-per-function": ["error", { max: 60, skipComments: true }],
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-shadow": "error",
      "no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      "no-var": "error",
      "prefer-const": "error",
    },
  },
  { files: ["web/**/*.js"], languageOptions: { globals: readonly(browser) } },
  {
    files: ["tests/web/**/*.js"],
    languageOptions: { globals: readonly(["process", "setTimeout"]) },
    rules: { "max-lines-per-function": "off" },
  },
];
