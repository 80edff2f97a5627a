"""What the dashboard is made of; each file draws what its name says."""
