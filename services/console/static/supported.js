// Marks the page before it is drawn, so that macros which need JavaScript show themselves without a jump.
document.documentElement.classList.add("js-enabled");
document.addEventListener("DOMContentLoaded", () => {
  document.body.classList.add("js-enabled", "govuk-frontend-supported");
});
