for (const viewer of document.querySelectorAll(".viewer")) {
  const compare = viewer.querySelector(".compare"), range = compare.querySelector("input");
  const before = compare.querySelector(".before"), after = compare.querySelector(".after");
  const strips = [...viewer.querySelectorAll(".strip")];
  const thumbs = [...viewer.querySelectorAll(".thumbs button")], names = [...viewer.querySelectorAll(".names button")];
  let frame = 0, method = thumbs[0].children.length - 1;
  const show = () => {
    const images = thumbs[frame].children;
    before.src = images[0].src;
    if (after) after.src = images[method].src;
    thumbs.forEach((button, i) => button.setAttribute("aria-pressed", i === frame));
    strips.forEach((strip, i) => { strip.hidden = i !== frame; });
    names.forEach(button => button.setAttribute("aria-pressed", +button.dataset.method === method));
    const chosen = names.find(button => +button.dataset.method === method);
    if (chosen) compare.querySelector(".right").textContent = after.alt = chosen.textContent;
  };
  thumbs.forEach((button, i) => button.addEventListener("click", () => { frame = i; show(); }));
  names.forEach(button => button.addEventListener("click", () => { method = +button.dataset.method; show(); }));
  if (range) range.addEventListener("input", () => compare.style.setProperty("--cut", range.value + "%"));
}
