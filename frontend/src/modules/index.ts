/** The modules of the web app: one tuple, no scanning. */
import { access } from "./access/module";
import { account } from "./account/module";
import { consoleModule } from "./console/module";
import { gateway } from "./gateway/module";
import { people } from "./people/module";
import { portal } from "./portal/module";
import { sign } from "./sign/module";
import { system } from "./system/module";

export const MODULES = [
  portal,
  sign,
  account,
  gateway,
  consoleModule,
  people,
  access,
  system,
] as const;
