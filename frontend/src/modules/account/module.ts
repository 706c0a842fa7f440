import { defineModule } from "@/app/module";

export const account = defineModule({ name: "account", routes: [] });
