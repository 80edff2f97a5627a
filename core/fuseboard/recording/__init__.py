"""Recording a run into a file, and replaying it."""
