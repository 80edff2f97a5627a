"""An HTTP server that stalled or foreign clients cannot hurt."""
