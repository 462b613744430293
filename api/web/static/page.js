// What scripts add: copying, files dropped on the text, a word while one waits, a graph that answers to the pointer.
// Everything works without it.
"use strict";

for (const button of document.querySelectorAll("button[data-copy]")) {
  const source = document.getElementById(button.dataset.copy);
  if (!source || !navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const text = source instanceof HTMLAnchorElement ? source.href : source.textContent;
    const before = button.firstChild.data;
    try {
      await navigator.clipboard.writeText(text);
      button.firstChild.data = "Copied";
    } catch {
      button.firstChild.data = "Not allowed";
    }
    setTimeout(() => { button.firstChild.data = before; }, 1600);
  });
}

const paste = document.querySelector(".paste");
if (paste) {
  const text = paste.querySelector("textarea");
  const chooser = paste.querySelector("input[type=file]");
  const hold = (event) => {
    if (!event.dataTransfer || !event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    paste.classList.toggle("over", event.type === "dragover");
  };
  paste.addEventListener("dragover", hold);
  paste.addEventListener("dragleave", hold);
  paste.addEventListener("drop", (event) => {
    hold(event);
    if (event.dataTransfer && event.dataTransfer.files.length) chooser.files = event.dataTransfer.files;
  });
  const form = paste.closest("form");
  form.addEventListener("submit", () => {
    document.getElementById("wait").textContent = "Resolving… the first time, facts are fetched.";
  });
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  window.addEventListener("pageshow", () => { document.getElementById("wait").textContent = ""; });
}

for (const graph of document.querySelectorAll("svg.graph")) {
  const canvas = graph.parentElement;
  const root = graph.querySelector(".root rect");
  if (root) canvas.scrollTop = root.y.baseVal.value - canvas.clientHeight / 2;
  const edges = [...graph.querySelectorAll(".edge")];
  const nodes = new Map([...graph.querySelectorAll(".node")].map((node) => [node.dataset.name, node]));
  const look = (name) => {
    graph.classList.toggle("looking", name !== undefined);
    for (const element of graph.querySelectorAll(".near")) element.classList.remove("near");
    if (name === undefined) return;
    nodes.get(name).classList.add("near");
    for (const edge of edges) {
      if (edge.dataset.from !== name && edge.dataset.to !== name) continue;
      edge.classList.add("near");
      nodes.get(edge.dataset.from).classList.add("near");
      nodes.get(edge.dataset.to).classList.add("near");
    }
  };
  graph.addEventListener("pointerover", (event) => look(event.target.closest(".node")?.dataset.name));
  graph.addEventListener("pointerleave", () => look(undefined));
  graph.addEventListener("click", (event) => {
    const name = event.target.closest(".node")?.dataset.name;
    if (name !== undefined) location.hash = `pin-${name}`;
  });
}
