/** What the shells know of the modules; here, so that modules and shells need not import each other. */
import type { WebModule } from "./module";

export const shellModules: WebModule[] = [];

/** Tells the shells which modules there are; done once at the start. */
export function showModules(modules: readonly WebModule[]): void {
  shellModules.splice(0, Infinity, ...modules);
}
