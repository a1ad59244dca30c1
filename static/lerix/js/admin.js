/* The theme that Settings has, for the admin's pages: before anything is painted, so not deferred. */
document.documentElement.dataset.theme = document.currentScript.dataset.theme;
