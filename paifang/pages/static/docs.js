// Swagger UI on our own document; the validator's badge would ask a server on the internet.
import { onTheme } from "./shell.js";

// Its own sheet has a night of its own under this class.
onTheme((dark) => document.documentElement.classList.toggle("dark-mode", dark));

window.SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  defaultModelsExpandDepth: 0,
  docExpansion: "list",
  filter: true,
  tryItOutEnabled: true,
  persistAuthorization: false, // the administrator key stays in this page's memory
});
