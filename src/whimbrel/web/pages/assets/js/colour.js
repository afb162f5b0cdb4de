// The pages' colours for what is drawn on a canvas, which knows nothing of styles.

/**
 * Return a colour of the style sheets by its name, as it is in the present theme.
 * A probe resolves it: the property itself says `light-dark(…)`.
 */
export function colour(name, opacity = 1) {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  return opacity === 1 ? resolved : resolved.replace("rgb(", "rgba(").replace(")", `, ${opacity})`);
}
