// The API reference: Swagger UI without its barriers. It shows the document, and sends nothing.

const place = document.getElementById("reference");

/** What cannot be mended by a part of ours: elements by selector, and what is done to each. */
const REPAIRS = {
  // A table that calls itself a region is no table any more, and says nothing of what it holds.
  "table[role=region]": (table) => table.removeAttribute("role"),
  "select:not([aria-label])": (select) => select.setAttribute("aria-label", "Example"),
};

function mend() {
  for (const [selector, repair] of Object.entries(REPAIRS)) {
    place.querySelectorAll(selector).forEach(repair);
  }
}

/** Parts of ours in the place of Swagger UI's. */
function ours({ React }) {
  const { createElement } = React;
  const Frame = ({ getComponent, specSelectors }) => {
    if (specSelectors.loadingStatus() !== "success") return null;
    const parts = ["SvgAssets", "operations", "Models"];
    return createElement(
      "div",
      { className: "swagger-ui" },
      parts.map((name) => createElement(getComponent(name, true), { key: name })),
    );
  };
  return {
    components: { Frame },
    wrapComponents: {
      // A link inside of the button that opens an operation would be one control in another.
      DeepLink: () => ({ text }) => createElement("span", null, text),
    },
  };
}

new MutationObserver(mend).observe(place, { childList: true, subtree: true });

SwaggerUIBundle({
  url: place.dataset.document,
  domNode: place,
  layout: "Frame",
  plugins: [ours],
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  queryConfigEnabled: false,
  supportedSubmitMethods: [],
  syntaxHighlight: false,
  validatorUrl: null,
  onComplete: () => place.setAttribute("aria-busy", "false"),
});
