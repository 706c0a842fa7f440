/** For ESLint alone, which can't look into .vue files; vue-tsc reads the files themselves. */
declare module "*.vue" {
  import type { Component } from "vue";

  const component: Component;
  export default component;
}
