"""Files for Prometheus and Grafana: dashboard, alert rules, their tests, configuration."""
