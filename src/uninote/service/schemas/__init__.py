"""Wire schemas: requests and answers, one file per subject."""
