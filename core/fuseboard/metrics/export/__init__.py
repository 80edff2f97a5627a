"""Files that Prometheus and Grafana need to watch breakers."""
