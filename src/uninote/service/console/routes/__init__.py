"""Pages, one file per subject: each reads a form, calls the function of the API, and renders a template."""
