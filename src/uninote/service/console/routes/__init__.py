"""Pages, one file per subject: each reads a form, calls a use case, and renders a template."""
