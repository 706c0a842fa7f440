/** The modules of the web app: one tuple, no scanning. */
import { account } from "./account/module";
import { consoleModule } from "./console/module";
import { portal } from "./portal/module";
import { sign } from "./sign/module";

export const MODULES = [portal, sign, account, consoleModule] as const;
