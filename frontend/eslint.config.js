import vue from "eslint-plugin-vue";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["node_modules/**", "src/api/schema.d.ts"] },
  tseslint.configs.strictTypeChecked,
  tseslint.configs.stylisticTypeChecked,
  vue.configs["flat/recommended"],
  {
    languageOptions: {
      parserOptions: {
        parser: tseslint.parser,
        projectService: true,
        tsconfigRootDir: import.meta.dirname,
        extraFileExtensions: [".vue"],
      },
    },
  },
  {
    rules: {
      eqeqeq: ["error", "always", { null: "ignore" }],
      "no-console": "error",
      "no-restricted-globals": [
        "error",
        { name: "localStorage", message: "Storage may be forbidden: use app/storage." },
        { name: "sessionStorage", message: "Storage may be forbidden: use app/storage." },
        { name: "fetch", message: "Calls go through the client in api/." },
      ],
      "max-lines": ["error", 400],
      "@typescript-eslint/consistent-type-imports": "error",
      // Numbers read well in a text; what is neither string nor number does not.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      // A handler of an event may be asynchronous: its failures reach the app's error handler.
      "@typescript-eslint/no-misused-promises": ["error", { checksVoidReturn: false }],
      // The type says what is known; an index may still miss at run time.
      "@typescript-eslint/dot-notation": "off",
      "@typescript-eslint/non-nullable-type-assertion-style": "off",
      "@typescript-eslint/unbound-method": "off", // vue-i18n's and vue-query's are free functions
      // Takes the types in `as A | B` for filters.
      "vue/no-deprecated-filter": "off",
      // Prettier decides how it looks.
      "vue/max-attributes-per-line": "off",
      "vue/singleline-html-element-content-newline": "off",
      "vue/multiline-html-element-content-newline": "off",
      "vue/html-self-closing": "off",
      "vue/html-indent": "off",
      "vue/html-closing-bracket-newline": "off",
      "vue/first-attribute-linebreak": "off",
      "vue/attributes-order": "off",
      "vue/multi-word-component-names": "off",
      // An optional property without a default is undefined: that is what its type says.
      "vue/require-default-prop": "off",
      "vue/no-v-html": "error",
      "vue/component-api-style": ["error", ["script-setup"]],
      "vue/define-macros-order": "error",
      "vue/no-empty-component-block": "error",
      "vue/no-ref-object-reactivity-loss": "error",
      "vue/no-unused-refs": "error",
      "vue/no-useless-v-bind": "error",
      "vue/prefer-true-attribute-shorthand": "error",
      "vue/html-button-has-type": "error",
      "vue/no-static-inline-styles": "error",
    },
  },
  {
    files: ["scripts/**", "*.js", "tests/**"],
    rules: { "no-console": "off", "no-restricted-globals": "off" },
  },
  {
    // ESLint does not know the types of what is imported from a .vue file; vue-tsc does.
    files: ["**/*.vue"],
    rules: {
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-call": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-unsafe-return": "off",
    },
  },
  { files: ["**/*.js", "**/*.mjs"], extends: [tseslint.configs.disableTypeChecked] },
);
