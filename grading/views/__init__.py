"""The pages of marks: a module per page."""
