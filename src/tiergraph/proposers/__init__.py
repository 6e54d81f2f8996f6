"""What turns a request into a proposal. Nothing here imports nodes or graph."""
