// Redoc on our own document, in the colours of tokens.css.
import { onTheme } from "./shell.js";

const place = document.querySelector("#redoc");

/** What a token comes to: Redoc computes with colours and can't read custom properties. */
function colour(token, scheme = "inherit") {
  const probe = document.createElement("span");
  probe.style.colorScheme = scheme;
  probe.style.color = `var(--pf-${token})`;
  place.before(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

function theme() {
  const ink = colour("ink");
  const soft = colour("ink-soft");
  const paper = colour("paper");
  const sunken = colour("sunken");
  const rule = colour("rule");
  const [ok, warn, bad] = [colour("ok"), colour("warn"), colour("bad")];
  const onPanel = colour("on-panel");
  const response = (shade) => ({ color: shade, backgroundColor: sunken, tabTextColor: onPanel });
  // The methods stand in white on their colours, on a panel that is always dark.
  const method = (token) => colour(token, "light");
  return {
    spacing: { unit: 4, sectionHorizontal: 32, sectionVertical: 24 },
    colors: {
      primary: { main: colour("accent") },
      success: { main: ok },
      warning: { main: warn },
      error: { main: bad },
      gray: { 50: sunken, 100: rule },
      text: { primary: ink, secondary: soft },
      border: { dark: rule, light: paper },
      responses: {
        success: response(ok),
        error: response(bad),
        redirect: response(warn),
        info: response(soft),
      },
      http: {
        get: method("ink-soft"),
        post: method("ok"),
        put: method("warn"),
        patch: method("warn"),
        delete: method("bad"),
        options: method("ink-soft"),
        head: method("ink-soft"),
        basic: method("ink-soft"),
        link: method("ink-soft"),
      },
    },
    schema: {
      linesColor: colour("edge"),
      nestedBackground: sunken,
      typeNameColor: soft,
      typeTitleColor: soft,
      requireLabelColor: bad,
      arrow: { color: soft },
    },
    typography: {
      fontSize: "16px",
      lineHeight: "1.6",
      fontFamily: "var(--pf-sans)",
      fontWeightBold: "600",
      headings: { fontFamily: "var(--pf-sans)", fontWeight: "400", lineHeight: "1.3" },
      code: { fontFamily: "var(--pf-mono)", fontSize: "13px", color: ink, backgroundColor: sunken },
      links: { color: ink, visited: ink, hover: ink, textDecoration: "underline" },
    },
    sidebar: {
      width: "256px",
      backgroundColor: paper,
      textColor: ink,
      activeTextColor: colour("accent"),
    },
    rightPanel: { backgroundColor: colour("panel"), textColor: onPanel },
    codeBlock: { backgroundColor: colour("panel-deep") },
    fab: { backgroundColor: sunken, color: ink },
  };
}

let shown = null;
onTheme((dark) => {
  if (shown === null) {
    shown = dark;
    const options = {
      nativeScrollbars: true,
      requiredPropsFirst: true,
      hideDownloadButton: true, // /openapi.json is linked from the welcome page
      theme: theme(),
    };
    window.Redoc.init("/openapi.json", options, place);
  } else if (shown !== dark) {
    location.reload(); // it has computed its colours once and for all
  }
});
