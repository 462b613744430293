"""The revisions; a number is never changed once a release has it."""
