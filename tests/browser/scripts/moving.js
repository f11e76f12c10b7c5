// Elements with an animation or a transition.
() =>
  [...document.querySelectorAll("*")].filter((e) => {
    const style = getComputedStyle(e);
    const slides = style.transitionDuration !== "0s" && style.transitionProperty !== "none";
    return style.animationName !== "none" || slides;
  }).length;
