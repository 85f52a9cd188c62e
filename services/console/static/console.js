// The live count. The stream carries a number and nothing else; rows never move under a worker's hands.
(() => {
  const line = document.getElementById("news");
  if (!line || !window.EventSource) return;
  const stream = new EventSource(line.dataset.live);
  stream.addEventListener("news", (event) => {
    const count = Number.parseInt(event.data, 10);
    line.replaceChildren();
    if (!(count > 0)) return;
    const link = document.createElement("a");
    link.className = "govuk-link";
    link.href = line.dataset.here;
    link.textContent = "Refresh list";
    line.append(`${count > 99 ? "99+" : count} new alert${count === 1 ? "" : "s"}. `, link);
  });
  window.addEventListener("pagehide", () => stream.close());
})();
